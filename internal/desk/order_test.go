package desk_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/tidegate/engine/internal/desk"
)

func TestPlaceHoldsCashUntilTheEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	held := func() int64 {
		return b.number(`SELECT held FROM ledger_accounts WHERE account_id = 1 AND role = 'cash' AND ccy = 'USD'`)
	}
	px := listing(share).Start
	order := b.place(b.order(1, share, 1, 10))
	notional := 10 * px * 100 // price scale 4, money scale 6
	if got, want := held(), notional+notional/2000+1; got != want {
		t.Errorf("held %d, want price and fee: %d", got, want)
	}
	b.book(b.fillOf(order, 4, px, 0))
	if got := held(); got <= notional/2 || got >= notional*2/3 {
		t.Errorf("held %d of %d after four of ten", got, notional)
	}
	if ok, err := b.Cancel(t.Context(), order, "c", b.now); err != nil || !ok {
		t.Errorf("cancel: %v, %v", ok, err)
	}
	if got := held(); got != 0 {
		t.Errorf("held %d after the end", got)
	}
	if got := b.text(`SELECT state || ' ' || cum_qty || ' ' || leaves_qty || ' ' || canceled_qty FROM orders WHERE order_id = ?`, order); got != "canceled 4 0 6" {
		t.Errorf("order is %s", got)
	}
	b.sound()
}

func TestPlaceTwiceIsOneOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.order(1, share, 1, 10)
	var wg sync.WaitGroup
	ids := make([]int64, 20)
	repeats := make([]bool, len(ids))
	for i := range ids {
		wg.Go(func() {
			p, err := b.Place(t.Context(), o)
			if err != nil {
				t.Error(err)
			}
			ids[i], repeats[i] = p.OrderID, p.Repeat
		})
	}
	wg.Wait()
	fresh := 0
	for i := range ids {
		if ids[i] != ids[0] || ids[i] == 0 {
			t.Fatalf("orders %v", ids)
		}
		if !repeats[i] {
			fresh++
		}
	}
	if n := b.number(`SELECT count(*) FROM orders`); n != 1 || fresh != 1 {
		t.Errorf("%d orders, %d of the calls made one", n, fresh)
	}
}

func TestPlaceRefusesNonsense(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, change := range map[string]func(*desk.Order){
		"no quantity": func(o *desk.Order) { o.Qty = 0 },
		"off tick":    func(o *desk.Order) { o.LimitPx++ },
		"no side":     func(o *desk.Order) { o.Side = 0 },
		"no price":    func(o *desk.Order) { o.LimitPx, o.RefPx = 0, 0 }, // it would hold nothing, and pass for an order of no worth
		"below zero":  func(o *desk.Order) { o.LimitPx = -o.LimitPx },
		"two sides":   func(o *desk.Order) { o.Side = 2 },
	} {
		o := b.order(1, share, 1, 10)
		change(&o)
		if p, err := b.Place(t.Context(), o); err == nil {
			t.Errorf("%s: placed %+v", name, p)
		}
	}
	o := b.order(1, coin, 1, listing(coin).Lot+1)
	if _, err := b.Place(t.Context(), o); err == nil {
		t.Error("off lot: placed")
	}
	for _, o := range []desk.Order{b.order(99, share, 1, 1), {Account: 1, Instrument: 99, Side: 1, Qty: 1}} {
		if _, err := b.Place(t.Context(), o); !errors.Is(err, desk.ErrUnknown) {
			t.Errorf("account %d, instrument %d: %v", o.Account, o.Instrument, err)
		}
	}
	if n := b.number(`SELECT count(*) FROM orders`); n != 0 {
		t.Errorf("%d orders got in", n)
	}
}

func TestEventsThatComeTooLateChangeNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	order := b.place(b.order(1, share, 1, 10))
	if ok, err := b.Ack(ctx, order, "again", b.now); ok || err != nil {
		t.Errorf("second ack: %v, %v", ok, err)
	}
	if ok, err := b.RequestCancel(ctx, order, "c1", b.now); !ok || err != nil {
		t.Errorf("cancel request: %v, %v", ok, err)
	}
	b.book(b.fillOf(order, 10, listing(share).Start, 0))
	for name, event := range map[string]func() (bool, error){
		"cancel":         func() (bool, error) { return b.Cancel(ctx, order, "c1", b.now) },
		"reject":         func() (bool, error) { return b.Reject(ctx, order, "late", b.now) },
		"cancel request": func() (bool, error) { return b.RequestCancel(ctx, order, "c2", b.now) },
		"no such order":  func() (bool, error) { return b.Ack(ctx, 77, "v", b.now) },
	} {
		if ok, err := event(); ok || err != nil {
			t.Errorf("%s after the fill: %v, %v", name, ok, err)
		}
	}
	if got := b.text(`SELECT group_concat(event || '>' || to_state, ' ') FROM (SELECT * FROM order_events WHERE order_id = ? ORDER BY seq)`, order); got != "ack>new cancel_request>pending_cancel fill>filled" {
		t.Errorf("history %s", got)
	}
	other := b.place(b.order(1, share, 1, 10))
	if ok, err := b.Reject(ctx, other, "no", b.now); !ok || err != nil {
		t.Errorf("reject: %v, %v", ok, err)
	}
	open, err := b.OpenOrders(ctx)
	if err != nil || len(open) != 0 {
		t.Errorf("open %v, %v", open, err)
	}
	b.sound()
}
