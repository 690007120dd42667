package alert

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tidegate/engine/internal/histogram"
)

// reading is what an expression gives for one group of labels.
type reading struct {
	labels []Label
	value  float64
	// n is how many values it rests on: those of a histogram, what came of a counter, and of a ratio those of what it is
	// divided by. A gauge rests on enough.
	n int64
}

// enough is the number of values of what is not counted.
const enough = math.MaxInt64

// gathering is a reading on its way.
type gathering struct {
	reading
	hist        histogram.Snapshot
	series      int
	total, came float64
	least, most float64
}

// evaluate gives what the expression says now, by group. A group of which nothing is known is left out. histories are those of its parts, in
// order.
func (e *expr) evaluate(histories map[*expr]*history, now time.Time) map[string]reading {
	if e.do == ratio {
		return divide(e.inner[0].evaluate(histories, now), e.inner[1].evaluate(histories, now))
	}
	h := histories[e]
	if e.do == absent {
		v := 0.0
		if now.Sub(h.heard) >= e.window {
			v = 1
		}
		return map[string]reading{"": {value: v, n: enough}}
	}
	groups := map[string]*gathering{}
	for _, t := range h.series {
		key := identity(t.group)
		g := groups[key]
		if g == nil {
			g = &gathering{reading: reading{labels: t.group, n: enough}, least: math.Inf(1), most: math.Inf(-1)}
			groups[key] = g
		}
		e.take(g, t, now)
	}
	out := make(map[string]reading, len(groups))
	for key, g := range groups {
		if r, ok := e.finish(g); ok {
			out[key] = r
		}
	}
	return out
}

// take adds a series to its group.
func (e *expr) take(g *gathering, t *track, now time.Time) {
	last := t.points[len(t.points)-1]
	first := e.first(t, now)
	switch e.do {
	case increase, rate:
		v := last.value - first.value
		if e.kind == Distribution {
			v = float64(last.hist.Count - first.hist.Count)
		}
		came := v
		if e.do == rate {
			span := last.at.Sub(first.at).Seconds()
			if span <= 0 {
				return
			}
			v /= span
		}
		g.series, g.total, g.came = g.series+1, g.total+v, g.came+came
	case quantile, mean:
		g.series, g.hist = g.series+1, g.hist.Merge(last.hist.Since(first.hist))
	case full:
		if v, ok := e.until(t.points); ok {
			g.series, g.least = g.series+1, min(g.least, v)
		}
	default:
		from := now.Add(-e.window)
		for i := len(t.points) - 1; i >= 0 && (i == len(t.points)-1 || !t.points[i].at.Before(from)); i-- {
			v := t.points[i].value
			if !last.at.Equal(now) && e.window == 0 || math.IsNaN(v) {
				continue // a series that is not there any more has no present value
			}
			g.series, g.total, g.least, g.most = g.series+1, g.total+v, min(g.least, v), max(g.most, v)
			if e.window == 0 {
				break
			}
		}
	}
}

// first is the point with which the window begins.
func (e *expr) first(t *track, now time.Time) point {
	from := now.Add(-e.window)
	first := t.points[0]
	for _, p := range t.points {
		if p.at.After(from) {
			break
		}
		first = p
	}
	return first
}

// finish makes the reading of a group.
func (e *expr) finish(g *gathering) (reading, bool) {
	r := g.reading
	switch e.do {
	case highest:
		r.value = g.most
	case lowest, full:
		r.value = g.least
	case sum:
		r.value = g.total
	case increase, rate:
		r.value, r.n = g.total, int64(g.came)
	case average:
		r.value = g.total / float64(g.series)
	case quantile:
		r.value, r.n = float64(g.hist.Quantile(e.p))*e.scale, g.hist.Count
	case mean:
		r.value, r.n = g.hist.Mean()*e.scale, g.hist.Count
	}
	known := r.n > 0 || e.do == increase || e.do == rate
	return r, known && g.series > 0 && finite(r.value)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// divide divides what has the same labels. What is not there above a line counted nothing; below it, there is nothing to say.
func divide(above, below map[string]reading) map[string]reading {
	out := make(map[string]reading, len(below))
	for _, key := range slices.SortedFunc(maps.Keys(below), cmp.Compare[string]) {
		b := below[key]
		if v := above[key].value / b.value; finite(v) {
			out[key] = reading{labels: b.labels, value: v, n: b.n}
		}
	}
	return out
}

// The least that a straight line is drawn through.
const (
	linePoints = 5
	lineShare  = 12 // of the window
)

// never is how many seconds it takes what goes the other way: a hundred years, which is a number that everybody can be told.
const never = 100 * 365 * 24 * 3600.0

// until is how many seconds from its last point a gauge takes to reach the value; it is never where it goes the other way, and 0 where it is there.
func (e *expr) until(points []point) (float64, bool) {
	last := points[len(points)-1]
	start := points[0].at
	if len(points) < linePoints || last.at.Sub(start) < e.window/lineShare {
		return 0, false
	}
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		x := p.at.Sub(start).Seconds()
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+p.value, sxx+x*x, sxy+x*p.value
	}
	spread := n*sxx - sx*sx
	if spread <= 0 {
		return 0, false
	}
	slope := (n*sxy - sx*sy) / spread
	rest := e.p - last.value
	switch {
	case rest == 0:
		return 0, true
	case slope == 0 || (slope > 0) != (rest > 0):
		return never, true
	}
	return min(rest/slope, never), true
}
