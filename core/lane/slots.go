package lane

import (
	"context"
	"sync"
	"time"
)

// slots bounds how many statements of a pool step at once. Who already holds a connection goes first: it is in mid-work,
// and what it holds (a snapshot) costs more the longer it waits.
type slots struct {
	mu      sync.Mutex
	free    int
	first   []*slotWait
	second  []*slotWait
	limit   int // waiters
	timeout time.Duration
	name    string
	waits   uint64
}

type slotWait struct {
	c    chan struct{}
	gone bool
}

// acquire takes a slot and tells how long it waited. holding says that the caller has a connection already.
func (s *slots) acquire(ctx context.Context, class Class, holding bool) (time.Duration, error) {
	s.mu.Lock()
	if s.free > 0 && (holding || len(s.first) == 0) {
		s.free--
		s.mu.Unlock()
		return 0, nil
	}
	if !holding && len(s.first)+len(s.second) >= s.limit {
		depth := len(s.first) + len(s.second)
		s.mu.Unlock()
		return 0, &OverloadError{Lane: s.name, Class: class, Reason: "queue full", Depth: depth, RetryAfter: 10 * time.Millisecond}
	}
	w := &slotWait{c: make(chan struct{}, 1)}
	if holding {
		s.first = append(s.first, w)
	} else {
		s.second = append(s.second, w)
	}
	s.waits++
	s.mu.Unlock()
	began := time.Now()
	err := s.wait(ctx, class, w, began)
	return time.Since(began), err
}

func (s *slots) wait(ctx context.Context, class Class, w *slotWait, began time.Time) error {
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case <-w.c:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.c:
		return nil // it came just now
	default:
	}
	w.gone = true
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return &OverloadError{Lane: s.name, Class: class, Reason: "queue timeout", Depth: len(s.first) + len(s.second),
		Waited: time.Since(began), RetryAfter: s.timeout / 4}
}

// release gives a slot back, to the next in line where there is one.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range []*[]*slotWait{&s.first, &s.second} {
		for len(*line) > 0 {
			w := (*line)[0]
			(*line)[0] = nil
			*line = (*line)[1:]
			if !w.gone {
				w.c <- struct{}{}
				return
			}
		}
	}
	s.free++
}

func (s *slots) waiting() (n int, waits uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.first) + len(s.second), s.waits
}
