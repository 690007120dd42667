package desk_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/money"
)

func (b *bench) bustOf(x desk.Execution) desk.Execution {
	bust := b.fillOf(x.Order, x.Qty, x.Px, x.Fee)
	bust.Busts = x.VenueExecID
	return bust
}

func TestBustTakesEverythingBack(t *testing.T) {
	t.Parallel()
	for name, instrument := range map[string]int64{"share": share, "coin": coin, "perpetual": perp} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			l := listing(instrument)
			cash := b.balance(1, "cash", l.Settle)
			x := b.trade(1, instrument, 1, 20*l.Lot, l.Start, 77)
			bust := b.bustOf(x)
			b.book(bust)
			if got := b.balance(1, "cash", l.Settle); got != cash {
				t.Errorf("%d of the cash did not come back", cash-got)
			}
			if got := b.text(`SELECT qty || ' ' || cost || ' ' || realised || ' ' || fees FROM positions`); got != "0 0 0 0" {
				t.Errorf("position %s", got)
			}
			if got := b.text(`SELECT state || ' ' || cum_qty FROM orders WHERE order_id = ?`, x.Order); got != "new 0" {
				t.Errorf("order %s", got)
			}
			if got, err := b.Book(t.Context(), bust); err != nil || !got.Duplicate {
				t.Errorf("the bust again: %+v, %v", got, err)
			}
			if got, err := b.Book(t.Context(), b.bustOf(x)); err != nil || got.Reason != "execution was taken back before" {
				t.Errorf("a second bust: %+v, %v", got, err)
			}
			b.sound()
		})
	}
}

// After a bust the position is what it would be had the fill never come, and so
// is the profit: for each method, wherever in the history the fill was.
func TestBustReplaysTheHistory(t *testing.T) {
	t.Parallel()
	for _, account := range []int64{1, fifoAccount} {
		b := newBench(t)
		r := rand.New(rand.NewPCG(uint64(account), 2))
		px := listing(share).Start
		var trades []desk.Execution
		var entries []money.Entry
		for range 40 {
			side, qty, at := 1-2*r.IntN(2), 1+r.Int64N(20), px+100*r.Int64N(100)
			trades = append(trades, b.trade(account, share, side, qty, at, 3))
			entries = append(entries, money.Entry{Side: side, Qty: qty, Notional: qty * at * 100})
		}
		method := money.MethodAverage
		if account == fifoAccount {
			method = money.MethodFIFO
		}
		for range 12 {
			n := r.IntN(len(trades))
			b.book(b.bustOf(trades[n]))
			trades, entries = append(trades[:n], trades[n+1:]...), append(entries[:n], entries[n+1:]...)
			p, profit, err := money.Replay(method, entries)
			if err != nil {
				t.Fatal(err)
			}
			want := dec(p.Qty) + " " + dec(p.Cost) + " " + dec(profit)
			if got := b.text(`SELECT qty || ' ' || cost || ' ' || realised FROM positions`); got != want {
				t.Fatalf("%s: position %s after the bust, want %s", method, got, want)
			}
			side, qty, at := 1-2*r.IntN(2), 1+r.Int64N(20), px+100*r.Int64N(100)
			trades = append(trades, b.trade(account, share, side, qty, at, 3))
			entries = append(entries, money.Entry{Side: side, Qty: qty, Notional: qty * at * 100})
		}
		b.sound()
	}
}
