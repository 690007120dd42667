package floor

import (
	"math/bits"
	"time"
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

// histogram counts durations in buckets that are at most 1/16 wide. Every
// goroutine has its own; they are merged at the end. The zero value is empty.
type histogram struct {
	n       uint64
	max     time.Duration
	buckets [40 * 16]uint32
}

// index finds the bucket of a duration in microseconds: sixteen for each power
// of two.
func index(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 16 {
		return int(us)
	}
	exp := bits.Len64(us) - 5
	return min(exp*16+int(us>>exp), 40*16-1)
}

// upper is the end of a bucket.
func upper(i int) time.Duration {
	if i < 16 {
		return time.Duration(i+1) * time.Microsecond
	}
	exp := i/16 - 1
	return time.Duration(uint64(i%16+16+1)<<exp) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	h.n++
	h.max = max(h.max, d)
	h.buckets[index(d)]++
}

func (h *histogram) merge(o *histogram) {
	h.n += o.n
	h.max = max(h.max, o.max)
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
}

// quantile is the end of the bucket in which the share p of all durations is
// reached, and never above the longest.
func (h *histogram) quantile(p float64) time.Duration {
	want := uint64(p * float64(h.n))
	var seen uint64
	for i, n := range h.buckets {
		seen += uint64(n)
		if n > 0 && seen > want {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// timings are the histograms of one goroutine.
type timings struct {
	of [classes]histogram
}

func (t *timings) since(class int, start time.Time) { t.of[class].add(time.Since(start)) }

func (t *timings) merge(o *timings) {
	for c := range t.of {
		t.of[c].merge(&o.of[c])
	}
}
