package breaker

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Keyed holds a breaker for each of the few keys that have failed: a statement's fingerprint, a plug-in, a sink. A key that never failed
// costs nothing but one atomic load and, while others have failed, a look into a small map. Safe for concurrent use.
type Keyed struct {
	cfg Config
	max int

	mu sync.Mutex // guards replacing the map
	m  atomic.Pointer[map[uint64]*Breaker]
}

// NewKeyed returns a Keyed whose breakers follow cfg and that remembers at most so many keys.
func NewKeyed(cfg Config, most int) *Keyed { return &Keyed{cfg: cfg, max: max(1, most)} }

// Of returns the breaker of a key that has failed lately, or nil.
func (k *Keyed) Of(key uint64) *Breaker {
	m := k.m.Load()
	if m == nil {
		return nil
	}
	return (*m)[key]
}

// Any reports whether any key has failed lately.
func (k *Keyed) Any() bool { return k.m.Load() != nil }

// Allow is Breaker.Allow for the key. The Breaker is nil for a key that needs no Settle.
func (k *Keyed) Allow(key uint64) (*Breaker, error) {
	b := k.Of(key)
	if b == nil {
		return nil, nil
	}
	probe, err := b.Allow()
	if !probe {
		return nil, err
	}
	return b, nil
}

// Failure counts a failure of the key. name is what the breaker is called from then on, in errors and statistics.
func (k *Keyed) Failure(key uint64, name string, cause error) {
	b := k.Of(key)
	if b == nil {
		b = k.add(key, name)
	}
	b.Failure(cause)
}

// Settle ends a probe of the key, as Breaker.Settle does; a key that is well again is forgotten.
func (k *Keyed) Settle(key uint64, err error) {
	b := k.Of(key)
	if b == nil || b.State() != HalfOpen {
		return
	}
	b.Settle(err)
	if b.State() == Closed {
		k.forget(key)
	}
}

func (k *Keyed) add(key uint64, name string) *Breaker {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b := k.Of(key); b != nil {
		return b
	}
	next := map[uint64]*Breaker{}
	if m := k.m.Load(); m != nil {
		next = maps.Clone(*m)
	}
	k.makeRoom(next)
	cfg := k.cfg
	cfg.Name = name
	b := New(cfg)
	next[key] = b
	k.m.Store(&next)
	return b
}

// makeRoom drops the keys whose failures are too long ago to count and, when that is not enough, the one that has been as it is longest,
// closed ones first.
func (k *Keyed) makeRoom(m map[uint64]*Breaker) {
	for key, b := range m {
		if b.stale() {
			delete(m, key)
		}
	}
	if len(m) < k.max {
		return
	}
	var victim uint64
	var worst *Status
	for key, b := range m {
		s := b.Status()
		if worst == nil || s.State < worst.State || s.State == worst.State && s.Since.Before(worst.Since) {
			victim, worst = key, &s
		}
	}
	delete(m, victim)
}

func (k *Keyed) forget(key uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.m.Load()
	if m == nil || (*m)[key] == nil || (*m)[key].State() != Closed {
		return
	}
	if len(*m) == 1 {
		k.m.Store(nil)
		return
	}
	next := maps.Clone(*m)
	delete(next, key)
	k.m.Store(&next)
}

// Status lists the breakers that are not closed.
func (k *Keyed) Status() []Status {
	m := k.m.Load()
	if m == nil {
		return nil
	}
	var out []Status
	for _, b := range *m {
		if s := b.Status(); s.State != Closed {
			out = append(out, s)
		}
	}
	return out
}

// stale reports whether the breaker is closed and none of its failures counts any more.
func (b *Breaker) stale() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.State() != Closed {
		return false
	}
	now := b.cfg.Clock.Now()
	for _, at := range b.recent {
		if !at.IsZero() && passed(at, now) <= b.cfg.Window {
			return false
		}
	}
	return true
}
