package alert

import "time"

// What makes an alert that comes and goes flap: so many beginnings and ends in so long a time. It then stays open until it was well for as long.
const (
	flapChanges = 4
	flapWindow  = 30 * time.Minute
)

// silent is how long an open alert outlives the last value of its expression.
const silent = time.Hour

// state is where a rule stands for one group of labels.
type state struct {
	rule   *Rule
	labels []Label
	// bad is since when it has been wrong without a break, well since when an open alert has been well; zero: it is not.
	bad, well time.Time
	// open is true between the beginning and the end of an alert.
	open     bool
	since    time.Time // when it began to be wrong
	changes  []time.Time
	flapping bool
	heard    time.Time // when there was a value the last time
	value    float64
	// worst is the value that came nearest to the limit, or went furthest past it; valued says that there was one.
	worst  float64
	valued bool
	// longest is how long it was wrong at a stretch before it fired, or did not.
	longest time.Duration
}

// What happens in a step.
type change uint8

const (
	nothing change = iota
	begins
	ends
	fades // it ends because nothing is known of it any more
)

// step takes the value of now. A gap in the time before it ends whatever had to last.
func (s *state) step(r reading, now time.Time, gap bool) change {
	s.heard, s.value = now, r.value
	if gap {
		s.bad, s.well = time.Time{}, time.Time{}
	}
	counts := r.n >= s.rule.least
	if counts {
		s.near(r.value)
	}
	if s.open {
		return s.stepOpen(r.value, now)
	}
	if !counts || !s.rule.bad(r.value) {
		s.bad = time.Time{}
		return nothing
	}
	if s.bad.IsZero() {
		s.bad = now
	}
	s.longest = max(s.longest, now.Sub(s.bad))
	if now.Sub(s.bad) < s.rule.wait {
		return nothing
	}
	s.open, s.since = true, s.bad
	s.bad, s.well = time.Time{}, time.Time{}
	s.changed(now)
	s.flapping = len(s.changes) > flapChanges
	return begins
}

func (s *state) stepOpen(v float64, now time.Time) change {
	if !s.rule.good(v) {
		s.well = time.Time{}
		return nothing
	}
	if s.well.IsZero() {
		s.well = now
	}
	hold := s.rule.hold
	if s.flapping {
		hold = max(hold, flapWindow)
	}
	if now.Sub(s.well) < hold {
		return nothing
	}
	s.close()
	s.changed(now)
	return ends
}

// miss is a step without a value: what was about to begin does not, and what is open stays so for a while.
func (s *state) miss(now time.Time) change {
	s.bad, s.well = time.Time{}, time.Time{}
	if !s.open || now.Sub(s.heard) < silent {
		return nothing
	}
	s.close()
	s.changed(now)
	return fades
}

func (s *state) close() {
	s.open, s.flapping = false, false
	s.bad, s.well, s.since = time.Time{}, time.Time{}, time.Time{}
}

// changed notes a beginning or an end.
func (s *state) changed(now time.Time) {
	n := 0
	for _, at := range s.changes {
		if now.Sub(at) < flapWindow && !at.After(now) {
			s.changes[n] = at
			n++
		}
	}
	s.changes = append(s.changes[:n], now)
}

// near notes how near the limit a value was.
func (s *state) near(v float64) {
	if !s.valued || s.rule.above && v > s.worst || !s.rule.above && v < s.worst {
		s.worst, s.valued = v, true
	}
}

// idle is true where forgetting the state loses nothing.
func (s *state) idle(now time.Time) bool {
	return !s.open && now.Sub(s.heard) > flapWindow
}
