// Package signals is the load of a trading desk's signals: durable writes of one signal each, in the same transaction with the
// end of the session's last one, and reads of the latest signal, the latest quote and the book of signals that wait. It is
// offered in an open loop to the engine; then the engine, and the other ways to use SQLite that it is compared with, are asked
// for all they can do.
package signals

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/signal"
)

// The statements of the desk.
const (
	insertSignal = `INSERT INTO signals (signal_id, strategy_id, instrument_id, side, strength, ref_px, ts_event, expires_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
	markSignal   = `UPDATE signals SET status = ?2 WHERE signal_id = ?1 AND status = 'new'`
	latestSignal = `SELECT signal_id, side, strength, ref_px, ts_event, status FROM signals WHERE strategy_id = ?1 AND instrument_id = ?2 ORDER BY ts_event DESC, signal_id DESC LIMIT 1`
	lastQuote    = `SELECT ts, bid, ask, mark FROM last_quotes WHERE instrument_id = ?1`
	waiting      = `SELECT s.signal_id, s.instrument_id, s.side, s.strength, q.bid, q.ask
  FROM signals s JOIN last_quotes q ON q.instrument_id = s.instrument_id
 WHERE s.strategy_id = ?1 AND s.status = 'new' AND s.expires_ts > ?2 ORDER BY s.expires_ts LIMIT 20`
)

// life is how long a signal may be acted on.
const life = 30 * time.Second

// entry is one write: a new signal, and the one of before that is over with it, 0 for none.
type entry struct {
	id, strategy, instrument, last int64
	side                           int
	strength                       float64
	refPx, ts                      int64
}

// store is a database in one of the ways that are compared.
type store interface {
	// write commits a signal. It fails where the last one was not there to be ended.
	write(ctx context.Context, e entry) error
	// rows runs a query, reads all of its rows to the last column, and returns how many there were.
	rows(ctx context.Context, sql string, args ...any) (int, error)
	// numbers returns the first column of a query.
	numbers(ctx context.Context, sql string) ([]int64, error)
	// setup runs statements in one transaction.
	setup(ctx context.Context, fn func(exec func(sql string, args ...any) error) error) error
}

// errLost says that an UPDATE found no row where the session had been told that there is one.
type errLost struct{ id int64 }

func (e errLost) Error() string {
	return fmt.Sprintf("signal %d was acknowledged and is not there", e.id)
}

// workload is what sessions do with a store.
type workload struct {
	store                   store
	strategies, instruments []int64
	first                   int64        // signal ids of this run start here
	next                    atomic.Int64 // signal id
	acknowledged            atomic.Int64 // writes
	traders                 []trader
}

// trader is the state of a session.
type trader struct {
	rng  *rand.Rand
	last int64 // signal of this session that has been written and not ended
}

// prepare writes the reference data where they are missing and gives each session its own random numbers.
func prepare(ctx context.Context, s store, sessions int, seed uint64) (*workload, error) {
	if err := s.setup(ctx, reference); err != nil {
		return nil, fmt.Errorf("write the reference data: %w", err)
	}
	w := &workload{store: s, traders: make([]trader, sessions)}
	var err error
	if w.strategies, err = s.numbers(ctx, "SELECT strategy_id FROM strategies ORDER BY 1"); err != nil {
		return nil, err
	}
	if w.instruments, err = s.numbers(ctx, "SELECT instrument_id FROM instruments ORDER BY 1"); err != nil {
		return nil, err
	}
	highest, err := s.numbers(ctx, "SELECT max(signal_id) FROM signals")
	if err != nil {
		return nil, err
	}
	w.first = highest[0] + 1
	w.next.Store(w.first)
	for n := range w.traders {
		w.traders[n].rng = rand.New(rand.NewPCG(seed, uint64(n)))
	}
	return w, nil
}

// history is how many signals of the past each strategy has for each instrument: 20,000 in all.
const history = 100

func reference(exec func(sql string, args ...any) error) error {
	for _, c := range market.Currencies() {
		if err := exec("INSERT INTO currencies (ccy, scale, kind) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", c.Code, int64(c.Scale), c.Kind); err != nil {
			return err
		}
	}
	for _, l := range market.Universe() {
		var base any
		if l.Base != "" {
			base = l.Base
		}
		err := exec(`INSERT INTO instruments (instrument_id, venue, symbol, kind, cash_settled, base_ccy, quote_ccy, settle_ccy, price_scale, qty_scale, tick, lot)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			l.ID, l.Venue, l.Symbol, string(l.Kind), l.CashSettled, base, l.Quote, l.Settle, int64(l.PriceScale), int64(l.QtyScale), l.Tick, l.Lot)
		if err != nil {
			return err
		}
		err = exec("INSERT INTO last_quotes (instrument_id, ts, bid, ask, mark) VALUES (?, 1, ?, ?, ?) ON CONFLICT DO NOTHING", l.ID, l.Start-l.Tick, l.Start+l.Tick, l.Start)
		if err != nil {
			return err
		}
	}
	for i, code := range signal.Codes() {
		if err := exec("INSERT INTO strategies (strategy_id, code, version) VALUES (?, ?, '1') ON CONFLICT DO NOTHING", int64(i+1), string(code)); err != nil {
			return err
		}
	}
	return exec(`INSERT INTO signals (strategy_id, instrument_id, side, strength, ref_px, ts_event, expires_ts, status)
WITH RECURSIVE past(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM past WHERE n < ?)
SELECT s.strategy_id, i.instrument_id, 1, 0.5, 100, n * 1000000000, n * 1000000000 + 1, 'acted' FROM past, strategies s, instruments i
 WHERE NOT EXISTS (SELECT 1 FROM signals o WHERE o.strategy_id = s.strategy_id AND o.instrument_id = i.instrument_id)`, int64(history))
}

