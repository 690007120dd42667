package trace

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// gather is how long records are left to come together before they are looked at: one wake-up serves them all.
const gather = 10 * time.Millisecond

// batchSize is how many records are exported at once.
const batchSize = 512

// patience is how often a record that is still being written is looked at again before it is given up.
const patience = 20

// pipeline takes records out of the ring and has them exported. Two goroutines do that: one must go on looking while the other waits for a
// collector that does not answer, or the ring would go round unseen and nobody could say what was lost.
type pipeline struct {
	f      *Flight
	bell   chan struct{} // capacity 1: there is something to look at
	hurry  chan struct{} // capacity 1: do not wait for more
	work   chan struct{} // capacity 1: there is something to export
	stop   chan struct{}
	asleep atomic.Bool
	seen   atomic.Uint64 // the last serial that was looked at
	looks  int           // at the record after it, while that is being written
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
	if serial-p.seen.Load() == p.f.ring.size/2 {
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

// look takes what is wanted out of the ring. It reports whether there is a record that is still being written.
func (p *pipeline) look() (unfinished bool) {
	r := p.f.ring
	newest := r.next.Load()
	at := p.seen.Load()
	if newest > r.size && at < newest-r.size {
		at = newest - r.size // overwritten: whoever did it has counted what was wanted
	}
	var rec record
	for at < newest {
		found, done := r.take(at+1, &rec)
		if !done && r.lastBy.Load() != at+1 {
			if p.looks++; p.looks <= patience {
				unfinished = true
				break
			}
		}
		p.looks = 0
		at++
		if found {
			p.push(&rec)
		}
	}
	p.seen.Store(at)
	p.tell()
	return unfinished
}

// take removes the wish of a record and copies it. done is false while the record of that serial is still to be written.
func (r *ring) take(serial uint64, to *record) (found, done bool) {
	p := r.at(serial)
	if !p.taken.CompareAndSwap(0, 1) {
		return false, false
	}
	defer p.done()
	switch {
	case p.serial < serial:
		return false, false
	case p.serial > serial || p.wish == wishNone:
		return false, true
	}
	p.read(to)
	p.wish = wishNone
	return true, true
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
	until := p.f.ring.next.Load()
	for {
		w := &p.state
		w.mu.Lock()
		changed := w.changed
		done := w.closed || p.seen.Load() >= until && w.backlog.len() == 0 && w.out == 0
		w.mu.Unlock()
		if done {
			return nil
		}
		poke(p.hurry)
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
