package plugins

import (
	"sync"
	"sync/atomic"
	"time"
)

// breaker counts the faults of a version. Calls only load one flag while all is well.
type breaker struct {
	tripped atomic.Bool
	mu      sync.Mutex
	faults  []time.Time // the last BreakerFaults
	last    string
}

// open reports whether the version is in quarantine, and its last fault.
func (b *breaker) open() (last string, open bool) {
	if !b.tripped.Load() {
		return "", false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last, true
}

// fault counts one; true where it is the one that trips the breaker.
func (b *breaker) fault(now time.Time, what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = what
	if b.faults = append(b.faults, now); len(b.faults) > BreakerFaults {
		b.faults = b.faults[1:]
	}
	if len(b.faults) < BreakerFaults || now.Sub(b.faults[0]) > BreakerWindow {
		return false
	}
	return !b.tripped.Swap(true)
}

// lift closes the breaker; false where it was closed.
func (b *breaker) lift() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.tripped.Swap(false) {
		return false
	}
	b.faults, b.last = nil, ""
	return true
}

// record is how many faults there were within the window, and the last one.
func (b *breaker) record(now time.Time) (int, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, at := range b.faults {
		if now.Sub(at) <= BreakerWindow {
			n++
		}
	}
	return n, b.last
}
