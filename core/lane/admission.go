package lane

import (
	"context"
	"time"
)

// Reason is why a call was turned away.
type Reason string

// The reasons.
const (
	// ReasonFull: as many wait as may.
	ReasonFull Reason = "queue full"
	// ReasonTimeout: it waited for as long as the queue lets anybody wait.
	ReasonTimeout Reason = "queue timeout"
	// ReasonDeadline: those before it would still be waiting at its deadline, or when the queue's time-out comes.
	ReasonDeadline Reason = "expected wait too long"
	// ReasonDelay: for a while more has been coming than is served, so the queue is kept short.
	ReasonDelay Reason = "queue delay"
	// ReasonQuota: its tenant has as many waiting as it may.
	ReasonQuota Reason = "tenant quota"
	// ReasonConnections: all connections of the lane were held by open rows and Views for as long as the queue lets anybody wait.
	ReasonConnections Reason = "no connection within the queue timeout"
)

// Refusals counts what was turned away, by reason.
type Refusals struct{ Full, Timeout, Deadline, Delay, Quota, Connections uint64 }

// Total is all of them.
func (r Refusals) Total() uint64 {
	return r.Full + r.Timeout + r.Deadline + r.Delay + r.Quota + r.Connections
}

func (r *Refusals) count(why Reason) {
	switch why {
	case ReasonFull:
		r.Full++
	case ReasonTimeout:
		r.Timeout++
	case ReasonDeadline:
		r.Deadline++
	case ReasonDelay:
		r.Delay++
	case ReasonQuota:
		r.Quota++
	case ReasonConnections:
		r.Connections++
	}
}

func (r *Refusals) add(o Refusals) {
	r.Full += o.Full
	r.Timeout += o.Timeout
	r.Deadline += o.Deadline
	r.Delay += o.Delay
	r.Quota += o.Quota
	r.Connections += o.Connections
}

// QueueStats is the line of one class in one lane.
type QueueStats struct {
	Class    Class
	Waiting  int           // now
	Served   uint64        // calls that waited and got their turn
	Refused  Refusals      // calls that did not
	Shedding bool          // more has been coming than is served, and the line is kept short
	Wait     time.Duration // what a call that comes now would wait; 0: nothing, or not known
}

// floorEvery is how often a lane looks at the low classes first, so that a flood of trades cannot starve them: one pick in sixteen,
// which they take in turns.
const floorEvery = 16

// room is a lane's waiting room: it decides who may wait, who is next and who is turned away. The lane's lock guards it.
type room struct {
	lane    string
	limit   int           // waiting calls
	apart   bool          // the limit is each class's own
	timeout time.Duration // longest wait
	lines   [classes]line
	tenancy tenancy
	depth   int
	strict  int // of depth: those that want an fsync
	picks   uint
	floor   int
	// pace is how long n turns take and what wait is normal even where nobody is kept waiting; both 0 where that is not known.
	pace func(now time.Time, n int) (wait, normal time.Duration)
}

func (m *room) open(lane string, limit int, timeout, target time.Duration, quotas Quotas) {
	m.lane, m.limit, m.timeout = lane, limit, timeout
	m.tenancy = tenancy{quotas: quotas}
	for c := range m.lines {
		m.lines[c].in, m.lines[c].control = &m.tenancy, newCodel(target, limit)
	}
}

// admit puts t in line or says why not. It is called where t would have to wait; ctx is its caller's.
func (m *room) admit(ctx context.Context, t *ticket, tenant string) error {
	now := t.queued
	l := &m.lines[t.class]
	l.control.arrive(now, l.live > 0)
	t.tenant = m.tenancy.find(tenant)
	wait, normal := m.expect(now, t)
	if why := m.objection(ctx, t, wait, normal); why != "" {
		l.counts.refused.count(why)
		m.tenancy.forget(t.tenant)
		return m.refusal(t, why, now, wait)
	}
	l.push(t)
	m.counted(t, 1)
	return nil
}

