package market

import (
	"time"

	"github.com/tidegate/engine/internal/desk/money"
)

// BarBuilder turns the prints and quotes of one instrument into bars. Prices
// come from prints, and from mids while nobody trades. The zero value is not
// usable; use [NewBarBuilder].
type BarBuilder struct {
	span     time.Duration
	contract money.Contract
	start    int64
	open     bool
	bar      Bar
}

// NewBarBuilder builds bars of a span for an instrument with that contract.
func NewBarBuilder(span time.Duration, c money.Contract) *BarBuilder {
	return &BarBuilder{span: span, contract: c}
}

// Add takes the next event of the instrument. When the event lies behind the
// bar that was being built, that bar comes back, with its start as TS.
func (b *BarBuilder) Add(e Event) (Event, bool) {
	start := e.TS - e.TS%int64(b.span)
	var done Event
	finished := b.open && start > b.start
	if finished {
		done = Event{Kind: BarEvent, Instrument: e.Instrument, TS: b.start, Bar: b.bar}
		b.open = false
	}
	switch e.Kind {
	case PrintEvent:
		b.price(start, e.Print.Px)
		b.bar.Volume += e.Print.Qty
		b.bar.Prints++
		if n, err := b.contract.Notional(e.Print.Qty, e.Print.Px); err == nil {
			b.bar.Notional += n
		}
	case QuoteEvent:
		if !b.open || b.bar.Prints == 0 {
			b.price(start, e.Quote.Mid())
		}
	}
	return done, finished
}

func (b *BarBuilder) price(start, px int64) {
	if !b.open {
		b.open, b.start = true, start
		b.bar = Bar{Span: b.span, Open: px, High: px, Low: px}
	}
	b.bar.High, b.bar.Low, b.bar.Close = max(b.bar.High, px), min(b.bar.Low, px), px
}