// write is one transaction: a new signal, and the end of the one before.
func (w *workload) write(ctx context.Context, session int) error {
	t := &w.traders[session]
	e := entry{id: w.next.Add(1) - 1, strategy: w.strategies[session%len(w.strategies)], instrument: w.instruments[t.rng.IntN(len(w.instruments))],
		last: t.last, side: 1 - 2*t.rng.IntN(2), strength: t.rng.Float64(), refPx: 1 + t.rng.Int64N(1_000_000), ts: time.Now().UnixNano()}
	if err := w.store.write(ctx, e); err != nil {
		return err
	}
	t.last = e.id
	w.acknowledged.Add(1)
	return nil
}

// read is one question: half of them for the latest signal, a quarter for a quote, a quarter for the signals that wait.
func (w *workload) read(ctx context.Context, session int) error {
	t := &w.traders[session]
	strategy, instrument := w.strategies[t.rng.IntN(len(w.strategies))], w.instruments[t.rng.IntN(len(w.instruments))]
	var n int
	var err error
	switch t.rng.IntN(4) {
	case 0:
		n, err = w.store.rows(ctx, lastQuote, instrument)
	case 1:
		_, err = w.store.rows(ctx, waiting, strategy, time.Now().UnixNano())
		n = 1 // none is an answer, too
	default:
		n, err = w.store.rows(ctx, latestSignal, strategy, instrument)
	}
	if err == nil && n != 1 {
		err = fmt.Errorf("%d rows for strategy %d, instrument %d; want one", n, strategy, instrument)
	}
	return err
}

// verify counts what is there of this run: every write that was acknowledged, and at most as many more as have failed
// without saying whether they were applied.
func (w *workload) verify(ctx context.Context, failed int64) error {
	got, err := w.store.numbers(ctx, fmt.Sprintf("SELECT count(*) FROM signals WHERE signal_id >= %d", w.first))
	if err != nil {
		return err
	}
	if want := w.acknowledged.Load(); got[0] < want || got[0] > want+failed {
		return fmt.Errorf("%d signals were acknowledged, %d writes failed, and %d signals are in the database", want, failed, got[0])
	}
	return nil
}
