package desk_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/signal"
)

func (b *bench) limit(account int64, instrument any, kind string, value int64) {
	b.t.Helper()
	if _, err := b.DB().Exec(b.t.Context(), `INSERT INTO risk_limits (account_id, instrument_id, kind, value) VALUES (?1, ?2, ?3, ?4)
 ON CONFLICT (account_id, kind, coalesce(instrument_id, 0), coalesce(strategy_id, 0)) DO UPDATE SET value = excluded.value`, account, instrument, kind, value); err != nil {
		b.t.Fatal(err)
	}
}

func TestEachLimitVetoes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	px := listing(share).Start
	b.trade(1, share, 1, 50, px, 0)
	worth := func(qty int64) int64 { return qty * px * 100 }
	cases := []struct {
		kind       string
		instrument any
		limit      int64
		qty        int64 // just within; one more is over
		over       func(o *desk.Order)
	}{
		{"order_qty", share, 20, 20, func(o *desk.Order) { o.Qty = 21 }},
		{"order_notional", nil, worth(30), 30, func(o *desk.Order) { o.Qty = 31 }},
		{"position_qty", share, 60, 10, func(o *desk.Order) { o.Qty = 11 }},
		{"gross_notional", nil, worth(60), 10, func(o *desk.Order) { o.Qty = 11 }},
		{"collar_bps", nil, 100, 1, func(o *desk.Order) { o.LimitPx = px + px/100/100*100 + 200 }},
	}
	for _, c := range cases {
		before := b.number(`SELECT coalesce((SELECT value FROM risk_limits WHERE account_id = 1 AND kind = ?1 AND coalesce(instrument_id, 0) = coalesce(?2, 0)), 1000000000)`, c.kind, c.instrument)
		b.limit(1, c.instrument, c.kind, c.limit)
		o := b.order(1, share, 1, c.qty)
		p, err := b.Place(t.Context(), o)
		if err != nil || p.Refused != nil {
			t.Errorf("%s: an order within the limit: %+v, %v", c.kind, p.Refused, err)
		} else if ok, err := b.Cancel(t.Context(), p.OrderID, "c", b.now); !ok || err != nil {
			t.Error(err)
		}
		o = b.order(1, share, 1, c.qty)
		c.over(&o)
		p, err = b.Place(t.Context(), o)
		if err != nil || p.Refused == nil || p.Refused.Kind != c.kind || p.Refused.Limit != c.limit || p.Refused.Value <= c.limit || p.OrderID != 0 {
			t.Errorf("%s: an order beyond the limit: %+v, %+v, %v", c.kind, p, p.Refused, err)
		}
		b.limit(1, c.instrument, c.kind, before)
	}
	b.sound()
}

func TestVetoesThatNeedNoLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	refused := func(o desk.Order) string {
		t.Helper()
		p, err := b.Place(t.Context(), o)
		if err != nil || p.Refused == nil {
			t.Errorf("%+v: placed, %v", o, err)
			return ""
		}
		return p.Refused.Kind
	}
	if got := refused(b.order(1, coin, -1, listing(coin).Lot)); got != "holding" {
		t.Errorf("sale of a coin that is not there: %s", got)
	}
	b.trade(1, coin, 1, 3*listing(coin).Lot, listing(coin).Start, 0)
	b.place(b.order(1, coin, -1, 2*listing(coin).Lot))
	if got := refused(b.order(1, coin, -1, 2*listing(coin).Lot)); got != "holding" {
		t.Errorf("the same coins sold twice: %s", got)
	}
	for _, kind := range []string{"order_notional", "gross_notional"} {
		b.limit(1, nil, kind, 1<<62)
	}
	b.limit(1, share, "position_qty", 1<<62)
	if got := refused(b.order(1, share, 1, 20_000_000)); got != "buying_power" {
		t.Errorf("more than cash and credit: %s", got)
	}
	if _, err := b.DB().Exec(t.Context(), `DELETE FROM last_quotes WHERE instrument_id = ?`, share); err != nil {
		t.Fatal(err)
	}
	if got := refused(b.order(1, share, 1, 1)); got != "no_quote" {
		t.Errorf("no price known: %s", got)
	}
}

