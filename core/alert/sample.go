package alert

import "github.com/tidegate/engine/internal/histogram"

// Kind says how the values of a metric behave.
type Kind uint8

// The kinds.
const (
	// Counter only grows, from 0 at the start of the process.
	Counter Kind = iota
	// Gauge goes up and down.
	Gauge
	// Distribution is a histogram, cumulative like a counter.
	Distribution
)

// String is the kind in a sentence.
func (k Kind) String() string {
	return [...]string{"counter", "gauge", "histogram"}[min(k, Distribution)]
}

// Metric is what a rule may ask about. Scale is what the values of a histogram are multiplied with to be in Unit; Labels are the keys that its
// series have.
type Metric struct {
	Name, Unit string
	Kind       Kind
	Scale      float64
	Labels     []string
}

// Sample is the present value of one series: that of a counter and a histogram since the start of the process. Labels are sorted by key.
type Sample struct {
	Name      string
	Labels    []Label
	Value     float64
	Histogram histogram.Snapshot
}

// identity tells series apart, and groups.
func identity(labels []Label) string {
	n := 0
	for _, l := range labels {
		n += len(l.Key) + len(l.Value) + 2
	}
	b := make([]byte, 0, n)
	for _, l := range labels {
		b = append(append(b, l.Key...), 0)
		b = append(append(b, l.Value...), 0)
	}
	return string(b)
}
