package desk_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/money"
)

// Money of a share is qty * px * 100 (price scale 4, USD scale 6).
func TestFillOfAShareMovesCashAndCost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cash := b.balance(1, "cash", "USD")
	px := listing(share).Start
	b.trade(1, share, 1, 10, px, 55)
	if got := cash - b.balance(1, "cash", "USD"); got != 10*px*100+55 {
		t.Errorf("paid %d", got)
	}
	b.trade(1, share, -1, 4, px+1000, 44)
	if got := cash - b.balance(1, "cash", "USD"); got != 10*px*100+55-4*(px+1000)*100+44 {
		t.Errorf("paid %d after the sale", got)
	}
	if got := b.text(`SELECT qty || ' ' || cost || ' ' || realised || ' ' || fees || ' ' || fills FROM positions`); got != "6 "+dec(6*px*100)+" 400000 99 2" {
		t.Errorf("position %s", got)
	}
	if got := b.balance(1, "fees", "USD"); got != 99 {
		t.Errorf("fees %d", got)
	}
	b.sound()
}

func dec(n int64) string { return money.Format(n, 0) }

func TestFillOfACoinMovesBothLegs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cash := b.balance(1, "cash", "USDT")
	lot, px := listing(coin).Lot, listing(coin).Start
	b.trade(1, coin, 1, 5*lot, px, 0)
	if coins, paid := b.balance(1, "cash", "XRP"), cash-b.balance(1, "cash", "USDT"); coins != 5*lot || paid != 5*px*10 {
		t.Errorf("%d coins for %d", coins, paid)
	}
	b.trade(1, coin, -1, 5*lot, px, 0)
	if coins, back := b.balance(1, "cash", "XRP"), b.balance(1, "cash", "USDT"); coins != 0 || back != cash {
		t.Errorf("%d coins left, %d of %d back", coins, back, cash)
	}
	b.sound()
}

func TestFillOfAPerpetualMovesProfitOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cash := b.balance(1, "cash", "USDT")
	px := listing(perp).Start
	b.trade(1, perp, -1, 10_000, px, 0) // short one coin
	if got := b.balance(1, "cash", "USDT"); got != cash {
		t.Errorf("opening moved %d", got-cash)
	}
	b.trade(1, perp, 1, 4_000, px-10*10_000, 0) // ten dollars lower, 0.4 coins
	if got := b.balance(1, "cash", "USDT") - cash; got != 4_000_000 {
		t.Errorf("profit %d", got)
	}
	b.trade(1, perp, 1, 6_000, px+10*10_000, -3) // and the rest at a loss, with a rebate
	if got := b.balance(1, "cash", "USDT") - cash; got != 4_000_000-6_000_000+3 {
		t.Errorf("profit %d", got)
	}
	b.sound()
}

func TestReportsThatComeTwiceAreOneFill(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	order := b.place(b.order(1, share, 1, 10))
	x := b.fillOf(order, 10, listing(share).Start, 5)
	var booked, duplicate atomic.Int64
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			got, err := b.Book(t.Context(), x)
			switch {
			case err != nil || got.Break != 0:
				t.Errorf("%+v, %v", got, err)
			case got.Duplicate:
				duplicate.Add(1)
			default:
				booked.Add(1)
			}
		})
	}
	wg.Wait()
	if booked.Load() != 1 || duplicate.Load() != 29 || b.number(`SELECT count(*) FROM executions`) != 1 {
		t.Errorf("%d booked, %d duplicates", booked.Load(), duplicate.Load())
	}
	b.sound()
}

