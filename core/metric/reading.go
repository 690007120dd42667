package metric

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/internal/histogram"
)

// Label is one dimension of a series.
type Label struct{ Key, Value string }

// Labels makes labels of keys and values in turn, sorted by key. An odd one out is dropped.
func Labels(pairs ...string) []Label {
	out := make([]Label, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, Label{pairs[i], pairs[i+1]})
	}
	slices.SortFunc(out, func(a, b Label) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// Reading is the present value of one series.
type Reading struct {
	ID ID
	// Labels are sorted by key.
	Labels []Label
	// Value is that of a counter or a gauge, in the metric's unit.
	Value float64
	// Histogram is that of a distribution.
	Histogram histogram.Snapshot
	// Exemplars are single values of a distribution whose traces are kept.
	Exemplars []Exemplar
}

// Exemplar is a value with the trace that it comes from.
type Exemplar struct {
	// Value is in the metric's unit.
	Value float64
	// Trace is the identifier of the trace, in hexadecimal digits.
	Trace string
	At    time.Time
}

// Gather calls add with the present readings of a source.
type Gather func(add func(Reading))

// key tells series of one metric apart.
func (r *Reading) key() string {
	var b strings.Builder
	b.WriteByte(byte(r.ID))
	for _, l := range r.Labels {
		b.WriteString(l.Key)
		b.WriteByte(0)
		b.WriteString(l.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// labelText is the labels as a JSON object, the way they are stored: json_extract reads them in SQL.
func labelText(labels []Label) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(l.Key) // a string always marshals
		value, _ := json.Marshal(l.Value)
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.String()
}
