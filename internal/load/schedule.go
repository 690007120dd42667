package load

import (
	"math/rand/v2"
	"sync"
	"time"
)

// schedule says when operations fall due. It makes them up as they are taken: its memory does not grow with the load.
type schedule struct {
	mu   sync.Mutex
	next []arrivals
	end  time.Duration
}

// arrivals are those of one stream.
type arrivals struct {
	rng  *rand.Rand // nil: evenly spaced
	gap  float64    // mean, ns
	due  float64    // of the next, ns since the start
	none bool       // nothing is offered
}

func newSchedule(p Plan) *schedule {
	s := &schedule{next: make([]arrivals, len(p.Streams)), end: p.Duration}
	for i, stream := range p.Streams {
		a := &s.next[i]
		if a.none = stream.PerSecond <= 0; a.none {
			continue
		}
		a.gap = float64(time.Second) / stream.PerSecond
		if !p.Even {
			a.rng = rand.New(rand.NewPCG(p.Seed, uint64(i)))
		}
		a.advance()
	}
	return s
}

func (a *arrivals) advance() {
	if a.rng == nil {
		a.due += a.gap
		return
	}
	a.due += a.gap * a.rng.ExpFloat64()
}

// take returns the next operation to fall due, and false where there is none left.
func (s *schedule) take() (stream int, due time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := -1
	for i := range s.next {
		if !s.next[i].none && (first < 0 || s.next[i].due < s.next[first].due) {
			first = i
		}
	}
	if first < 0 {
		return 0, 0, false
	}
	due = time.Duration(s.next[first].due)
	if due >= s.end {
		return 0, 0, false
	}
	s.next[first].advance()
	return first, due, true
}
