package lane

import "time"

// A pace is measured over windows, and the faster of the latest two holds: what was slow once (connections that were opened, a page that
// was not cached) must not turn away those who come after it. A window lasts until it has seen enough of both.
const (
	paceTurns = 16
	paceTime  = 250 * time.Millisecond
	paceFor   = 2 * time.Second // a lane that has been quiet for so long may serve other work now
)

// groupPace is how fast the writer works: what a member of a group costs, and what a group costs besides.
type groupPace struct {
	most        int           // members of a group
	span        time.Duration // how long a group takes in members
	open        groupWindow
	last, known [2]float64 // ns for a member and for the rest of a group: of the latest window, and of the faster of the latest two
	at          time.Time
	windows     int
}

type groupWindow struct {
	jobs, groups int
	run, rest    time.Duration
}

// add counts a group: run is the time of its members, rest that of BEGIN, COMMIT and checkpoint.
func (p *groupPace) add(now time.Time, members int, run, rest time.Duration) {
	if now.Sub(p.at) > paceFor {
		p.open, p.windows = groupWindow{}, 0
	}
	p.at = now
	w := &p.open
	w.jobs, w.groups, w.run, w.rest = w.jobs+members, w.groups+1, w.run+run, w.rest+rest
	if w.jobs < paceTurns || w.run+w.rest < paceTime {
		return
	}
	latest := [2]float64{float64(w.run) / float64(w.jobs), float64(w.rest) / float64(w.groups)}
	p.known = latest
	if p.windows > 0 {
		p.known = [2]float64{min(p.last[0], latest[0]), min(p.last[1], latest[1])}
	}
	p.last, p.open = latest, groupWindow{}
	p.windows++
}

// wait is how long n jobs ahead take, 0 where that is not known. cycle is how long a full group takes.
func (p *groupPace) wait(now time.Time, n int) (wait, cycle time.Duration) {
	if p.windows < 2 || now.Sub(p.at) > paceFor {
		return 0, 0
	}
	each, rest := p.known[0], p.known[1]
	full := p.most
	if each > 0 {
		full = min(full, max(1, int(float64(p.span)/each)))
	}
	whole := float64(full)*each + rest
	return time.Duration(float64(n/full)*whole + float64(n%full)*each), time.Duration(whole)
}

// slotPace is how fast a pool works while callers wait for its slots.
type slotPace struct {
	turns       int
	gaps        time.Duration
	last, known float64 // ns between two turns
	at          time.Time
	windows     int
}

// add counts a turn that was given while others waited; since is when the turn before was given, or the line began.
func (p *slotPace) add(now, since time.Time) {
	if now.Sub(p.at) > paceFor && p.windows > 0 {
		p.turns, p.gaps, p.windows = 0, 0, 0
	}
	p.at = now
	p.turns, p.gaps = p.turns+1, p.gaps+now.Sub(since)
	if p.turns < paceTurns || p.gaps < paceTime {
		return
	}
	latest := float64(p.gaps) / float64(p.turns)
	p.known = latest
	if p.windows > 0 {
		p.known = min(p.last, latest)
	}
	p.last, p.turns, p.gaps = latest, 0, 0
	p.windows++
}

// wait is how long n turns take, 0 where that is not known.
func (p *slotPace) wait(now time.Time, n int) time.Duration {
	if p.windows < 2 || now.Sub(p.at) > paceFor {
		return 0
	}
	return time.Duration(float64(n) * p.known)
}
