package lane

import (
	"context"
	"time"
)

// overdue is what is known about a statement whose time is up. The session's kick guards it.
type overdue struct {
	within context.Context // of the statement that steps
	late   int64           // when it was first seen to go on past its end, clock ns; 0: it was not
	seen   int             // how often it was seen so
	stuck  error           // why the connection was taken away
}

// lost is why the session's connection was taken away, or nil.
func (r *Reader) lost() error {
	r.kick.Lock()
	defer r.kick.Unlock()
	return r.stuck
}

// unstick takes the connections from statements that go on although their context is done, or somebody has ended them, for longer
// than the grace: a Go function that they call does not return. What else interrupts a statement does not reach into such a function.
// Without this the statement would keep its run slot, and enough of them would stop all reads.
func (p *pool) unstick(now time.Time) {
	grace := p.lanes.cfg.Writer.Grace
	for _, r := range p.holders() {
		if r.overdueBy(now, grace) {
			p.abandon(r, grace)
		}
	}
}

// overdueBy reports whether the statement that steps now goes on past its end for longer than the grace. It must have been seen so often
// enough, too: where the whole process had to wait for the machine, the statement had no chance to end.
func (r *Reader) overdueBy(now time.Time, grace time.Duration) bool {
	r.kick.Lock()
	defer r.kick.Unlock()
	if r.stepping == nil || r.stuck != nil || r.wanted == nil && r.within.Err() == nil {
		return false
	}
	if r.late == 0 {
		r.late = r.pool.lanes.clock.ns(now)
	}
	r.seen++
	return time.Duration(r.pool.lanes.clock.ns(now)-r.late) > grace && r.seen > int(grace/governEvery)
}

// abandon takes the connection from a session that is stuck inside a statement, gives its slot back and forgets the session: whoever is
// stuck there may never come back, and if he does he finds the connection fenced. Each costs the memory of a connection until the
// process ends, so no more are given up than may be open; from then on those who are stuck keep what they hold.
func (p *pool) abandon(r *Reader, grace time.Duration) {
	p.mu.Lock()
	spent := p.counts.fenced >= uint64(p.cfg.Conns) && !p.closed
	p.mu.Unlock()
	if spent {
		return
	}
	r.kick.Lock()
	conn, name := r.stepping, nameOr(r.name)
	if conn == nil || r.stuck != nil {
		r.kick.Unlock()
		return
	}
	why := r.wanted
	if why == nil {
		why = context.Cause(r.within)
	}
	r.stuck = &StuckError{Holder: name, Grace: grace, Cause: why}
	err := conn.Fence() // with kick held: the statement's end waits, and finds what to say
	r.kick.Unlock()
	p.lanes.log.Error("a statement of a reader did not stop and its connection was fenced: restart when convenient",
		"reader", name, "lane", p.role.String(), "fence", err)
	p.slots.leave(r.ticket)
	p.mu.Lock()
	p.counts.fenced++
	if r.place >= 0 {
		p.leave(r)
		p.lost()
	}
	p.mu.Unlock()
	p.slots.release()
}
