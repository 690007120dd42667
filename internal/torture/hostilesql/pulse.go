package hostilesql

import (
	"sync"
	"time"
)

// pulse measures how late the machine itself is. Its goroutine asks to be woken every millisecond; what it is woken later than that, anybody
// else would have waited too.
type pulse struct {
	mu    sync.Mutex
	gaps  []gap
	worst time.Duration
	stop  chan struct{}
	ended sync.WaitGroup
}

// gap is a time in which the machine did not run us though we were due.
type gap struct {
	from time.Time
	late time.Duration
}

const beat = time.Millisecond

func newPulse() *pulse {
	p := &pulse{stop: make(chan struct{})}
	p.ended.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				now := time.Now()
				p.note(last, now.Sub(last)-beat)
				last = now
			}
		}
	})
	return p
}

func (p *pulse) note(from time.Time, late time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if late < beat {
		return
	}
	p.worst = max(p.worst, late)
	p.gaps = append(p.gaps, gap{from, late})
	if len(p.gaps) > 4096 {
		p.gaps = append(p.gaps[:0], p.gaps[2048:]...)
	}
}

// noise is for how long, between two times, the machine ran nobody of us.
func (p *pulse) noise(from, to time.Time) (sum time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gaps {
		if g.from.Add(g.late).After(from) && g.from.Before(to) {
			sum += g.late
		}
	}
	return sum
}

func (p *pulse) close() {
	close(p.stop)
	p.ended.Wait()
}
