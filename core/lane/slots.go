package lane

import (
	"context"
	"sync"
	"time"
)

// slots bounds how many statements of a pool step at once. Who already holds a connection goes before newcomers: it is in mid-work,
// and what it holds (a snapshot) costs more the longer it waits.
type slots struct {
	mu    sync.Mutex
	free  int
	first []*ticket // who holds a connection
	gone  int       // of first: whose callers gave up
	room  room      // newcomers
	work  slotPace
	since time.Time // of the last turn while others waited, or when the first began to wait
	turns uint
	waits uint64
}

func newSlots(name string, cfg PoolConfig, quotas Quotas) *slots {
	s := &slots{free: cfg.Slots}
	s.room.open(name, cfg.Queue, cfg.QueueTimeout, cfg.QueueTarget, quotas)
	s.room.pace = func(now time.Time, n int) (time.Duration, time.Duration) { return s.work.wait(now, n), 0 }
	return s
}

// enter takes a slot for a newcomer, on behalf of a tenant, and tells how long it waited. The tenant is counted until leave, where
// its quota asks for that: by then with the ticket that enter returns.
func (s *slots) enter(ctx context.Context, class Class, tenant string) (time.Duration, *ticket, error) {
	s.mu.Lock()
	if tenant == "" {
		if s.free > 0 && s.waiting() == 0 {
			s.free--
			s.mu.Unlock()
			return 0, nil, nil
		}
	} else if of := s.room.tenancy.find(tenant); s.free > 0 && len(s.first) == s.gone && !of.full() {
		s.free--
		t := s.flying(of, class)
		s.mu.Unlock()
		return 0, t, nil
	}
	t := &ticket{class: class, queued: time.Now(), grant: make(chan error, 1)}
	s.began(t.queued)
	if err := s.room.admit(ctx, t, tenant); err != nil {
		s.mu.Unlock()
		return 0, nil, err
	}
	s.waits++
	s.dispatch() // a slot may be free, and those before it over their quota
	s.mu.Unlock()
	err := s.wait(ctx, t, func() { s.room.withdrawn(t) })
	return time.Since(t.queued), t, err
}

// flying counts a call whose turn has come at once; nil where nobody counts.
func (s *slots) flying(of *tenant, class Class) *ticket {
	if of.quota.InFlight <= 0 {
		s.room.tenancy.forget(of)
		return nil
	}
	t := &ticket{class: class, tenant: of}
	s.room.fly(t)
	return t
}

// leave ends what enter began: t is what that returned.
func (s *slots) leave(t *ticket) {
	if t == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room.landed(t) {
		s.dispatch()
	}
}

// again takes a slot for one who holds a connection.
func (s *slots) again(ctx context.Context, class Class) error {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	t := &ticket{class: class, tenant: &s.room.tenancy.nobody, queued: time.Now(), grant: make(chan error, 1)}
	s.began(t.queued)
	s.first = append(s.first, t)
	s.waits++
	s.mu.Unlock()
	return s.wait(ctx, t, func() { s.gone++ })
}

// began notes the time at which somebody begins to wait where nobody did. s.mu is held.
func (s *slots) began(now time.Time) {
	if s.waiting() == 0 {
		s.since = now
	}
}

// wait waits for the turn of t; withdrawn is called, with the lock held, where it gives up.
func (s *slots) wait(ctx context.Context, t *ticket, withdrawn func()) error {
	timer := time.NewTimer(s.room.timeout)
	defer timer.Stop()
	select {
	case err := <-t.grant:
		return err
	case <-ctx.Done():
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.cancel() {
		return <-t.grant // it came just now
	}
	withdrawn()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return s.room.timedOut(t, time.Now())
}

// release gives a slot back, to the next in line where there is one.
func (s *slots) release() {
	s.mu.Lock()
	s.free++
	if s.room.depth > 0 || len(s.first) > 0 {
		s.dispatch()
	}
	s.mu.Unlock()
}

// dispatch gives the free slots to those who wait. s.mu is held.
func (s *slots) dispatch() {
	for s.free > 0 && s.waiting() > 0 {
		now := time.Now()
		t := s.next(now)
		if t == nil {
			return // who waits is over his quota
		}
		s.work.add(now, s.since)
		s.since = now
		s.free--
		t.grant <- nil
	}
}

// next is who gets the next slot: one who holds a connection, and once in so many turns a newcomer first.
func (s *slots) next(now time.Time) *ticket {
	s.turns++
	if s.turns%floorEvery == 0 {
		if t := s.room.next(now, nil); t != nil {
			return t
		}
	}
	for len(s.first) > 0 {
		t := s.first[0]
		s.first[0] = nil
		s.first = s.first[1:]
		if t.claim() {
			return t
		}
		s.gone--
	}
	return s.room.next(now, nil)
}

// unconnected counts one that got its turn and then no connection.
func (s *slots) unconnected(class Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room.lines[class].counts.refused.count(ReasonConnections)
}

// waiting is how many wait. s.mu is held.
func (s *slots) waiting() int { return len(s.first) - s.gone + s.room.depth }

func (s *slots) stats() (waiting int, waits uint64, lines [classes]QueueStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting(), s.waits, s.room.stats(time.Now())
}
