package retry

import (
	"context"
	"time"

	"github.com/tidegate/engine/internal/clock"
)

// Patience is how long the further runs of a call may take together when its context has no deadline.
const Patience = 2 * time.Second

// Pacer grants and delays the further runs of all calls of one database. Make one with NewPacer. Safe for concurrent use.
type Pacer struct {
	Budget
	backoff Backoff
	clock   clock.Clock
}

// NewPacer returns a Pacer with a full budget. A nil clock is the system's.
func NewPacer(b Backoff, c clock.Clock) *Pacer {
	if c == nil {
		c = clock.System()
	}
	return &Pacer{backoff: b, clock: c}
}

// Runs is what a Pacer remembers of one call. The zero value is a call that has run once. Used by one goroutine.
type Runs struct {
	Again int // further runs so far
	until time.Time
}

// Again reports whether the call may run once more after a failure that d was looked up for, having waited as long as that takes. It
// never waits past half of the time that was left to ctx when the call failed first, so that the last run has as much again to succeed in.
func (p *Pacer) Again(ctx context.Context, r *Runs, d Decision) bool {
	if most := d.Again.Most(); most >= 0 && r.Again >= most {
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	now := p.clock.Now()
	if r.until.IsZero() {
		r.until = now.Add(Patience)
		if deadline, ok := ctx.Deadline(); ok {
			r.until = now.Add(deadline.Sub(now) / 2)
		}
	}
	delay := time.Duration(0)
	if d.Again != Once {
		delay = p.backoff.Delay(r.Again)
	}
	if now.Add(delay).After(r.until) || !p.Take() {
		return false
	}
	r.Again++
	return p.wait(ctx, delay)
}

func (p *Pacer) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	tick := p.clock.Tick(d)
	defer tick.Stop()
	select {
	case <-tick.C:
		return true
	case <-ctx.Done():
		return false
	}
}
