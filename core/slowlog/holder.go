package slowlog

import (
	"context"
	"sync"
	"time"
)

// holderFrom is the shortest hold that is remembered: shorter ones make nobody slow.
const holderFrom = time.Millisecond

// holderNews is how long it may take until a holder is told of. Who waited for it is often committed with it, and tells first.
const holderNews = 50 * time.Millisecond

// holders are who held the writer lately.
type holders struct {
	news chan struct{} // one more; of length 1
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
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// await is during, with some time for a holder that is not told of yet.
func (h *holders) await(ctx context.Context, from, to time.Time) string {
	timer := time.NewTimer(holderNews)
	defer timer.Stop()
	for {
		if name := h.during(from, to); name != "" {
			return name
		}
		select {
		case <-h.news:
		case <-timer.C:
			return ""
		case <-ctx.Done():
			return ""
		}
	}
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
