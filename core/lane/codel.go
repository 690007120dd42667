package lane

import "time"

// codel decides when a line sheds load. As in CoDel, what counts is the shortest wait of an interval: a queue that is emptied again and
// again, as group commit does it at every fsync however slow the disk, is none. A wait that stays above the target is not enough
// either: ten thousand sessions that ask again as soon as they are answered keep a queue standing, which shedding would turn into errors
// and not into shorter waits. Load is shed when, besides, more keeps coming than is served.
type codel struct {
	target    time.Duration // 0: never sheds
	interval  time.Duration
	tolerance int // how many more may come than are served before three intervals are proof enough

	began  time.Time // of the interval under way
	now    tally
	past   [pastIntervals]tally // the latest first
	known  int                  // of past that are filled
	excess int                  // came over served since the line stands

	mode      mode
	lasted    int // intervals in this mode
	patience  int // intervals after which shedding is tried without
	probation int // intervals for which the end of shedding may have been a pause only
}

type mode uint8

const (
	modeOpen  mode = iota
	modeShed       // waits are kept to the target
	modeTrial      // it was shed, and is not for a moment, to see whether that is still needed
)

// tally is what happened to a line in an interval.
type tally struct {
	came, served int
	span         time.Duration
	standing     bool // nobody was served within the target, and the line was never empty
}

const (
	pastIntervals = 16
	// intervalTargets is how long an interval is, in targets: 100 ms for 5 ms, several group commits of a slow disk.
	intervalTargets = 20
	// burstIntervals is how long more than half again as much as is served must keep coming before load is shed, where the queue has
	// nearly filled up meanwhile; else it takes pastIntervals. A burst, such as many sessions that start at once, is over by then.
	burstIntervals = 3
	// firstPatience is how many intervals load is shed before it is tried without. Callers who ask again at once when they are refused
	// look like load that does not end; let in, they wait and are served. Each trial that fails doubles the time to the next.
	firstPatience, mostPatience = 50, 800
	// noise is how many more may come than are served without meaning anything.
	noise = 8
)

func newCodel(target time.Duration, limit int) codel {
	return codel{target: target, interval: intervalTargets * target, tolerance: limit * 3 / 4, patience: firstPatience}
}

// shedding reports whether waits are kept to the target.
func (c *codel) shedding() bool { return c.mode == modeShed }

// sum adds up the latest n intervals.
func (c *codel) sum(n int) (s tally) {
	s.standing = c.known >= n
	for _, p := range c.past[:min(n, c.known)] {
		s.came += p.came
		s.served += p.served
		s.span += p.span
		s.standing = s.standing && p.standing
	}
	return s
}

// grows reports whether more than factor times as much came as was served. Where nothing was served at all the lane is stuck or its
// disk is, which says nothing about the load.
func (t tally) grows(factor float64) bool {
	return t.served > 0 && float64(t.came) > factor*float64(t.served)+noise
}

// roll closes the interval under way if it is over. waiting says that somebody waits now.
func (c *codel) roll(now time.Time, waiting bool) {
	if c.began.IsZero() {
		c.began, c.now.standing = now, waiting
		return
	}
	over := now.Sub(c.began)
	if over < c.interval {
		return
	}
	if over >= pastIntervals*c.interval && c.now.served == 0 { // nobody came by for so long
		*c = codel{target: c.target, interval: c.interval, tolerance: c.tolerance, patience: firstPatience, began: now}
		c.now.standing = waiting
		return
	}
	c.now.span = over
	if c.now.standing {
		c.excess += c.now.came - c.now.served
	} else {
		c.excess = 0
	}
	copy(c.past[1:], c.past[:])
	c.past[0], c.known = c.now, min(c.known+1, pastIntervals)
	c.began, c.now = now, tally{standing: waiting}
	c.lasted++
	c.decide()
}

// decide looks at the intervals that are over.
func (c *codel) decide() {
	switch c.mode {
	case modeOpen:
		if c.burst() || c.creeping() {
			c.turn(modeShed)
		} else if c.probation = max(0, c.probation-1); c.probation == 0 {
			c.patience = firstPatience
		}
	case modeShed:
		switch {
		case !c.sum(2).grows(1.05):
			c.probation = pastIntervals
			c.turn(modeOpen)
		case c.lasted >= c.patience:
			c.patience = min(2*c.patience, mostPatience)
			c.turn(modeTrial)
		}
	case modeTrial:
		switch last := c.past[0]; {
		case c.lasted < burstIntervals:
		case last.standing && last.grows(1.05):
			c.turn(modeShed)
		default:
			c.probation = 0
			c.turn(modeOpen)
		}
	}
}

func (c *codel) turn(to mode) { c.mode, c.lasted = to, 0 }

// burst reports whether the line stands and grows fast.
func (c *codel) burst() bool {
	long := burstIntervals
	if c.probation > 0 {
		long = 1
	} else if c.excess < c.tolerance {
		return false
	}
	if c.known < long {
		return false
	}
	for _, p := range c.past[:long] {
		if !p.standing || !p.grows(1.5) {
			return false
		}
	}
	return true
}

// creeping reports whether the line has been standing for long and still grows. A crowd that came at once and asks again when answered
// stopped to grow when the last of it had come.
func (c *codel) creeping() bool {
	return c.sum(pastIntervals).standing && c.sum(pastIntervals/2).grows(1.05) && c.past[0].grows(1.05) && c.past[1].grows(1.05)
}

// arrive counts one that asks for a place in the line, in which somebody waits already or not.
func (c *codel) arrive(now time.Time, waiting bool) {
	if c.target <= 0 {
		return
	}
	c.roll(now, waiting)
	c.now.came++
	if !waiting {
		c.now.standing = false
	}
}

// serve counts one whose turn came after that wait, and tells whether others still wait.
func (c *codel) serve(now time.Time, waited time.Duration, waiting bool) {
	if c.target <= 0 {
		return
	}
	c.roll(now, true)
	c.now.served++
	if waited <= c.target || !waiting {
		c.now.standing = false
	}
}

// idle lets time pass for a line of which nothing is asked, so that it does not seem to shed for ever.
func (c *codel) idle(now time.Time) {
	if c.target > 0 && !c.began.IsZero() {
		c.roll(now, c.now.standing)
	}
}

// left is how long the interval under way still lasts: before its end shedding does not stop.
func (c *codel) left(now time.Time) time.Duration { return max(0, c.interval-now.Sub(c.began)) }

// gap is the time between two turns as measured over the latest intervals in which the line stood, 0 where that is not known.
func (c *codel) gap() time.Duration {
	n := 0
	for n < min(c.known, burstIntervals) && c.past[n].standing {
		n++
	}
	if s := c.sum(n); n > 0 && s.served > 0 {
		return s.span / time.Duration(s.served)
	}
	return 0
}
