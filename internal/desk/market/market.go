// Package market holds what the desk knows of the world outside: instruments,
// and the quotes, prints and bars that arrive for them.
//
// Prices and quantities are integers at the instrument's scales, times are
// nanoseconds since 1970 in UTC.
package market

import "time"

// Kind is what an instrument is, spelt as instruments.kind has it.
type Kind string

// The kinds the desk trades.
const (
	Spot   Kind = "spot"
	Equity Kind = "equity"
	FX     Kind = "fx"
	Perp   Kind = "perp"
	CFD    Kind = "cfd"
)

// Currency is a unit of money: one is 10^Scale units.
type Currency struct {
	Code  string
	Scale int
	Kind  string // fiat, stable or crypto
}

// Instrument is something that can be traded. CashSettled ones move only their
// profit and loss in cash; the others are paid for in full.
type Instrument struct {
	ID                   int64
	Venue, Symbol        string
	Kind                 Kind
	CashSettled          bool
	Base, Quote, Settle  string // Base is empty for shares
	PriceScale, QtyScale int
	Tick, Lot            int64
}

// EventKind says which field of an [Event] is set.
type EventKind uint8

// The kinds of events.
const (
	QuoteEvent EventKind = iota + 1
	PrintEvent
	BarEvent
)

// Event is one thing that happened at a venue. TS and Seq order it within its
// instrument; two events may share a TS, never both.
type Event struct {
	Kind       EventKind
	Instrument int64
	TS, Seq    int64
	Quote      Quote
	Print      Print
	Bar        Bar
}

// Quote is the best bid and ask.
type Quote struct {
	Bid, Ask, BidQty, AskQty int64
}

// Mid is between bid and ask, rounded down to a whole unit.
func (q Quote) Mid() int64 { return q.Bid + (q.Ask-q.Bid)/2 }

// Print is a trade between others. Side is the aggressor's, 0 if unknown.
type Print struct {
	Px, Qty int64
	Side    int
}

// Bar sums up a span. TS of its event is the span's start. Notional is in the
// settlement currency.
type Bar struct {
	Span                   time.Duration
	Open, High, Low, Close int64
	Volume, Notional       int64
	Prints                 int64
}

// Source yields events in the order of their arrival; false ends it. A bar
// arrives when its span is over, so its TS, the start, lies behind. It need not
// be safe for concurrent use.
type Source interface {
	Next() (Event, bool)
}

// Merge joins sources into one that keeps the order of time. Of equal times
// the earlier source comes first, so that a merge is reproducible.
func Merge(sources ...Source) Source {
	m := &merged{sources: sources, heads: make([]Event, len(sources)), open: make([]bool, len(sources))}
	for i, s := range sources {
		m.heads[i], m.open[i] = s.Next()
	}
	return m
}

type merged struct {
	sources []Source
	heads   []Event
	open    []bool
}

func (m *merged) Next() (Event, bool) {
	first := -1
	for i, open := range m.open {
		if open && (first < 0 || m.heads[i].TS < m.heads[first].TS) {
			first = i
		}
	}
	if first < 0 {
		return Event{}, false
	}
	e := m.heads[first]
	m.heads[first], m.open[first] = m.sources[first].Next()
	return e, true
}
