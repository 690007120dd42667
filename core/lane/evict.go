package lane

import (
	"errors"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// evictWait bounds how long the lane waits for readers that were told to stop. Inside of SQLite they are told within a thousand steps.
const evictWait = 250 * time.Millisecond

// evict ends every session that reads. The log and its index under their snapshots are not those at the path any more, so whoever writes
// from here on does not see that anybody reads, and overwrites what they are about to read.
func (l *Lanes) evict(which string) {
	var left []snapshot
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		for _, r := range p.holders() {
			serial := r.serial.Load()
			r.expire(serial, evicted(r.title(), which))
			left = append(left, snapshot{reader: r, serial: serial})
		}
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(evictWait); len(left) > 0 && time.Now().Before(until); <-tick.C {
		for len(left) > 0 && !left[0].reader.steps(left[0].serial) {
			left = left[1:]
		}
	}
	for _, s := range left {
		s.reader.cut(s.serial)
	}
}

// evicted is what such a session gets. A query by itself is run again.
func evicted(name, which string) error {
	return &sqlite.Error{Class: sqlite.Moved, Op: "read",
		Msg: which + " was moved, replaced or removed while reader \"" + name + "\" read by it: read again"}
}

// evictedBy is the reason for an interruption where it was that, or nil.
func evictedBy(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Class == sqlite.Interrupt {
		if why, ok := errors.AsType[*sqlite.Error](e.Cause); ok && why.Class == sqlite.Moved {
			return why
		}
	}
	return nil
}

// steps reports whether the session is inside SQLite now.
func (r *Reader) steps(serial uint64) bool {
	r.kick.Lock()
	defer r.kick.Unlock()
	return r.serial.Load() == serial && r.stepping != nil
}

// cut takes the connection from a session that did not stop: in a Go function it may stay for as long as it likes.
func (r *Reader) cut(serial uint64) {
	r.kick.Lock()
	defer r.kick.Unlock()
	if r.serial.Load() == serial && r.stepping != nil {
		_ = r.stepping.Fence() // what still runs meets the fence at its next look at a file
	}
}

// stale reports whether the files under r's connection were found to be elsewhere since it was opened, or are so now: what it then
// finds damaged is not the database.
func (p *pool) stale(r *Reader) bool {
	p.mu.Lock()
	old := r.gen < p.fenced
	p.mu.Unlock()
	if old {
		return true
	}
	moved, _, _ := p.lanes.store.HasMoved()
	return moved
}
