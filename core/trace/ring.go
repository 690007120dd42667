package trace

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// ring keeps the last records. Nobody waits for anybody: whoever finds a place taken, by a reader that copies it or by a writer that was
// overtaken by a whole round, takes the next one.
type ring struct {
	size   uint64
	next   atomic.Uint64 // serial of the newest record, from 1
	passed atomic.Uint64 // serials that no record has
	lastBy atomic.Uint64 // the latest of them
	lost   atomic.Uint64 // records that were overwritten before their span was made
	texts  atomic.Int64  // bytes of long texts that records hold
	grow   sync.Mutex
	chunks []atomic.Pointer[[chunkSize]slot]
}

// chunkSize is how many places are made at once: a database that is opened for a moment does not pay for 64k.
const chunkSize = 1024

// slot is one place.
type slot struct {
	rec   record
	taken atomic.Uint32
}

func newRing(records int) *ring {
	chunks := (records + chunkSize - 1) / chunkSize
	return &ring{size: uint64(chunks) * chunkSize, chunks: make([]atomic.Pointer[[chunkSize]slot], chunks)}
}

// at is the place of a serial.
func (r *ring) at(serial uint64) *slot {
	i := serial % r.size
	c := r.chunks[i/chunkSize].Load()
	if c == nil {
		c = r.extend(i / chunkSize)
	}
	return &c[i%chunkSize]
}

// extend makes a chunk in the first round.
func (r *ring) extend(i uint64) *[chunkSize]slot {
	r.grow.Lock()
	defer r.grow.Unlock()
	c := r.chunks[i].Load()
	if c == nil {
		c = new([chunkSize]slot)
		r.chunks[i].Store(c)
	}
	return c
}

// claim takes a place for a record about q and empties it. The caller fills it and calls done.
func (r *ring) claim(q *Query) *slot {
	for {
		n := r.next.Add(1)
		s := r.at(n)
		if !s.taken.CompareAndSwap(0, 1) {
			r.passed.Add(1)
			r.lastBy.Store(n)
			continue
		}
		old := &s.rec
		if old.wish != wishNone {
			r.lost.Add(1)
		}
		if old.query != nil && old.query.long() {
			r.letGo(old.query)
		}
		if q.long() {
			q = r.hold(q)
		}
		s.rec = record{query: q, serial: n}
		return s
	}
}

func (s *slot) done() { s.taken.Store(0) }

// copyTo copies the record of a place, as long as it is that of the serial.
func (s *slot) copyTo(serial uint64, to *record) bool {
	for range 100 {
		if s.taken.CompareAndSwap(0, 1) {
			same := s.rec.serial == serial
			if same {
				*to = s.rec
			}
			s.done()
			return same
		}
		runtime.Gosched()
	}
	return false
}

// longText is from how many bytes on a text counts. maxTexts is how many bytes of such texts the ring may keep alive: 64k different
// statements of 8 KB each would be half a gigabyte.
const (
	longText = 512
	maxTexts = 16 << 20
)

func (q *Query) long() bool { return len(q.Text) > longText }

// hold counts a record about a long text, or gives a shorter one to hold.
func (r *ring) hold(q *Query) *Query {
	if q.held.Add(1) > 1 {
		return q
	}
	if r.texts.Add(int64(len(q.Text))) <= maxTexts {
		return q
	}
	r.letGo(q)
	return q.brief()
}

func (r *ring) letGo(q *Query) {
	if q.held.Add(-1) == 0 {
		r.texts.Add(-int64(len(q.Text)))
	}
}
