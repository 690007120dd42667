package desk

import (
	"context"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/signal"
)

const (
	insertQuote = `INSERT INTO quotes (instrument_id, ts, seq, bid, ask, bid_qty, ask_qty) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING`
	insertPrint = `INSERT INTO prints (instrument_id, ts, seq, px, qty, side) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING`
	insertBar   = `INSERT INTO bars (instrument_id, span_s, ts, open, high, low, close, volume, notional, prints) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
 ON CONFLICT DO NOTHING`
	// A quote that arrives late must not take the mark back.
	upsertLast = `INSERT INTO last_quotes (instrument_id, ts, bid, ask, mark) VALUES (?1, ?2, ?3, ?4, ?5)
 ON CONFLICT (instrument_id) DO UPDATE SET ts = excluded.ts, bid = excluded.bid, ask = excluded.ask, mark = excluded.mark WHERE excluded.ts >= last_quotes.ts`
	insertSignal = `INSERT INTO signals (signal_id, strategy_id, instrument_id, side, strength, ref_px, ts_event, expires_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
	expireSignal = `UPDATE signals SET status = 'expired' WHERE strategy_id = ?1 AND expires_ts < ?2 AND status = 'new'`
	latestSignal = `SELECT signal_id, side, strength, ref_px, ts_event, status FROM signals WHERE strategy_id = ?1 AND instrument_id = ?2 ORDER BY ts_event DESC, signal_id DESC LIMIT 1`
	lastQuote    = `SELECT ts, bid, ask, mark FROM last_quotes WHERE instrument_id = ?1`
)

// Record writes market events in one relaxed transaction: a power cut may take
// the latest ticks, which the venue can send again, never an order.
func (d *Desk) Record(ctx context.Context, events []market.Event) error {
	last := map[int64]int{}
	for n, e := range events {
		if e.Kind == market.QuoteEvent {
			last[e.Instrument] = n
		}
	}
	return d.update(ctx, "market data", engine.ClassNormal, func(ctx context.Context, tx *engine.Tx) error {
		for n, e := range events {
			if err := record(ctx, tx, e, last[e.Instrument] == n); err != nil {
				return err
			}
		}
		return nil
	}, engine.WithDurability(engine.Relaxed), engine.HoldFor(time.Second)) // a batch takes a millisecond, and on a machine that is starved far longer
}

func record(ctx context.Context, tx *engine.Tx, e market.Event, latest bool) error {
	var err error
	switch e.Kind {
	case market.QuoteEvent:
		q := e.Quote
		if _, err = tx.Exec(ctx, insertQuote, e.Instrument, e.TS, e.Seq, q.Bid, q.Ask, q.BidQty, q.AskQty); err == nil && latest {
			_, err = tx.Exec(ctx, upsertLast, e.Instrument, e.TS, q.Bid, q.Ask, q.Mid())
		}
	case market.PrintEvent:
		_, err = tx.Exec(ctx, insertPrint, e.Instrument, e.TS, e.Seq, e.Print.Px, e.Print.Qty, e.Print.Side)
	case market.BarEvent:
		b := e.Bar
		_, err = tx.Exec(ctx, insertBar, e.Instrument, int64(b.Span/time.Second), e.TS, b.Open, b.High, b.Low, b.Close, b.Volume, b.Notional, b.Prints)
	}
	return err
}

// Last is an instrument's latest quote.
type Last struct {
	TS, Bid, Ask, Mark int64
}

// Quote returns the latest quote of an instrument.
//
// # Errors
//
// [engine.ErrNoRows] where none has come yet.
func (d *Desk) Quote(ctx context.Context, instrument int64) (Last, error) {
	var l Last
	err := patiently(ctx, func() error {
		return d.db.QueryRow(ctx, lastQuote, instrument, engine.WithClass(engine.ClassSignal)).Scan(&l.TS, &l.Bid, &l.Ask, &l.Mark)
	})
	return l, err
}

// signalLife is how long a signal may be acted on.
const signalLife = 30 * time.Second

// Signal writes a strategy's signal, relaxed, and returns its id. A signal that
// a power cut takes was not acted on: the order that acts on it is durable and
// carries everything that comes before it in the log.
func (d *Desk) Signal(ctx context.Context, strategy, instrument int64, s signal.Signal, ts int64) (int64, error) {
	id := d.ids.Next()
	err := d.update(ctx, "signal", engine.ClassSignal, func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, insertSignal, id, strategy, instrument, s.Side, s.Strength, s.RefPx, ts, ts+int64(signalLife))
		return err
	}, engine.WithDurability(engine.Relaxed))
	return id, err
}

// ExpireSignals marks signals of a strategy that nobody acted on in time.
func (d *Desk) ExpireSignals(ctx context.Context, strategy, now int64) (int64, error) {
	var n int64
	err := d.update(ctx, "expire signals", engine.ClassSignal, func(ctx context.Context, tx *engine.Tx) error {
		res, err := tx.Exec(ctx, expireSignal, strategy, now)
		n = res.RowsAffected
		return err
	}, engine.WithDurability(engine.Relaxed))
	return n, err
}

// Latest is a strategy's newest signal for an instrument.
type Latest struct {
	ID       int64
	Side     int
	Strength float64
	RefPx    int64
	TS       int64
	Status   string
}

// LatestSignal returns it.
//
// # Errors
//
// [engine.ErrNoRows] where the strategy has said nothing yet.
func (d *Desk) LatestSignal(ctx context.Context, strategy, instrument int64) (Latest, error) {
	var l Latest
	err := patiently(ctx, func() error {
		return d.db.QueryRow(ctx, latestSignal, strategy, instrument, engine.WithClass(engine.ClassSignal)).Scan(&l.ID, &l.Side, &l.Strength, &l.RefPx, &l.TS, &l.Status)
	})
	return l, err
}

// rollUpBars sums one-minute bars up to days, first and last price by key. The
// cross join keeps the small table outside.
const rollUpBars = `INSERT INTO bars (instrument_id, span_s, ts, open, high, low, close, volume, notional, prints)
WITH g AS (
  SELECT b.instrument_id, b.ts / 86400000000000 AS d, min(b.ts) t0, max(b.ts) t1, max(high) high, min(low) low,
         sum(volume) volume, sum(notional) notional, sum(prints) prints
    FROM instruments i CROSS JOIN bars b WHERE b.instrument_id = i.instrument_id AND b.span_s = 60 AND b.ts >= ?1 AND b.ts < ?2
   GROUP BY 1, 2)
SELECT g.instrument_id, 86400, g.d * 86400000000000, o.open, g.high, g.low, c.close, g.volume, g.notional, g.prints
  FROM g JOIN bars o ON o.instrument_id = g.instrument_id AND o.span_s = 60 AND o.ts = g.t0
         JOIN bars c ON c.instrument_id = g.instrument_id AND c.span_s = 60 AND c.ts = g.t1
 WHERE true ON CONFLICT (instrument_id, span_s, ts) DO UPDATE SET high = excluded.high, low = excluded.low, close = excluded.close,
   volume = excluded.volume, notional = excluded.notional, prints = excluded.prints`

// RollUpBars makes the daily bars of the minutes between two times.
func (d *Desk) RollUpBars(ctx context.Context, from, to int64) error {
	return d.update(ctx, "roll up bars", engine.ClassMaintenance, func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, rollUpBars, from, to)
		return err
	}, engine.WithDurability(engine.Relaxed), engine.HoldFor(5*time.Second))
}
