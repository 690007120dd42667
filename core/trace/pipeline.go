package trace

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// gather is how long records are left to come together before they are looked at: one wake-up serves them all.
const gather = 10 * time.Millisecond

// batchSize is how many records are exported at once.
const batchSize = 512

// pipeline takes records out of the ring and has them exported. Two goroutines do that: one must go on looking while the other waits for a
// collector that does not answer, or the ring would go round unseen and nobody could say what was lost.
type pipeline struct {
	f      *Flight
	bell   chan struct{} // capacity 1: there is something to look at
	hurry  chan struct{} // capacity 1: do not wait for more
	work   chan struct{} // capacity 1: there is something to export
	stop   chan struct{}
	asleep atomic.Bool
	urged  atomic.Bool   // somebody has hurried the collector since its latest look
	seen   atomic.Uint64 // the newest serial when everything was last looked at
	begun  atomic.Uint64 // looks that have begun
	whole  atomic.Uint64 // the latest of them that left nothing behind
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once

	state waiting
}

// waiting is what was taken out of the ring and is not exported yet.
type waiting struct {
	mu      sync.Mutex
	backlog backlog
	out     int           // with the exporter
	closed  bool          // what comes now is dropped
	changed chan struct{} // closed at the next change
}

func newPipeline(f *Flight) *pipeline {
	p := &pipeline{f: f, bell: make(chan struct{}, 1), hurry: make(chan struct{}, 1), work: make(chan struct{}, 1), stop: make(chan struct{})}
	p.state.changed = make(chan struct{})
	p.state.backlog.tally = &f.tally
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Add(2)
	go p.collect()
	go p.export()
	return p
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ring wakes the collector, where it sleeps, and hurries it where the ring is half way round.
func (p *pipeline) ring(serial uint64) {
	if p.asleep.Load() && p.asleep.CompareAndSwap(true, false) {
		poke(p.bell)
	}
	if serial-p.seen.Load() >= p.f.ring.size/2 && !p.urged.Load() && p.urged.CompareAndSwap(false, true) {
		poke(p.hurry)
	}
}

// collect looks at what the ring has got.
func (p *pipeline) collect() {
	defer p.wg.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p.asleep.Store(true) // first, so that what comes during the look rings
		if !p.look() {
			select {
			case <-p.bell:
			case <-p.hurry:
				continue
			case <-p.stop:
				p.asleep.Store(false)
				p.look()
				return
			}
		}
		p.asleep.Store(false)
		timer.Reset(gather)
		select {
		case <-timer.C:
		case <-p.hurry:
		case <-p.stop:
		}
	}
}

// look takes what is wanted out of the ring, the oldest first. It reports whether there is something that it has to come back for.
//
// It goes by the marks of the ring and touches no other record: those that nobody wants lie in the cache of whoever wrote them, and to look at each
// cost as much as to write it.
func (p *pipeline) look() (unfinished bool) {
	r := p.f.ring
	p.urged.Store(false)
	turn := p.begun.Add(1) // what has ended by now is marked
	newest := r.next.Load()
	start := r.index(p.seen.Load() + 1 + r.size - r.size/4) // what was still being written at the look before comes first
	words := uint64(len(r.wanted))
	var rec record
	for k := range words + 1 { // the first word twice: what comes before start is the last
		mask := ^uint64(0) << (start % 64)
		switch k {
		case 0:
		case words:
			mask = ^mask
		default:
			mask = ^uint64(0)
		}
		w := (start/64 + k) % words
		marked := r.wanted[w].Load() & mask
		if marked == 0 {
			continue
		}
		r.wanted[w].And(^marked)
		for ; marked != 0; marked &= marked - 1 {
			i := w*64 + uint64(bits.TrailingZeros64(marked))
			switch r.take(i, newest, &rec) {
			case taken:
				p.push(&rec)
			case inUse:
				r.mark(i)
				unfinished = true
			case tooNew:
				r.mark(i)
			}
		}
	}
	if !unfinished {
		p.seen.Store(newest)
		p.whole.Store(turn)
	}
	p.tell()
	return unfinished
}

// grip is how taking a record ended.
type grip uint8

const (
	taken  grip = iota
	gone        // it was overwritten, which has been counted
	inUse       // somebody else uses the place now
	tooNew      // it came after the look began: records are handed on in their order
)

// take copies the record of a place that is wanted, and removes its wish.
func (r *ring) take(i, newest uint64, to *record) grip {
	p := r.place(i)
	if !p.taken.CompareAndSwap(0, 1) {
		return inUse
	}
	defer p.done()
	switch {
	case p.wish == wishNone:
		return gone
	case p.serial > newest:
		return tooNew
	}
	p.read(to)
	p.wish = wishNone
	return taken
}

func (p *pipeline) push(rec *record) {
	w := &p.state
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		p.f.tally.closed.Add(1)
		return
	}
	w.backlog.push(rec)
}

// tell wakes the exporter and whoever waits for a change.
func (p *pipeline) tell() {
	w := &p.state
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	if w.backlog.len() > 0 {
		poke(p.work)
	}
}

// export hands batches to the sink or the provider.
func (p *pipeline) export() {
	defer p.wg.Done()
	promoter := newPromoter(p.f)
	batch := make([]record, 0, batchSize)
	for {
		batch = p.batch(batch[:0])
		if len(batch) == 0 {
			select {
			case <-p.work:
				continue
			case <-p.ctx.Done():
				return
			}
		}
		promoter.export(p.ctx, batch)
		clear(batch)
		w := &p.state
		w.mu.Lock()
		w.out = 0
		w.mu.Unlock()
		p.tell()
	}
}

// batch takes the next records to export.
func (p *pipeline) batch(into []record) []record {
	w := &p.state
	w.mu.Lock()
	defer w.mu.Unlock()
	into = w.backlog.take(into)
	w.out = len(into)
	return into
}

// flush waits until what was recorded by now is exported or dropped.
func (p *pipeline) flush(ctx context.Context) error {
	until := p.begun.Load() + 1 // a look that is under way may have passed what it is about
	for {
		w := &p.state
		w.mu.Lock()
		changed := w.changed
		done := w.closed || p.whole.Load() >= until && w.backlog.len() == 0 && w.out == 0
		w.mu.Unlock()
		if done {
			return nil
		}
		if p.whole.Load() < until {
			poke(p.hurry)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close exports what is left until ctx ends.
func (p *pipeline) close(ctx context.Context) (err error) {
	p.once.Do(func() {
		p.f.over.Store(true)
		err = p.flush(ctx)
		close(p.stop)
		p.cancel()
		w := &p.state
		w.mu.Lock()
		w.closed = true
		left := w.backlog.len()
		w.backlog = backlog{tally: &p.f.tally}
		w.mu.Unlock()
		p.f.tally.closed.Add(uint64(left))
		p.tell()
		if err == nil {
			p.wg.Wait() // with an error the exporter is still inside foreign code, which nobody can end
		}
	})
	return err
}
