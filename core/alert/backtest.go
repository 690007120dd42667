package alert

import (
	"slices"
	"strings"
	"time"
)

// Played is what a rule would have done over stored metrics.
type Played struct {
	Rule     string   `json:"rule"`
	When     string   `json:"when"`
	Severity Severity `json:"severity"`
	Limit    float64  `json:"limit"`
	Unit     string   `json:"unit,omitempty"`
	// Fired are the alerts that there would have been, in order.
	Fired []PlayedAlert `json:"fired"`
	// Groups say how near it came, by group of labels.
	Groups []PlayedGroup `json:"groups"`
}

// PlayedAlert is an alert that there would have been.
type PlayedAlert struct {
	Labels []Label   `json:"labels,omitempty"`
	Since  time.Time `json:"since"`
	At     time.Time `json:"at"`
	// Ended is nil where it went on at the end.
	Ended    *time.Time `json:"ended,omitempty"`
	Value    float64    `json:"value"`
	Flapping bool       `json:"flapping,omitempty"`
	// Faded is true where it ended because nothing was known any more.
	Faded bool `json:"faded,omitempty"`
	// Told is when it would have been told: once no silence covered it any more; nil where it ended, or the time did, before that. Silence is the one that
	// covered it when it fired; 0 where none did.
	Told    *time.Time `json:"told,omitempty"`
	Silence int64      `json:"silence,omitempty"`
}

// Lasted is how long it went on, up to now where it still does.
func (p *PlayedAlert) Lasted(now time.Time) time.Duration {
	if p.Ended != nil {
		now = *p.Ended
	}
	return now.Sub(p.At)
}

// PlayedGroup says how near a rule came for a group of labels.
type PlayedGroup struct {
	Labels []Label `json:"labels,omitempty"`
	// Worst is the value that came nearest to the limit or went furthest past it.
	Worst float64 `json:"worst"`
	// Longest is how long it was past the limit at a stretch without that being an alert yet.
	Longest time.Duration `json:"longest_ns"`
}

// Backtest runs rules over the past. It is not safe for concurrent use.
type Backtest struct {
	watch *Watch
	rules []Played
	last  time.Time
	// Steps is how many steps there were, Gaps how many times something was missing between two.
	Steps, Gaps int
}

// NewBacktest returns one that begins at start, with a step each interval.
func NewBacktest(rules []Rule, interval time.Duration, start time.Time) *Backtest {
	b := &Backtest{watch: NewWatch(rules, interval, start), last: start}
	b.watch.keep = true
	for i := range rules {
		r := &rules[i]
		b.rules = append(b.rules, Played{Rule: r.Name, When: r.When, Severity: r.Severity, Limit: r.limit, Unit: r.unit, Fired: []PlayedAlert{}, Groups: []PlayedGroup{}})
	}
	return b
}

// Wants reports whether a rule asks about a metric.
func (b *Backtest) Wants(metric string) bool { return b.watch.Wants(metric) }

// Step is Watch.Step.
func (b *Backtest) Step(now time.Time, samples []Sample) {
	b.Steps++
	if now.Sub(b.last) > gapAfter*b.watch.interval {
		b.Gaps++
	}
	b.last = now
	for _, e := range b.watch.Step(now, samples) {
		p := &b.rules[slices.IndexFunc(b.rules, func(p Played) bool { return p.Rule == e.Rule.Name })]
		if e.Firing {
			p.Fired = append(p.Fired, PlayedAlert{Labels: e.Labels, Since: e.Since.UTC(), At: e.At.UTC(), Value: e.Value, Flapping: e.Flapping})
			continue
		}
		for i := len(p.Fired) - 1; i >= 0; i-- {
			if f := &p.Fired[i]; f.Ended == nil && slices.Equal(f.Labels, e.Labels) {
				at := e.At.UTC()
				f.Ended, f.Faded = &at, e.Faded
				break
			}
		}
	}
}

// muted works out when an alert would have been told. end is where the time that is looked at ends.
func (p *PlayedAlert) muted(rule string, silences []Silence, end time.Time) {
	if p.Ended != nil {
		end = *p.Ended
	}
	at, of := p.At, Alert{Rule: rule, Labels: p.Labels}
	for covered := true; covered; {
		covered = false
		for i := range silences {
			if s := &silences[i]; !at.Before(s.Made) && s.covers(&of, at) {
				if at.Equal(p.At) && p.Silence == 0 {
					p.Silence = s.ID
				}
				at, covered = s.Until, true
			}
		}
	}
	if p.Told = nil; p.Silence == 0 || at.Before(end) {
		p.Told = &at
	}
}

// Result says what the rules would have done, under silences that there were.
func (b *Backtest) Result(silences []Silence) []Played {
	out := slices.Clone(b.rules)
	for i := range out {
		for k := range out[i].Fired {
			out[i].Fired[k].muted(out[i].Rule, silences, b.last)
		}
		for _, s := range b.watch.states[i] {
			g := PlayedGroup{Labels: s.labels, Worst: s.worst, Longest: s.longest}
			if !s.valued {
				continue
			}
			out[i].Groups = append(out[i].Groups, g)
		}
		slices.SortFunc(out[i].Groups, func(a, b PlayedGroup) int {
			return strings.Compare(identity(a.Labels), identity(b.Labels))
		})
	}
	return out
}
