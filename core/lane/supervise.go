package lane

import (
	"context"
	"time"
)

// superviseEvery is how often the supervisor looks at a writer that works. It bounds how late an overlong statement is
// noticed, not how long one may run.
const superviseEvery = 10 * time.Millisecond

// supervise turns away jobs that wait too long, interrupts statements that run too long, and replaces a writer whose
// statement cannot be stopped.
func (w *writer) supervise(stop <-chan struct{}) {
	tick := time.NewTicker(superviseEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			if !w.busy.Load() && w.q.depthNow.Load() == 0 {
				continue
			}
			w.q.expire(now)
			w.mu.Lock()
			s := w.shift
			w.mu.Unlock()
			w.watch(s)
		}
	}
}

// watch looks at the statement that runs on s.
func (w *writer) watch(s *shift) {
	t := s.active.Load()
	if t == nil || !t.turn.busy() {
		return
	}
	began := t.began.Load()
	ran := time.Duration(s.now() - began)
	if why := context.Cause(t.job.ctx); why != nil && !t.turn.kicked() && w.unwanted(t) {
		w.kick(t, began, why)
		return
	}
	if ran <= w.cfg.StatementTime {
		return
	}
	lease := &LeaseError{Holder: t.job.name(), Held: ran, Limit: w.cfg.StatementTime}
	if !t.turn.kicked() {
		w.kick(t, began, lease)
		return
	}
	if ran <= w.cfg.StatementTime+w.cfg.Grace {
		return
	}
	lease.Inside = true
	t.reason.Store(&reason{lease})
	if t.turn.seize() {
		w.replace(s, t, lease)
	}
}

// givenUp remembers which transaction's caller was first seen to have given up, and when. The supervisor's alone.
type givenUp struct {
	id    uint64
	since time.Time
}

// unwanted reports whether the statement of t, whose caller has given up, is to be interrupted now. That undoes the whole group. Where a
// member of it could not be run again it gets half a hold to end by itself: longer than that nobody may keep the writer for nothing.
func (w *writer) unwanted(t *Tx) bool {
	if t.harmless.Load() {
		return true
	}
	if w.left.id != t.id {
		w.left = givenUp{t.id, time.Now()}
	}
	return time.Since(w.left.since) >= w.cfg.Hold/2
}

// kick interrupts the statement of t that began then.
func (w *writer) kick(t *Tx, began int64, why error) {
	if t.turn.kick(func() bool { return t.began.Load() == began }, func() { t.conn.Kick(why) }) {
		w.stats.kicked.Add(1)
	}
}

// replace abandons a shift whose statement does not stop. The turn has been seized: neither the holder nor the shift's
// goroutine will touch the connection or the group again, so both are ours.
func (w *writer) replace(s *shift, t *Tx, lease *LeaseError) {
	err := t.conn.Fence()
	w.stats.fenced.Add(1)
	w.lanes.log.Error("a statement on the writer did not stop and its connection was fenced: restart when convenient",
		"transaction", t.job.name(), "ran", lease.Held, "fence", err)
	close(s.gone)
	next := newShift(w)
	next.group.members = s.group.members
	s.active.Store(nil)
	next.lose(lease, t.job, lease)
	w.hire(next)
	w.wg.Done() // for the abandoned one
}
