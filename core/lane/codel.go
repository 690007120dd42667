package lane

import "time"

// codel decides when a line sheds load. As in CoDel, what counts is the shortest wait of an interval: a queue that is emptied
// again and again, as group commit does it at every fsync however slow the disk, is none. A wait that stays above the target is not
// enough either: ten thousand sessions that ask again as soon as they are answered keep a queue standing that shedding would turn into
// errors and not shorten. Load is shed when, besides, more keeps coming than is served.
type codel struct {
	target   time.Duration // 0: never sheds
	interval time.Duration

	began    time.Time // of the interval under way
	now      tally
	past     [pastIntervals]tally // the latest first
	known    int                  // of past that are filled
	shedding bool
	ended    time.Time // when it last stopped to shed
}

// tally is what happened to a line in an interval.
type tally struct {
	came, served int
	span         time.Duration
	standing     bool // nobody was served within the target, and the line was never empty
}

const (
	pastIntervals = 10
	// intervalTargets is how long an interval is, in targets: 100 ms for 5 ms, several group commits of a slow disk.
	intervalTargets = 20
	// burstIntervals is how long more than half again as much as is served must keep coming before load is shed; a burst, such as
	// many sessions that start at once, is over by then.
	burstIntervals = 3
	// noise is how many more may come in an interval than are served without meaning anything.
	noise = 8
)

func newCodel(target time.Duration) codel {
	return codel{target: target, interval: intervalTargets * target}
}

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

// exceeds reports whether the line stood all the time and more than factor times as much came as was served. Where nothing was
// served at all the lane is stuck or its disk is, which says nothing about the load.
func (t tally) exceeds(factor float64) bool {
	return t.standing && t.served > 0 && float64(t.came) > factor*float64(t.served)+noise
}

// roll closes the intervals that are over. waiting says that somebody waits now.
func (c *codel) roll(now time.Time, waiting bool) {
	if c.began.IsZero() {
		c.began, c.now.standing = now, waiting
		return
	}
	over := now.Sub(c.began)
	if over < c.interval {
		return
	}
	if over >= pastIntervals*c.interval { // nothing was asked of the line for so long: nobody stood in it
		*c = codel{target: c.target, interval: c.interval, began: now}
		c.now.standing = waiting
		return
	}
	c.now.span = over
	copy(c.past[1:], c.past[:])
	c.past[0], c.known = c.now, min(c.known+1, pastIntervals)
	c.began = now
	c.now = tally{standing: waiting}
	c.decide(now)
}

func (c *codel) decide(now time.Time) {
	if c.shedding {
		if last := c.sum(2); float64(last.came) <= 1.05*float64(last.served)+noise {
			c.shedding, c.ended = false, now
		}
		return
	}
	burst := burstIntervals
	if !c.ended.IsZero() && now.Sub(c.ended) < pastIntervals*c.interval {
		burst = 1 // it was only a pause
	}
	fast := c.known >= burst
	for _, p := range c.past[:min(burst, c.known)] {
		fast = fast && p.exceeds(1.5)
	}
	slow := c.sum(pastIntervals).standing && c.sum(pastIntervals/2).exceeds(1.05)
	c.shedding = fast || slow
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

// idle lets time pass for a line of which nothing is asked, so that it does not seem to shed for ever.
func (c *codel) idle(now time.Time) {
	if c.target > 0 && !c.began.IsZero() {
		c.roll(now, c.now.standing)
	}
}
