package alert

import (
	"slices"
	"strings"
	"time"
)

// function is what an expression makes of the series that it has selected.
type function uint8

const (
	// highest, lowest, sum and average are of gauges, the latest values or all of a window.
	highest function = iota
	lowest
	sum
	average
	// increase is what came of a counter in a window, or how many values of a histogram; rate is that a second.
	increase
	rate
	// quantile and mean are of the values that a histogram has counted in a window.
	quantile
	mean
	// absent is 1 where no series was there in a window, and 0 where one was.
	absent
	// full is how many seconds it takes a gauge to reach a value when it goes on as in the window; a hundred years is never.
	full
	// drift is how many times the usual an expression is.
	drift
	// ratio is one expression divided by another.
	ratio
)

// functions are their names in rules; quantiles are p50, p99.9 and the like.
var functions = map[string]function{"max": highest, "min": lowest, "sum": sum, "avg": average, "increase": increase, "rate": rate, "mean": mean,
	"absent": absent, "full": full, "drift": drift}

// matcher selects series by a label: one of the values, or none of them.
type matcher struct {
	key    string
	not    bool
	values []string
}

func (m *matcher) matches(labels []Label) bool {
	value := ""
	for _, l := range labels {
		if l.Key == m.key {
			value = l.Value
		}
	}
	return slices.Contains(m.values, value) != m.not
}

// expr is an expression. A ratio has two others inside, a drift one.
type expr struct {
	do     function
	metric string
	match  []matcher
	window time.Duration
	// p is the quantile, or the value that full is about.
	p     float64
	by    []string
	inner []*expr
	// limits are the dimensions of the quantities that it is compared with.
	limits []string
	// target is the dimension of the value that full is about.
	target string
	// kind, unit and scale are those of the metric; of what the expression gives, resultUnit says it.
	kind  Kind
	unit  string
	scale float64
}

// each calls f with the parts of an expression that select series.
func (e *expr) each(f func(*expr)) {
	if len(e.inner) == 0 {
		f(e)
	}
	for _, in := range e.inner {
		in.each(f)
	}
}

// resultUnit is the unit of what the expression gives.
func (e *expr) resultUnit() string {
	switch e.do {
	case full:
		return ofTime
	case absent:
		return "1"
	case drift:
		return "times the usual"
	case ratio:
		if a, b := e.inner[0], e.inner[1]; a.resultUnit() == b.resultUnit() || a.counts() && b.counts() {
			return ofShare
		}
		return "1"
	case increase:
		if e.kind == Distribution {
			return "1"
		}
	case rate:
		if e.kind == Counter && e.unit == ofTime {
			return ofShare // seconds a second
		}
		return strings.Trim(e.unit, "{}") + "/s"
	}
	return e.unit
}

// counts is true where the expression counts things: errors and statements divide into a share.
func (e *expr) counts() bool {
	return (e.do == increase || e.do == rate) && (e.kind == Distribution || e.unit != ofTime && e.unit != ofSize)
}

// wrong says what does not fit the metric; "" where all does.
func (e *expr) wrong(m *Metric) string {
	e.kind, e.unit, e.scale = m.Kind, m.Unit, m.Scale
	if e.scale == 0 {
		e.scale = 1
	}
	fits := true
	switch e.do {
	case highest, lowest, sum, average, full:
		fits = m.Kind == Gauge
	case increase, rate:
		fits = m.Kind != Gauge
	case quantile, mean:
		fits = m.Kind == Distribution
	}
	if !fits {
		return m.Name + " is a " + m.Kind.String() + ": " + map[Kind]string{Counter: "take increase or rate", Gauge: "take max, min, sum, avg or full",
			Distribution: "take p95 or another quantile, mean, increase or rate"}[m.Kind]
	}
	if e.target != "" && e.target != m.Unit {
		return m.Name + " is in " + m.Unit + ", and what it is to reach is not"
	}
	for _, key := range e.keys() {
		if !slices.Contains(m.Labels, key) {
			has := "it has none"
			if len(m.Labels) > 0 {
				has = "it has " + strings.Join(m.Labels, ", ")
			}
			return m.Name + " has no label " + key + ": " + has
		}
	}
	return ""
}

func (e *expr) keys() []string {
	keys := slices.Clone(e.by)
	for _, m := range e.match {
		keys = append(keys, m.key)
	}
	return keys
}
