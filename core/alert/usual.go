package alert

import "time"

// usual is what an expression used to be, by group and hour of the week: the mean of each hour.
type usual struct {
	groups map[string]*hours
}

const week = 7 * 24

// hours are the latest week and the hour that runs.
type hours [week + 1]hour

// hour is the mean of an hour, of which number tells.
type hour struct {
	number int64 // hours since 1970
	n      int64
	sum    float64
}

func newUsual() *usual { return &usual{groups: map[string]*hours{}} }

// hourLeast is how many values make an hour.
const hourLeast = 3

// dayLeast is how many hours of the latest day there must be to say what is usual.
const dayLeast = 3

// compare makes how many times the usual each reading is, and notes it. What is usual is the same hour of last week, or else the mean of the latest 24 h;
// where too little of that is known there is no reading.
func (u *usual) compare(readings map[string]reading, now time.Time) map[string]reading {
	out := make(map[string]reading, len(readings))
	number := now.Unix() / 3600
	for key, r := range readings {
		g := u.groups[key]
		if g == nil {
			g = new(hours)
			u.groups[key] = g
		}
		if base, ok := g.base(number); ok && base > 0 {
			out[key] = reading{labels: r.labels, value: r.value / base, n: r.n}
		}
		g.add(number, r.value)
	}
	return out
}

func (h *hours) at(number int64) *hour {
	at := &h[number%int64(len(h))]
	if at.number != number {
		return nil
	}
	return at
}

func (h *hours) add(number int64, v float64) {
	at := &h[number%int64(len(h))]
	if at.number != number {
		*at = hour{number: number}
	}
	at.n, at.sum = at.n+1, at.sum+v
}

// base is what is usual in an hour.
func (h *hours) base(number int64) (float64, bool) {
	if at := h.at(number - week); at != nil && at.n >= hourLeast {
		return at.sum / float64(at.n), true
	}
	known, sum := 0, 0.0
	for back := int64(1); back <= 24; back++ {
		if at := h.at(number - back); at != nil && at.n >= hourLeast {
			known, sum = known+1, sum+at.sum/float64(at.n)
		}
	}
	if known < dayLeast {
		return 0, false
	}
	return sum / float64(known), true
}
