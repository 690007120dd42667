package trace

import (
	"iter"
	"slices"
	"sync"
	"time"
)

// Bounds of what is kept of the ring.
const (
	// MaxCaptures is how many captures are kept at once.
	MaxCaptures = 8
	// ByHand is the name of the capture that [Flight.Freeze] makes.
	ByHand = "by-hand"
)

// Capture is what the ring held at some moment.
type Capture struct {
	// Name tells captures apart; At is when it was made, Reason why: the name of an alert, or what a person wrote.
	Name, Reason string
	At           time.Time

	f        *Flight
	records  []record
	released bool // nobody wants it any more: it goes when there is need for room; guarded by captures.mu
}

// captures are those that are kept, oldest first. The zero value is empty.
type captures struct {
	mu   sync.Mutex
	kept []*Capture
}

// room makes room for one more, and reports whether there is some. It is called with mu held.
func (c *captures) room(name string) bool {
	if slices.ContainsFunc(c.kept, func(k *Capture) bool { return k.Name == name }) {
		return false
	}
	if len(c.kept) < MaxCaptures {
		return true
	}
	i := slices.IndexFunc(c.kept, func(k *Capture) bool { return k.released })
	if i < 0 {
		return false
	}
	c.kept = slices.Delete(c.kept, i, i+1)
	return true
}

// Keep keeps a copy of the newest records of the ring under a name, for a later look: what led to an incident would else be gone in seconds. most
// bounds how many; 0 is all of them. Recording goes on. It reports false where there is one of that name, or where [MaxCaptures] are kept that
// somebody still wants: those that came first stay, since the later ones of an incident are seldom the better ones. Of those that were
// released the oldest makes room.
func (f *Flight) Keep(name, reason string, most int) bool {
	if f == nil {
		return false
	}
	c := &f.captures
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.room(name) {
		return false
	}
	k := &Capture{Name: name, Reason: reason, At: time.Now(), f: f}
	for r := range f.newest(0, most) {
		k.records = append(k.records, *r)
	}
	k.records = slices.Clone(k.records) // it may stay for days: without the room to grow
	c.kept = append(c.kept, k)
	return true
}

// Release says that nobody wants a capture any more. It stays until there is need for its room.
func (f *Flight) Release(name string) {
	if f == nil {
		return
	}
	f.captures.mu.Lock()
	defer f.captures.mu.Unlock()
	for _, k := range f.captures.kept {
		k.released = k.released || k.Name == name
	}
}

// Captures lists what is kept, oldest first.
func (f *Flight) Captures() []*Capture {
	if f == nil {
		return nil
	}
	f.captures.mu.Lock()
	defer f.captures.mu.Unlock()
	return slices.Clone(f.captures.kept)
}

// Captured is the capture of a name; nil where there is none.
func (f *Flight) Captured(name string) *Capture {
	for _, k := range f.Captures() {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// Drop lets go of the capture of a name, and reports whether there was one.
func (f *Flight) Drop(name string) bool {
	if f == nil {
		return false
	}
	c := &f.captures
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.kept)
	c.kept = slices.DeleteFunc(c.kept, func(k *Capture) bool { return k.Name == name })
	return len(c.kept) < before
}

// Freeze is Keep of the whole ring under the name [ByHand].
func (f *Flight) Freeze(reason string) bool { return f.Keep(ByHand, reason, 0) }

// Frozen returns the capture that was made by hand, else the oldest one; nil where there is none.
func (f *Flight) Frozen() *Capture {
	all := f.Captures()
	for _, k := range all {
		if k.Name == ByHand {
			return k
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// Thaw lets go of all captures, and reports whether there was one.
func (f *Flight) Thaw() bool {
	if f == nil {
		return false
	}
	f.captures.mu.Lock()
	defer f.captures.mu.Unlock()
	had := len(f.captures.kept) > 0
	f.captures.kept = nil
	return had
}

// Len is how many operations were captured.
func (c *Capture) Len() int { return len(c.records) }

// Operations yields what was captured, oldest first.
func (c *Capture) Operations() iter.Seq[Operation] {
	return func(yield func(Operation) bool) {
		for i := range c.records {
			if !yield(c.f.operation(&c.records[i])) {
				return
			}
		}
	}
}

// Since yields the operations that ended after the one with that serial, oldest first, at most so many of the newest. It takes what a copy of each
// costs, and holds nobody up.
func (f *Flight) Since(serial uint64, most int) iter.Seq[Operation] {
	return func(yield func(Operation) bool) {
		if f == nil {
			return
		}
		for r := range f.newest(serial, most) {
			if !yield(f.operation(r)) {
				return
			}
		}
	}
}

// newest yields copies of the records behind a serial, oldest first; most bounds how many, 0 is all. The copy is good until the next one.
func (f *Flight) newest(serial uint64, most int) iter.Seq[*record] {
	return func(yield func(*record) bool) {
		last := f.ring.next.Load()
		held := min(last, f.ring.size)
		if most > 0 {
			held = min(held, uint64(most))
		}
		var r record
		for n := max(last-held, serial) + 1; n <= last; n++ {
			if f.ring.at(n).copyTo(n, &r) && !yield(&r) {
				return
			}
		}
	}
}