func TestOpenOrdersAndDailyLoss(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.limit(2, nil, "open_orders", 2)
	b.place(b.order(2, share, 1, 1))
	b.place(b.order(2, share, 1, 1))
	if p, err := b.Place(t.Context(), b.order(2, share, 1, 1)); err != nil || p.Refused == nil || p.Refused.Kind != "open_orders" {
		t.Errorf("third open order: %+v, %v", p, err)
	}
	px := listing(share).Start
	b.trade(3, share, 1, 10, px, 0)
	b.trade(3, share, -1, 8, px-1000, 7) // realises a loss of 8 * 0.10, and pays a fee
	f, err := b.Figures(t.Context(), 3, share, 1, b.now)
	if err != nil || f.DayPnL != -8*1000*100-7 || f.Position != 2 || f.Gross != 2*px*100 {
		t.Errorf("figures %+v, %v", f, err)
	}
	b.limit(3, nil, "daily_loss", 8*1000*100+6)
	if p, err := b.Place(t.Context(), b.order(3, share, 1, 1)); err != nil || p.Refused == nil || p.Refused.Kind != "daily_loss" {
		t.Errorf("order after the day's loss: %+v, %v", p, err)
	}
	if p, err := b.Place(t.Context(), b.order(3, share, -1, 2)); err != nil || p.Refused != nil {
		t.Errorf("an order that closes the position: %+v, %v", p.Refused, err)
	}
}

// Two sessions must not both use the last of a limit.
func TestLimitUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.limit(1, share, "position_qty", 30)
	var placed, vetoed atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			p, err := b.Place(t.Context(), b.order(1, share, 1, 1))
			switch {
			case err != nil:
				t.Error(err)
			case p.Refused != nil:
				vetoed.Add(1)
			default:
				placed.Add(1)
			}
		})
	}
	wg.Wait()
	if placed.Load() != 30 || vetoed.Load() != 70 {
		t.Errorf("%d placed and %d vetoed under a limit of 30", placed.Load(), vetoed.Load())
	}
}

func TestSignalIsMarked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	sig := signal.Signal{Side: 1, Strength: 0.5, RefPx: listing(share).Start}
	place := func(side int, instrument int64) string {
		id, err := b.Signal(ctx, 1, instrument, sig, b.now)
		if err != nil {
			t.Fatal(err)
		}
		o := b.order(1, instrument, side, listing(instrument).Lot)
		o.Signal = id
		if _, err := b.Place(ctx, o); err != nil {
			t.Fatal(err)
		}
		return b.text(`SELECT status FROM signals WHERE signal_id = ?`, id)
	}
	if got := place(1, share); got != "acted" {
		t.Errorf("signal of an order: %s", got)
	}
	if got := place(-1, coin); got != "vetoed" {
		t.Errorf("signal of a vetoed order: %s", got)
	}
	id, err := b.Signal(ctx, 1, share, sig, b.now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.LatestSignal(ctx, 1, share)
	if err != nil || l.ID != id || l.Status != "new" || l.Side != 1 || l.Strength != 0.5 {
		t.Errorf("latest %+v, %v", l, err)
	}
	if n, err := b.ExpireSignals(ctx, 1, b.now); n != 0 || err != nil {
		t.Errorf("%d expired at once, %v", n, err)
	}
	if n, err := b.ExpireSignals(ctx, 1, b.now+int64(60e9)); n != 1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
}

func TestQuoteThatComesLateKeepsTheMark(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := func(ts, bid int64) market.Event {
		return market.Event{Kind: market.QuoteEvent, Instrument: share, TS: ts, Seq: ts, Quote: market.Quote{Bid: bid, Ask: bid + 200}}
	}
	for _, e := range []market.Event{q(b.now+20, 5000), q(b.now+10, 9000), q(b.now+20, 5000)} { // late, then repeated
		if err := b.Record(t.Context(), []market.Event{e}); err != nil {
			t.Fatal(err)
		}
		if l, err := b.Quote(t.Context(), share); err != nil || l.Bid != 5000 || l.Mark != 5100 {
			t.Errorf("after the quote of %d: %+v, %v", e.TS-b.now, l, err)
		}
	}
	if n := b.number(`SELECT count(*) FROM quotes WHERE instrument_id = 1`); n != 3 {
		t.Errorf("%d quotes kept, want 3", n)
	}
}
