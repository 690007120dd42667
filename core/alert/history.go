package alert

import (
	"slices"
	"time"

	"github.com/tidegate/engine/internal/histogram"
)

// history is what is remembered of the series that one part of a rule selects, as far back as its window reaches.
type history struct {
	of     *expr
	series map[string]*track
	heard  time.Time // when a series was there the last time, or the history began
}

func newHistory(of *expr, now time.Time) *history {
	return &history{of: of, series: map[string]*track{}, heard: now}
}

// track is one series. Of counters and histograms its points are totals that never fall: a process that counts from 0 again goes on where
// the one before has ended.
type track struct {
	labels []Label
	group  []Label // by which the expression groups
	points []point
	raw    point // the latest as it was given
}

type point struct {
	at    time.Time
	value float64
	hist  histogram.Snapshot
}

// note takes a sample. before is when the samples before it were taken: a counter that was not there then has counted from 0.
func (h *history) note(s *Sample, before, now time.Time) {
	for i := range h.of.match {
		if !h.of.match[i].matches(s.Labels) {
			return
		}
	}
	h.heard = now
	key := identity(s.Labels)
	t := h.series[key]
	if t == nil {
		t = &track{labels: s.Labels, group: pick(s.Labels, h.of.by)}
		if h.of.kind != Gauge {
			t.points = append(t.points, point{at: before})
		}
		h.series[key] = t
	}
	t.add(h.of.kind, point{at: now, value: s.Value, hist: s.Histogram}, h.of.window/finest)
}

// finest is how many points of totals a window has at most: a week of histograms at each interval would be hundreds of megabytes, and is read through at each
// evaluation. What came in the window is then known to a thousandth of it.
const finest = 1000

// add appends a point, and makes a total of it. A total that comes sooner than apart after the one before the latest takes the latest one's place.
func (t *track) add(kind Kind, p point, apart time.Duration) {
	raw := p
	if kind != Gauge {
		last := t.points[len(t.points)-1]
		if p.value < t.raw.value || p.hist.Count < t.raw.hist.Count { // it counts from 0 again
			t.raw = point{}
		}
		p.value = last.value + p.value - t.raw.value
		if kind == Distribution {
			if last.hist.Count != t.raw.hist.Count {
				p.hist = last.hist.Merge(p.hist.Since(t.raw.hist))
			}
		}
	}
	t.raw = raw
	if n := len(t.points); kind != Gauge && n > 1 && p.at.Sub(t.points[n-2].at) < apart {
		t.points[n-1] = p
		return
	}
	t.points = append(t.points, p)
}

// forget drops what no window reaches any more: of counters all but the last point before the window, which is what it begins with.
func (h *history) forget(now time.Time) {
	from := now.Add(-h.of.window)
	for key, t := range h.series {
		n := 0
		for n < len(t.points) && t.points[n].at.Before(from) {
			n++
		}
		if h.of.kind != Gauge && n > 0 {
			n--
		}
		if n == len(t.points) || t.points[len(t.points)-1].at.Before(from) {
			delete(h.series, key)
			continue
		}
		t.points = t.points[n:] // append moves what is left now and then
	}
}

// rewind makes the best of a clock that was set back: of what is remembered the latest counts, as of just now.
func (h *history) rewind(now time.Time) {
	h.heard = now
	for _, t := range h.series {
		last := t.points[len(t.points)-1]
		last.at = now
		t.points = append(t.points[:0], last)
	}
}

// pick returns the labels of the given keys, which are sorted.
func pick(labels []Label, keys []string) []Label {
	if len(keys) == 0 {
		return nil
	}
	out := make([]Label, 0, len(keys))
	for _, l := range labels {
		if slices.Contains(keys, l.Key) {
			out = append(out, l)
		}
	}
	return out
}
