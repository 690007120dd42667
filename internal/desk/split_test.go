package desk_test

import (
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/desk/money"
)

func TestSplitKeepsCostAndGoesOnByFIFO(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	px := listing(share).Start
	var history []money.Entry
	trade := func(side int, qty, px int64) {
		b.trade(fifoAccount, share, side, qty, px, 0)
		history = append(history, money.Entry{Side: side, Qty: qty, Notional: qty * px * 100})
	}
	trade(1, 10, px)
	trade(1, 10, px+1000)
	trade(-1, 5, px+2000)
	b.trade(1, share, -1, 7, px, 0) // a short position splits too
	open := b.place(b.order(1, share, 1, 1))
	if err := b.Split(t.Context(), share, 20260902, 2, 1, b.now); err == nil || !strings.Contains(err.Error(), "cancel them") {
		t.Errorf("a split under open orders: %v", err)
	}
	if ok, err := b.Cancel(t.Context(), open, "c", b.now); !ok || err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second changes nothing
		if err := b.Split(t.Context(), share, 20260902, 2, 1, b.now); err != nil {
			t.Fatal(err)
		}
	}
	history = append(history, money.Entry{Qty: 15})
	if got := b.text(`SELECT group_concat(qty, ' ') FROM (SELECT qty FROM positions ORDER BY account_id)`); got != "-14 30" {
		t.Errorf("quantities %s", got)
	}
	trade(-1, 16, px/2/100*100)
	p, profit, err := money.Replay(money.MethodFIFO, history)
	if err != nil {
		t.Fatal(err)
	}
	want := dec(p.Qty) + " " + dec(p.Cost) + " " + dec(profit)
	if got := b.text(`SELECT qty || ' ' || cost || ' ' || realised FROM positions WHERE account_id = ?`, fifoAccount); got != want {
		t.Errorf("position %s, want %s", got, want)
	}
	b.sound()
}

func TestSplitRefusesFractions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.trade(1, share, 1, 7, listing(share).Start, 0)
	if err := b.Split(t.Context(), share, 20260902, 1, 2, b.now); err == nil || !strings.Contains(err.Error(), "fraction") {
		t.Errorf("one for two of seven: %v", err)
	}
	if err := b.Split(t.Context(), share, 20260902, 0, 1, b.now); err == nil {
		t.Error("a split of nothing was accepted")
	}
	if n := b.number(`SELECT (SELECT count(*) FROM corporate_actions) + (SELECT count(*) FROM position_adjustments)`); n != 0 {
		t.Errorf("a refused split left %d rows", n)
	}
}
