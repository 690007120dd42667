package desk_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/market"
)

func TestPortfolioAtTheMark(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	px := listing(share).Start
	b.trade(1, share, 1, 10, px, 0)
	b.trade(1, perp, -1, 10_000, listing(perp).Start, 0)
	up := []market.Event{
		{Kind: market.QuoteEvent, Instrument: share, TS: b.now + 1, Quote: market.Quote{Bid: px + 900, Ask: px + 1100}},
		{Kind: market.QuoteEvent, Instrument: perp, TS: b.now + 1, Quote: market.Quote{Bid: listing(perp).Start + 10_000, Ask: listing(perp).Start + 30_000}},
	}
	if err := b.Record(t.Context(), up); err != nil {
		t.Fatal(err)
	}
	p, err := b.Portfolio(t.Context(), 1)
	if err != nil || len(p.Holdings) != 2 || p.OpenOrders != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, h := range p.Holdings {
		want := int64(10 * 1000 * 100)
		if h.Instrument == perp {
			want = -2_000_000 // short one coin, two dollars higher
		}
		if h.Unrealised != want {
			t.Errorf("instrument %d: unrealised %d, want %d", h.Instrument, h.Unrealised, want)
		}
	}
	cash := b.balance(1, "cash", "USD")
	if p.Cash["USD"] != cash {
		t.Errorf("cash %d, want %d", p.Cash["USD"], cash)
	}
	if _, err := b.Portfolio(t.Context(), 99); !errors.Is(err, desk.ErrUnknown) {
		t.Errorf("unknown account: %v", err)
	}
}

func TestSnapshotInTheBaseCurrency(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	px := listing(share).Start
	b.trade(1, share, 1, 10, px, 40)
	b.place(b.order(1, share, 1, 1))
	for range 2 { // the second changes nothing
		if err := b.Snapshot(t.Context(), 1, b.now); err != nil {
			t.Fatal(err)
		}
	}
	// 10,000,000 of each deposit at its rate, less the fee; the share at its mark is worth what was paid.
	cash := int64(10_000_000_000_000) - 10*px*100 - 40 + 11_212_000_000_000 + 10_001_000_000_000 + 20_000*3_678_000_000
	want := dec(cash+10*px*100) + " " + dec(cash) + " " + dec(10*px*100) + " 40 1"
	if got := b.text(`SELECT equity || ' ' || cash || ' ' || net || ' ' || fees || ' ' || open_orders FROM portfolio_snapshots WHERE account_id = 1`); got != want {
		t.Errorf("snapshot %s, want %s", got, want)
	}
	if err := b.Snapshot(t.Context(), 4, b.now); err != nil { // accounts in euros
		t.Fatal(err)
	}
	usd := int64(10_000_000_000_000+10_001_000_000_000+20_000*3_678_000_000) + 11_212_000_000_000
	got := b.number(`SELECT equity FROM portfolio_snapshots WHERE account_id = 4`)
	if off := got - usd*1000/1121*1121/1121; off < -usd/100 || off > usd/100 {
		t.Errorf("equity in euros %d of %d in dollars", got, usd)
	}
}

// A View is one snapshot: portfolios read while fills are booked always fit
// their ledger.
func TestPortfolioUnderLoadIsNeverTorn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers, traders sync.WaitGroup
	reads := make(chan int, 4)
	for range 4 {
		readers.Go(func() {
			n := 0
			for ctx.Err() == nil {
				if _, err := b.Portfolio(context.WithoutCancel(ctx), 1); err != nil {
					t.Error(err)
					break
				}
				n++
			}
			reads <- n
		})
	}
	for worker := range 4 {
		traders.Go(func() {
			for n := range 12 {
				side := 1 - 2*((n+worker)%2)
				p, err := b.Place(t.Context(), b.order(1, share, side, 5))
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 {
					if _, err := b.Book(t.Context(), b.fillOf(p.OrderID, 1, listing(share).Start+100*int64(n), 1)); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	traders.Wait()
	cancel()
	readers.Wait()
	close(reads)
	total := 0
	for n := range reads {
		total += n
	}
	if total < 20 || b.number(`SELECT count(*) FROM executions`) < 120 {
		t.Errorf("%d reads beside %d fills show nothing", total, b.number(`SELECT count(*) FROM executions`))
	}
	b.sound()
}

func TestPortfolioNamesWhatIsTorn(t *testing.T) {
	t.Parallel()
	for role, what := range map[string]string{"trading": "what was paid for assets", "cash": "the ledger"} {
		b := newBench(t)
		b.trade(1, share, 1, 10, listing(share).Start, 0)
		if _, err := b.DB().Exec(t.Context(), `UPDATE ledger_accounts SET debits = debits + 1 WHERE account_id = 1 AND role = ? AND ccy = 'USD'`, role); err != nil {
			t.Fatal(err)
		}
		var torn *desk.TornError
		if _, err := b.Portfolio(t.Context(), 1); !errors.As(err, &torn) || torn.Off != 1 && torn.Off != -1 || torn.Currency != "USD" {
			t.Errorf("%s (%s): %v", role, what, err)
		}
	}
}

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	order := b.place(b.order(1, share, 1, 25))
	var ids []int64
	for range 25 {
		ids = append(ids, b.book(b.fillOf(order, 1, listing(share).Start, 0)))
	}
	before, seen := int64(1<<62), 0
	for {
		page, err := b.History(t.Context(), 1, share, before, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, trade := range page {
			seen++
			if trade.ExecID != ids[len(ids)-seen] || trade.Order != order || trade.Qty != 1 {
				t.Fatalf("trade %d is %+v", seen, trade)
			}
		}
		if len(page) < 10 {
			break
		}
		before = page[len(page)-1].ExecID
	}
	if seen != 25 {
		t.Errorf("%d trades in all pages", seen)
	}
	top, err := b.Turnover(t.Context(), 20260901, 20260901, 5)
	if err != nil || len(top) != 1 || top[0].Fills != 25 || top[0].Rank != 1 || top[0].Turnover != 25*listing(share).Start*100 {
		t.Errorf("turnover %+v, %v", top, err)
	}
}