func TestWhatTheRulesRefuseIsKeptAsABreak(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	px := listing(share).Start
	full := b.place(b.order(1, share, 1, 10))
	b.book(b.fillOf(full, 10, px, 0))
	rejected := b.place(b.order(1, share, 1, 10))
	if ok, err := b.Reject(t.Context(), rejected, "no", b.now); !ok || err != nil {
		t.Fatal(err)
	}
	open := b.place(b.order(1, share, 1, 10))
	bust := func(order int64, of string) desk.Execution {
		x := b.fillOf(order, 10, px, 0)
		x.Busts = of
		return x
	}
	cases := []struct {
		reason string
		x      desk.Execution
	}{
		{"overfill", b.fillOf(full, 1, px, 0)},
		{"overfill", b.fillOf(open, 11, px, 0)},
		{"unknown order", b.fillOf(4711, 1, px, 0)},
		{"order was rejected", b.fillOf(rejected, 1, px, 0)},
		{"off lot or tick", b.fillOf(open, 1, px+1, 0)},
		{"off lot or tick", b.fillOf(open, 0, px, 0)},
		{"notional exceeds 63 bits", b.fillOf(open, 1, 1<<62/100*100, 0)},
		{"bust of an unknown execution", bust(open, "nothing")},
		{"refused by the schema", b.fillOf(open, 1, px, 1<<60)}, // a fee beyond cash and credit
	}
	before := b.number(`SELECT sum(debits) FROM ledger_accounts`)
	defer func() {
		if n := b.number(`SELECT count(*) FROM execution_breaks`); n != int64(len(cases)) {
			t.Errorf("%d breaks of %d reports, each of which came twice", n, len(cases))
		}
	}()
	for n, c := range cases {
		got, err := b.Book(t.Context(), c.x)
		if err != nil || got.Break == 0 || got.ExecID != 0 || got.Duplicate || got.Reason != c.reason {
			t.Errorf("%s: %+v, %v", c.reason, got, err)
			continue
		}
		row := b.text(`SELECT state || ' ' || reason || ' ' || json_extract(report, '$.exec') FROM execution_breaks WHERE break_id = ?`, got.Break)
		if row != "open "+c.reason+" "+c.x.VenueExecID {
			t.Errorf("case %d: kept as %s", n, row)
		}
		if again, err := b.Book(t.Context(), c.x); err != nil || again != got {
			t.Errorf("case %d again: %+v, want %+v, %v", n, again, got, err)
		}
	}
	if b.number(`SELECT count(*) FROM executions`) != 1 || b.number(`SELECT sum(debits) FROM ledger_accounts`) != before {
		t.Error("a refused report left something in the books")
	}
	b.sound()
}

func TestFillAfterTheCancel(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	order := b.place(b.order(1, share, 1, 10))
	if ok, err := b.Cancel(t.Context(), order, "c", b.now); !ok || err != nil {
		t.Fatal(err)
	}
	b.book(b.fillOf(order, 3, listing(share).Start, 0))
	if got := b.text(`SELECT state || ' ' || cum_qty || ' ' || canceled_qty FROM orders WHERE order_id = ?`, order); got != "canceled 3 7" {
		t.Errorf("order %s", got)
	}
	b.book(b.fillOf(order, 7, listing(share).Start, 0))
	if got := b.text(`SELECT state FROM orders WHERE order_id = ?`, order); got != "filled" {
		t.Errorf("order %s", got)
	}
	b.sound()
}

// What the desk books one by one is what a replay of the whole history says,
// by both methods, through zero and back.
func TestCostMethods(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := rand.New(rand.NewPCG(1, 1))
	px := listing(share).Start
	var history []money.Entry
	for range 60 {
		side, qty, at := 1-2*r.IntN(2), 1+r.Int64N(30), px+100*r.Int64N(200)
		for _, account := range []int64{1, fifoAccount} {
			b.trade(account, share, side, qty, at, 0)
		}
		history = append(history, money.Entry{Side: side, Qty: qty, Notional: qty * at * 100})
	}
	methods := map[int64]money.Method{1: money.MethodAverage, fifoAccount: money.MethodFIFO}
	realised := map[int64]int64{}
	for account, method := range methods {
		p, profit, err := money.Replay(method, history)
		if err != nil {
			t.Fatal(err)
		}
		realised[account] = profit
		want := strings.Join([]string{dec(p.Qty), dec(p.Cost), dec(profit)}, " ")
		if got := b.text(`SELECT qty || ' ' || cost || ' ' || realised FROM positions WHERE account_id = ?`, account); got != want {
			t.Errorf("%s: position %s, want %s", method, got, want)
		}
	}
	if realised[1] == realised[fifoAccount] {
		t.Error("both methods gave the same profit: the test shows nothing")
	}
	b.sound()
}

// The hot path of one session: risk check and order, acknowledgement, fill.
// Commits are relaxed, so what is measured is the work and not the disk.
func BenchmarkTrade(b *testing.B) {
	d := newBench(b)
	px := listing(share).Start
	for _, step := range []struct {
		name string
		run  func(n int)
	}{
		{"place", func(n int) {
			o := d.order(1+int64(n%5), share, 1-2*(n%2), 1)
			if p, err := d.Place(b.Context(), o); err != nil || p.Refused != nil && p.Refused.Kind != "open_orders" {
				b.Fatal(p.Refused, err)
			}
		}},
		{"figures", func(n int) {
			if _, err := d.Figures(b.Context(), 1+int64(n%5), share, 1, d.now); err != nil {
				b.Fatal(err)
			}
		}},
		{"trade", func(n int) { d.trade(1+int64(n%5), perp, 1-2*(n/5%2), 10, listing(perp).Start, 1) }},
		{"trade fifo", func(n int) { d.trade(fifoAccount, share, 1-2*(n%2), 10, px, 1) }},
		{"portfolio", func(n int) {
			if _, err := d.Portfolio(b.Context(), 1+int64(n%5)); err != nil {
				b.Fatal(err)
			}
		}},
	} {
		b.Run(step.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n++
				step.run(n)
			}
		})
	}
	d.sound()
}
