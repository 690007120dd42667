package floor

import (
	"time"

	"github.com/tidegate/engine/internal/load"
)

// The classes of work that are timed apart.
const (
	Place = iota
	Ack
	Fill
	Cancel
	Signal
	Quote
	PointRead
	SignalRead
	PortfolioRead
	HistoryRead
	AnalyticsRead
	classes
)

// className is how a class is shown, and whether it is a durable transaction.
func className(c int) (name string, durable bool) {
	switch c {
	case Place:
		return "place", true
	case Ack:
		return "ack", true
	case Fill:
		return "fill", true
	case Cancel:
		return "cancel", true
	case Signal:
		return "signal", false
	case Quote:
		return "quote batch", false
	case PointRead:
		return "read point", false
	case SignalRead:
		return "read signal", false
	case PortfolioRead:
		return "portfolio", false
	case HistoryRead:
		return "history", false
	}
	return "analytics", false
}

// timings are the histograms of one goroutine.
type timings struct {
	of [classes]load.Histogram
}

func (t *timings) since(class int, start time.Time) { t.of[class].Add(time.Since(start)) }

func (t *timings) merge(o *timings) {
	for c := range t.of {
		t.of[c].Merge(&o.of[c])
	}
}
