package trace

import (
	"runtime"
	"sync"
	"sync/atomic"

	oteltrace "go.opentelemetry.io/otel/trace"
)

// ring keeps the last records. Nobody waits for anybody: whoever finds a place taken, by a reader that copies it or by a writer that was
// overtaken by a whole round, takes the next one.
type ring struct {
	size   uint64
	mask   uint64 // size-1 where that is a mask: a division takes longer than all the rest of at
	chunks []atomic.Pointer[chunk]
	next   atomic.Uint64   // serial of the newest record, from 1
	passed atomic.Uint64   // serials that no record has
	wanted []atomic.Uint64 // a bit for each place: its record is to become a span
	lost   atomic.Uint64   // records that were overwritten before their span was made
	texts  atomic.Int64    // bytes of long texts that records hold
	grow   sync.Mutex
}

// chunkSize is how many places are made at once: a database that is opened for a moment does not pay for 64k.
const chunkSize = 1024

// chunk is a run of places. What the garbage collector follows is apart from what it need not look at.
type chunk struct {
	cells   *[chunkSize]cell
	queries [chunkSize]*Query
	sides   atomic.Pointer[[chunkSize]side] // nil until a record of the chunk has one
}

// cell is one place, without what the garbage collector follows.
type cell struct {
	entry
	taken atomic.Uint32
}

// place is a cell in its chunk. Who has taken it may use all of it until done.
type place struct {
	*cell
	c *chunk
	i uint64
}

func newRing(records int) *ring {
	chunks := (records + chunkSize - 1) / chunkSize
	r := &ring{size: uint64(chunks) * chunkSize, chunks: make([]atomic.Pointer[chunk], chunks),
		wanted: make([]atomic.Uint64, chunks*chunkSize/64)}
	if r.size&(r.size-1) == 0 {
		r.mask = r.size - 1
	}
	return r
}

// index is the number of the place of a serial.
func (r *ring) index(serial uint64) uint64 {
	if r.mask == 0 {
		return serial % r.size
	}
	return serial & r.mask
}

// at is the place of a serial.
func (r *ring) at(serial uint64) place { return r.place(r.index(serial)) }

// mark says that the record of a place is wanted.
func (r *ring) mark(i uint64) { r.wanted[i/64].Or(1 << (i % 64)) }

func (r *ring) place(i uint64) place {
	c := r.chunks[i/chunkSize].Load()
	if c == nil {
		c = r.extend(i / chunkSize)
	}
	i %= chunkSize
	return place{&c.cells[i], c, i}
}

// extend makes a chunk in the first round.
func (r *ring) extend(i uint64) *chunk {
	r.grow.Lock()
	defer r.grow.Unlock()
	c := r.chunks[i].Load()
	if c == nil {
		c = &chunk{cells: new([chunkSize]cell)}
		r.chunks[i].Store(c)
	}
	return c
}

// claim takes a place for a record about q and empties it. The caller fills it and calls done.
func (r *ring) claim(q *Query) place {
	for {
		n := r.next.Add(1)
		p := r.at(n)
		if !p.taken.CompareAndSwap(0, 1) {
			r.passed.Add(1)
			continue
		}
		if p.wish != wishNone {
			r.lost.Add(1)
		}
		if p.flags&flagSide != 0 {
			p.c.sides.Load()[p.i] = side{}
		}
		p.describes(r, q)
		p.entry = entry{serial: n}
		return p
	}
}

// describes notes what the record of a place is about.
func (p place) describes(r *ring, q *Query) {
	at := &p.c.queries[p.i]
	old := *at
	if old == q && !q.long() {
		return // most programs run few statements, and a pointer is not written for nothing
	}
	if old != nil && old.long() {
		r.letGo(old)
	}
	if q.long() {
		q = r.hold(q)
	}
	*at = q
}

func (p place) done() { p.taken.Store(0) }

// aside is where the rest of the record is.
func (p place) aside() *side {
	p.flags |= flagSide
	all := p.c.sides.Load()
	if all == nil {
		p.c.sides.CompareAndSwap(nil, new([chunkSize]side))
		all = p.c.sides.Load()
	}
	return &all[p.i]
}

// keepState notes the state of the trace, where it has one.
func (p place) keepState(s oteltrace.TraceState) {
	if s.Len() > 0 || p.flags&flagSide != 0 {
		p.aside().state = s
	}
}

// read copies the record of a place that is taken.
func (p place) read(to *record) {
	to.entry, to.query, to.side = p.entry, p.c.queries[p.i], side{}
	if p.flags&flagSide != 0 {
		to.side = p.c.sides.Load()[p.i]
	}
}

// copyTo copies the record of a place, as long as it is that of the serial.
func (p place) copyTo(serial uint64, to *record) bool {
	for range 100 {
		if p.taken.CompareAndSwap(0, 1) {
			same := p.serial == serial
			if same {
				p.read(to)
			}
			p.done()
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
