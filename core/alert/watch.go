package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Event is a beginning or an end that a Watch has seen.
type Event struct {
	Rule   *Rule
	Labels []Label
	// Firing is true for a beginning.
	Firing bool
	// Faded is true for an end that came because nothing was known any more.
	Faded    bool
	Flapping bool
	Value    float64
	// Since is when it began to be wrong, At when that had lasted for long enough, or when it ended.
	Since, At time.Time
}

// Watch evaluates rules over samples that come in intervals. It stores nothing and tells nobody: the same one runs in a database that is open and
// over what was stored of it. It is not safe for concurrent use.
type Watch struct {
	rules     []Rule
	interval  time.Duration
	last      time.Time
	histories map[string][]*history // by the name of the metric
	of        map[*expr]*history
	states    []map[string]*state // one for each rule, by the identity of the group
	usual     []*usual            // of rules with drift
	keep      bool                // states are kept although nothing is known of them any more
}

// NewWatch returns a watch that begins at start, when all counters were 0; interval is how often Step is called.
func NewWatch(rules []Rule, interval time.Duration, start time.Time) *Watch {
	w := &Watch{rules: rules, interval: interval, last: start.Round(0), histories: map[string][]*history{}, of: map[*expr]*history{}}
	for i := range rules {
		w.states = append(w.states, map[string]*state{})
		w.usual = append(w.usual, newUsual())
		rules[i].expr.each(func(e *expr) {
			h := newHistory(e, w.last)
			w.of[e] = h
			w.histories[e.metric] = append(w.histories[e.metric], h)
		})
	}
	return w
}

// Wants reports whether a rule asks about a metric: samples of others need not be given.
func (w *Watch) Wants(metric string) bool { return w.histories[metric] != nil }

// gapAfter is how many intervals may pass between two steps before what lies between them is unknown.
const gapAfter = 3

// Step takes the samples of now, and returns what begins and ends, in the order of the rules. Where much more time has passed since the step before
// than an interval, as after a sleep of the machine, or less than none, as after its clock was set, no rule counts that time as time in
// which something was wrong.
func (w *Watch) Step(now time.Time, samples []Sample) []Event {
	now = now.Round(0)
	gap := now.Sub(w.last) > gapAfter*w.interval || now.Before(w.last)
	if now.Before(w.last) {
		for _, hs := range w.histories {
			for _, h := range hs {
				h.rewind(now)
			}
		}
		w.rewind(now)
		w.last = now
	}
	for i := range samples {
		for _, h := range w.histories[samples[i].Name] {
			h.note(&samples[i], w.last, now)
		}
	}
	w.last = now
	var events []Event
	for i := range w.rules {
		events = w.step(events, i, now, gap)
	}
	for _, hs := range w.histories {
		for _, h := range hs {
			h.forget(now)
		}
	}
	return events
}

// step evaluates one rule.
func (w *Watch) step(events []Event, i int, now time.Time, gap bool) []Event {
	r, states := &w.rules[i], w.states[i]
	readings := w.value(i, now)
	for _, key := range slices.SortedFunc(maps.Keys(readings), cmp.Compare[string]) {
		s := states[key]
		if s == nil {
			s = &state{rule: r, labels: readings[key].labels}
			states[key] = s
		}
		since := s.since
		switch s.step(readings[key], now, gap) {
		case begins:
			events = append(events, Event{Rule: r, Labels: s.labels, Firing: true, Flapping: s.flapping, Value: s.value, Since: s.since, At: now})
		case ends:
			events = append(events, Event{Rule: r, Labels: s.labels, Value: s.value, Since: since, At: now})
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(states), cmp.Compare[string]) {
		s := states[key]
		if _, there := readings[key]; there {
			continue
		}
		since := s.since
		if s.miss(now) == fades {
			events = append(events, Event{Rule: r, Labels: s.labels, Faded: true, Value: s.value, Since: since, At: now})
		}
		if !w.keep && s.idle(now) {
			delete(states, key)
		}
	}
	return events
}

// value evaluates the expression of a rule; a drift is compared with what is usual.
func (w *Watch) value(i int, now time.Time) map[string]reading {
	e := w.rules[i].expr
	if e.do != drift {
		return e.evaluate(w.of, now)
	}
	return w.usual[i].compare(e.inner[0].evaluate(w.of, now), now)
}

// rewind moves what lies in the future of a clock that was set back to now.
func (w *Watch) rewind(now time.Time) {
	for _, states := range w.states {
		for _, s := range states {
			s.heard = now
			if s.since.After(now) {
				s.since = now
			}
			s.changes = slices.DeleteFunc(s.changes, func(at time.Time) bool { return at.After(now) })
		}
	}
}

// Resume tells of an alert that was open before the process began, so that it does not begin again. It reports whether there is such a rule still.
func (w *Watch) Resume(rule string, labels []Label, since time.Time, value float64, flapping bool) bool {
	for i := range w.rules {
		if w.rules[i].Name != rule {
			continue
		}
		for _, e := range w.rules[i].parts() {
			if e.do != absent && !slices.Equal(keysOf(labels), e.by) {
				return false // it groups by other labels now
			}
		}
		w.states[i][identity(labels)] = &state{rule: &w.rules[i], labels: labels, open: true, since: since.Round(0), heard: w.last, value: value, flapping: flapping}
		return true
	}
	return false
}

func (r *Rule) parts() (out []*expr) {
	r.expr.each(func(e *expr) { out = append(out, e) })
	return out
}

func keysOf(labels []Label) []string {
	out := make([]string, 0, len(labels))
	for _, l := range labels {
		out = append(out, l.Key)
	}
	return out
}

// Standing is where a rule stands for one group of labels.
type Standing struct {
	Rule     string   `json:"rule"`
	When     string   `json:"when"`
	Severity Severity `json:"severity"`
	Labels   []Label  `json:"labels,omitempty"`
	// State is ok, pending, firing or flapping.
	State string `json:"state"`
	// Value is the latest one, Worst the one that came nearest to the limit or furthest past it.
	Value float64 `json:"value"`
	Worst float64 `json:"worst"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit,omitempty"`
	// Since is since when it is wrong; nil where it is not.
	Since *time.Time `json:"since,omitempty"`
}

// Standings is where each rule stands for each group of which something is known.
func (w *Watch) Standings() []Standing {
	var out []Standing
	for i := range w.rules {
		for _, key := range slices.SortedFunc(maps.Keys(w.states[i]), cmp.Compare[string]) {
			s := w.states[i][key]
			r, since := s.rule, s.since
			g := Standing{Rule: r.Name, When: r.When, Severity: r.Severity, Labels: s.labels, State: "ok", Value: s.value, Worst: s.worst, Limit: r.limit, Unit: r.unit}
			switch {
			case s.flapping:
				g.State = "flapping"
			case s.open:
				g.State = "firing"
			case !s.bad.IsZero():
				g.State, since = "pending", s.bad
			}
			if g.State != "ok" {
				since = since.UTC()
				g.Since = &since
			}
			if !s.valued {
				g.Worst = s.value
			}
			out = append(out, g)
		}
	}
	return out
}