// counted keeps the totals.
func (m *room) counted(t *ticket, n int) {
	m.depth += n
	if t.durable() {
		m.strict += n
	}
}

// objection is the reason to refuse t a place, "" where there is none.
func (m *room) objection(ctx context.Context, t *ticket, wait, normal time.Duration) Reason {
	l := &m.lines[t.class]
	limited := m.depth
	if m.apart {
		limited = l.live
	}
	switch q := t.tenant.quota; {
	case q.Queued > 0 && t.tenant.queued >= q.Queued:
		return ReasonQuota
	case limited >= m.limit:
		return ReasonFull
	case l.control.shedding() && wait > max(l.control.target, normal):
		return ReasonDelay
	case wait > max(l.control.target, time.Millisecond): // a line that is healthy needs no such care
		limit := m.timeout
		if deadline, ok := ctx.Deadline(); ok {
			limit = min(limit, deadline.Sub(t.queued))
		}
		// An estimate alone is no reason: on a machine that is starved it is wrong by far, and who asks again at once when he is refused keeps it so.
		// Those before him must really have waited for long.
		if wait > limit && l.waited > limit/4 {
			return ReasonDeadline
		}
	}
	return ""
}

// expect is how long t will have to wait, and what wait is normal. It is an estimate that rather promises too little: where
// nothing is known it is 0.
func (m *room) expect(now time.Time, t *ticket) (wait, normal time.Duration) {
	l := &m.lines[t.class]
	own := l.ahead(t.tenant, t.class)
	before := own
	for _, c := range rank {
		if c == t.class {
			break
		}
		before += m.lines[c].live
	}
	wait, normal = m.pace(now, before)
	if gap := l.control.gap(); gap > 0 && t.class != rank[0] { // whoever goes first leaves it its share of the turns only
		wait = max(wait, time.Duration(own)*gap)
	}
	return wait, normal
}

// refusal is the error of a call that is turned away; wait is what was expected for it.
func (m *room) refusal(t *ticket, why Reason, now time.Time, wait time.Duration) error {
	e := &OverloadError{Lane: m.lane, Class: t.class, Reason: why, Depth: m.depth, Waited: now.Sub(t.queued), RetryAfter: wait}
	l := &m.lines[t.class]
	switch {
	case why == ReasonDelay:
		// Before the interval's end nothing changes. After it one in so many has a chance as are served of those who come.
		e.RetryAfter = max(wait, l.control.left(now))
	case why == ReasonQuota:
		e.Hint = "the tenant has as many calls waiting as its quota lets it"
	case wait == 0:
		e.RetryAfter = m.timeout / 4
	}
	if why == ReasonTimeout && t.tenant.full() {
		e.Hint = "the tenant has as many calls in flight as its quota lets it: end them sooner"
	}
	e.RetryAfter = max(e.RetryAfter, time.Millisecond)
	return e
}

// next takes the ticket whose turn it is out of its line and claims it; nil where there is none. fits, which may be nil, can say that
// it must wait for another time; nobody of its class or below overtakes it then.
func (m *room) next(now time.Time, fits func(*ticket) bool) *ticket {
	if m.depth == 0 {
		return nil
	}
	m.picks++
	first, low := 0, m.picks%floorEvery == 0
	if low {
		m.floor = m.floor%(classes-1) + 1
		first = m.floor
	}
	for i := range rank {
		at := i
		if low {
			at = m.lowFirst(first, i)
		}
		l := &m.lines[rank[at]]
		for {
			t, f := l.first()
			if t == nil {
				break // the next class
			}
			if fits != nil && !fits(t) {
				return nil
			}
			if !t.claim() {
				continue // its caller gives up at this moment
			}
			if m.serve(now, l, f, t) {
				return t
			}
		}
	}
	return nil
}

