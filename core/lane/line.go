package lane

import "time"

// line is where the calls of one class wait: one flow for each tenant, served in turn, so that who floods the line makes
// itself wait and not the others. Its owner's lock guards it.
type line struct {
	turn    *flow         // whose turn it is; nil: nobody waits
	waited  time.Duration // of who was served last
	live    int           // waiting tickets whose callers have not given up
	shares  int           // of all flows
	flows   int
	in      *tenancy
	control codel
	counts  lineCounts
}

// lineCounts are totals since the lane was opened.
type lineCounts struct {
	served  uint64
	refused Refusals
}

// flow is the tickets of one tenant, first come first served, in a ring with the other flows of its line.
type flow struct {
	tenant     *tenant
	tickets    []*ticket
	head       int
	live       int
	credit     int // turns left in this round
	next, prev *flow
}

func (f *flow) listed() bool { return f.next != nil }
func (f *flow) empty() bool  { return f.head == len(f.tickets) }

// push adds t at the end of its tenant's flow.
func (l *line) push(t *ticket) {
	f := &t.tenant.flows[t.class]
	if f.head > 64 && f.head*2 > len(f.tickets) {
		n := copy(f.tickets, f.tickets[f.head:])
		clear(f.tickets[n:])
		f.tickets, f.head = f.tickets[:n], 0
	}
	f.tickets = append(f.tickets, t)
	l.joined(f, t)
}

// pushFront puts t before those of its tenant that wait.
func (l *line) pushFront(t *ticket) {
	f := &t.tenant.flows[t.class]
	if f.head > 0 {
		f.head--
		f.tickets[f.head] = t
	} else {
		f.tickets = append([]*ticket{t}, f.tickets...)
	}
	l.joined(f, t)
}

func (l *line) joined(f *flow, t *ticket) {
	l.live++
	f.live++
	t.tenant.queued++
	if f.listed() {
		return
	}
	f.tenant, f.credit = t.tenant, t.tenant.share()
	l.shares += f.credit
	l.flows++
	if l.turn == nil {
		f.next, f.prev = f, f
		l.turn = f
		return
	}
	f.next, f.prev = l.turn, l.turn.prev // the last of the round
	f.prev.next, f.next.prev = f, f
}

// unlist takes an empty flow out of the ring.
func (l *line) unlist(f *flow) {
	l.shares -= f.tenant.share()
	l.flows--
	if f.next == f {
		l.turn = nil
	} else {
		f.prev.next, f.next.prev = f.next, f.prev
		if l.turn == f {
			l.turn = f.next
		}
	}
	f.next, f.prev = nil, nil
	f.tickets, f.head = f.tickets[:0], 0
	l.in.forget(f.tenant)
}

// left counts off a ticket that does not wait any more.
func (l *line) left(t *ticket) {
	l.live--
	t.tenant.flows[t.class].live--
	t.tenant.queued--
}

// first is the ticket whose turn it is, and its flow; nil where nobody waits, or only tenants that have enough in flight.
func (l *line) first() (*ticket, *flow) {
	f := l.turn
	for range l.flows {
		next := f.next
		l.bury(f)
		switch {
		case f.empty():
			l.unlist(f)
		case !f.tenant.full():
			return f.tickets[f.head], f
		}
		f = next
	}
	return nil, nil
}

// bury drops the tickets at the head whose callers gave up; they were counted off when they did.
func (l *line) bury(f *flow) {
	for !f.empty() && f.tickets[f.head].cancelled() {
		f.tickets[f.head] = nil
		f.head++
	}
}

// pop takes the head of f out; counted says that it was somebody's turn.
func (l *line) pop(f *flow, counted bool) {
	f.tickets[f.head] = nil
	f.head++
	if counted {
		l.turn = f
		if f.credit--; f.credit <= 0 {
			f.credit = f.tenant.share()
			l.turn = f.next
		}
	}
	if f.empty() {
		l.unlist(f)
	}
}

// each calls do for every flow; do may empty it.
func (l *line) each(do func(*flow)) {
	f := l.turn
	for range l.flows {
		next := f.next
		do(f)
		if f.empty() {
			l.unlist(f)
		}
		f = next
	}
}

// sweep makes room where many have given up and nobody is served.
func (l *line) sweep(f *flow) {
	if dead := len(f.tickets) - f.head - f.live; f.live > 0 && dead <= 64+f.live {
		return
	}
	kept := f.tickets[:0]
	for _, t := range f.tickets[f.head:] {
		if !t.cancelled() {
			kept = append(kept, t)
		}
	}
	clear(f.tickets[len(kept):])
	f.tickets, f.head = kept, 0
	if f.empty() {
		l.unlist(f)
	}
}

// ahead is how many tickets of the line get their turn before one that t adds now.
func (l *line) ahead(t *tenant, class Class) int {
	own := t.flows[class].live
	if l.flows == 0 || l.flows == 1 && t.flows[class].listed() {
		return own
	}
	shares := l.shares
	if !t.flows[class].listed() {
		shares += t.share()
	}
	return min(l.live, (own+1)*shares/t.share())
}
