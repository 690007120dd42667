package slowlog

import (
	"sync"
	"time"
)

// holderFrom is the shortest hold that is remembered: shorter ones make nobody slow.
const holderFrom = time.Millisecond

// holders are who held the writer lately. The zero value is ready.
type holders struct {
	mu   sync.Mutex
	ring [128]hold
	next int
}

type hold struct {
	name     string
	from, to time.Time
}

func (h *holders) add(name string, from, to time.Time) {
	if to.Sub(from) < holderFrom {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring[h.next%len(h.ring)] = hold{name, from, to}
	h.next++
}

// during is who held the writer for the longest part of that time; "" where nobody is known.
func (h *holders) during(from, to time.Time) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	name, longest := "", time.Duration(0)
	for i := range h.ring {
		r := &h.ring[i]
		begin, end := r.from, r.to
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		if d := end.Sub(begin); d > longest {
			name, longest = r.name, d
		}
	}
	return name
}