// lowFirst is the i-th rank to look at when the low classes go first, beginning with that one: those below the first in a circle, and
// the first at last.
func (m *room) lowFirst(first, i int) int {
	if i == classes-1 {
		return 0
	}
	return (first-1+i)%(classes-1) + 1
}

// serve takes the claimed t from the head of f. It reports false where t has waited too long for a line that is shedding.
func (m *room) serve(now time.Time, l *line, f *flow, t *ticket) bool {
	waited := now.Sub(t.queued)
	l.left(t)
	m.counted(t, -1)
	stale := l.control.shedding() && waited > m.stale(now, l)
	if !stale {
		m.fly(t) // ahead of pop, which forgets a tenant that has nothing here
	}
	l.pop(f, !stale)
	if stale {
		l.counts.refused.count(ReasonDelay)
		wait, _ := m.expect(now, t)
		m.tenancy.forget(t.tenant)
		t.refuse(m.refusal(t, ReasonDelay, now, wait))
		return false
	}
	l.control.serve(now, waited, l.live > 0)
	l.waited = waited
	l.counts.served++
	t.taken = now
	return true
}

// stale is the wait from which on a line that is shedding drops from its head. Whoever comes is let in where the wait expected is half
// of that.
func (m *room) stale(now time.Time, l *line) time.Duration {
	_, normal := m.pace(now, 0)
	return 2 * max(l.control.target, normal)
}

// fly counts t against what its tenant may have in flight.
func (m *room) fly(t *ticket) {
	if t.tenant.quota.InFlight > 0 {
		t.tenant.inFlight++
		t.flying = true
	}
}

// landed counts it off. It reports whether somebody may go on because of that.
func (m *room) landed(t *ticket) bool {
	if !t.flying {
		return false
	}
	t.flying = false
	was := t.tenant.full()
	t.tenant.inFlight--
	waits := was && t.tenant.queued > 0
	m.tenancy.forget(t.tenant)
	return waits
}

// again puts a claimed ticket back in front of those of its tenant.
func (m *room) again(t *ticket) {
	m.landed(t)
	t.tenant = m.tenancy.find(t.tenant.name)
	t.state.Store(ticketWaiting)
	m.lines[t.class].pushFront(t)
	m.counted(t, 1)
}

// withdrawn counts off a ticket whose caller has cancelled it.
func (m *room) withdrawn(t *ticket) {
	l := &m.lines[t.class]
	l.left(t)
	m.counted(t, -1)
	if f := &t.tenant.flows[t.class]; f.listed() {
		l.sweep(f)
	}
}

// out takes the tickets out of every line that take says, and claims them: heads only, which have waited longest.
func (m *room) out(take func(*ticket) bool) (gone []*ticket) {
	for c := range m.lines {
		l := &m.lines[c]
		l.each(func(f *flow) {
			for l.bury(f); !f.empty() && take(f.tickets[f.head]); l.bury(f) {
				t := f.tickets[f.head]
				if !t.claim() {
					continue // buried in the next round
				}
				f.tickets[f.head] = nil
				f.head++
				l.left(t)
				m.counted(t, -1)
				gone = append(gone, t)
			}
		})
	}
	return gone
}

// timedOut turns away t, which has waited for as long as anybody may.
func (m *room) timedOut(t *ticket, now time.Time) error {
	m.lines[t.class].counts.refused.count(ReasonTimeout)
	wait, _ := m.expect(now, t)
	return m.refusal(t, ReasonTimeout, now, wait)
}

// stats describes the lines, first served first.
func (m *room) stats(now time.Time) (out [classes]QueueStats) {
	for i, c := range rank {
		l := &m.lines[c]
		l.control.idle(now)
		wait, _ := m.expect(now, &ticket{class: c, tenant: &m.tenancy.nobody})
		out[i] = QueueStats{Class: c, Waiting: l.live, Served: l.counts.served, Refused: l.counts.refused, Shedding: l.control.shedding(), Wait: wait}
	}
	return out
}
