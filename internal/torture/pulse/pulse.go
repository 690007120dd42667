// Package pulse tells how long the machine itself ran nobody, so that a measurement can take it out.
package pulse

import (
	"sync"
	"time"
)

// Pulse measures how late the machine itself is. Its goroutine asks to be woken every millisecond; what it is woken later than that, anybody
// else would have waited too. Make it with New. Safe for concurrent use.
type Pulse struct {
	mu    sync.Mutex
	gaps  []gap
	last  time.Time // that it was woken
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

// New begins to measure. Close ends it.
func New() *Pulse {
	p := &Pulse{last: time.Now(), stop: make(chan struct{})}
	p.ended.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				p.woken(time.Now())
			}
		}
	})
	return p
}

func (p *Pulse) woken(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, late := p.last, now.Sub(p.last)-beat
	p.last = now
	if late < beat {
		return
	}
	p.worst = max(p.worst, late)
	p.gaps = append(p.gaps, gap{from, late})
	if len(p.gaps) > 4096 {
		p.gaps = append(p.gaps[:0], p.gaps[2048:]...)
	}
}

// Noise is for how long, between two times, the machine ran nobody of us. Where it runs us again only now the pulse may not have been woken yet: that
// counts as well.
func (p *Pulse) Noise(from, to time.Time) (sum time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gaps {
		if g.from.Add(g.late).After(from) && g.from.Before(to) {
			sum += g.late
		}
	}
	if late := to.Sub(p.last) - beat; late >= beat {
		sum += late
	}
	return sum
}

// Worst is the longest time so far in which the machine ran nobody of us.
func (p *Pulse) Worst() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.worst
}

// Close ends the measurement. What was measured can still be asked for.
func (p *Pulse) Close() {
	close(p.stop)
	p.ended.Wait()
}
