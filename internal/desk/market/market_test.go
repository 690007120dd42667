package market_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// The ledger keeps one cash balance for each account and currency. A coin that
// also paid for something would mix what is held with what is spent.
func TestNoCoinIsAlsoMoney(t *testing.T) {
	t.Parallel()
	settles, scale := map[string]bool{}, map[string]int{}
	for _, c := range market.Currencies() {
		scale[c.Code] = c.Scale
	}
	list := market.Universe()
	for n, l := range list {
		if l.ID != int64(n+1) || l.Start <= 0 || l.Start%l.Tick != 0 || l.Volatility <= 0 {
			t.Errorf("listing %d: %+v", n, l)
		}
		settles[l.Settle] = true
	}
	for _, l := range list {
		if _, ok := scale[l.Settle]; !ok {
			t.Errorf("%s settles in %s, which is no currency", l.Symbol, l.Settle)
		}
		if l.Kind == market.Spot && (settles[l.Base] || scale[l.Base] != l.QtyScale) {
			t.Errorf("%s: its base is money elsewhere, or has another scale than the quantity", l.Symbol)
		}
	}
	if len(list) != 40 {
		t.Errorf("%d instruments", len(list))
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	c, err := money.NewContract(2, 0, 2, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := market.NewBarBuilder(time.Minute, c)
	at := func(second int64) int64 { return second * int64(time.Second) }
	quote := func(second, bid int64) market.Event {
		return market.Event{Kind: market.QuoteEvent, Instrument: 1, TS: at(second), Quote: market.Quote{Bid: bid, Ask: bid + 2}}
	}
	print := func(second, px, qty int64) market.Event {
		return market.Event{Kind: market.PrintEvent, Instrument: 1, TS: at(second), Print: market.Print{Px: px, Qty: qty}}
	}
	var bars []market.Event
	for _, e := range []market.Event{quote(1, 99), print(10, 105, 3), quote(20, 500), print(30, 95, 2), print(59, 98, 1), // once somebody traded, quotes make no price
		quote(125, 200), quote(130, 210), // a minute without anything, then only quotes
		print(180, 300, 1)} {
		if bar, ok := b.Add(e); ok {
			bars = append(bars, bar)
		}
	}
	want := []market.Event{
		{Kind: market.BarEvent, Instrument: 1, TS: 0, Bar: market.Bar{Span: time.Minute, Open: 100, High: 105, Low: 95, Close: 98, Volume: 6, Notional: 603, Prints: 3}},
		{Kind: market.BarEvent, Instrument: 1, TS: at(120), Bar: market.Bar{Span: time.Minute, Open: 201, High: 211, Low: 201, Close: 211}},
	}
	if len(bars) != len(want) || bars[0] != want[0] || bars[1] != want[1] {
		t.Errorf("got  %+v\nwant %+v", bars, want)
	}
}

type list []market.Event

func (l *list) Next() (market.Event, bool) {
	if len(*l) == 0 {
		return market.Event{}, false
	}
	e := (*l)[0]
	*l = (*l)[1:]
	return e, true
}

func TestMergeIsStable(t *testing.T) {
	t.Parallel()
	a := list{{Instrument: 1, TS: 1}, {Instrument: 1, TS: 5}, {Instrument: 1, TS: 5, Seq: 1}}
	b := list{{Instrument: 2, TS: 0}, {Instrument: 2, TS: 5}, {Instrument: 2, TS: 9}}
	m := market.Merge(&a, &b)
	var got []int64
	for e, ok := m.Next(); ok; e, ok = m.Next() {
		got = append(got, 10*e.TS+e.Instrument)
	}
	want := []int64{2, 11, 51, 51, 52, 92}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}
