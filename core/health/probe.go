package health

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// mostLooks bounds how many times a probe may be under way at once. One that hangs for good keeps so many goroutines and no more, however
// often somebody asks.
const mostLooks = 4

// Probe is a question whose answer has to be waited for. Make it with NewProbe. Safe for concurrent use.
type Probe struct {
	name, late string
	limit      time.Duration
	ask        func(ctx context.Context) Check
	under      atomic.Int64
}

// NewProbe returns the probe of that name. An answer that takes longer than limit is a failure, for which late is the remedy. ask ought to
// end with its context; where it does not, nobody waits for it.
func NewProbe(name string, limit time.Duration, late string, ask func(ctx context.Context) Check) *Probe {
	return &Probe{name: name, limit: limit, late: late, ask: ask}
}

// Ask puts the questions at once, and returns the answers in the order of the probes when all have come, or ctx has ended.
func Ask(ctx context.Context, probes ...*Probe) []Check {
	answers := make([]chan Check, len(probes))
	out := make([]Check, len(probes))
	for i, p := range probes {
		answers[i] = p.begin(ctx)
	}
	for i, p := range probes {
		out[i] = p.await(ctx, answers[i])
	}
	return out
}

// begin asks on a goroutine of its own. The channel is nil where too many look already.
func (p *Probe) begin(ctx context.Context) chan Check {
	if p.under.Add(1) > mostLooks {
		p.under.Add(-1)
		return nil
	}
	answer := make(chan Check, 1)
	go func() {
		defer p.under.Add(-1)
		bounded, cancel := context.WithTimeout(ctx, p.limit)
		defer cancel()
		answer <- p.ask(bounded)
	}()
	return answer
}

func (p *Probe) await(ctx context.Context, answer chan Check) Check {
	if answer == nil {
		return Failure(p.name, fmt.Sprintf("no answer: %d earlier looks have had none yet", mostLooks), p.late)
	}
	began := time.Now()
	// A little longer than the question itself may take: what it says of its own end says more than that there was none.
	timer := time.NewTimer(p.limit + graceTime)
	defer timer.Stop()
	select {
	case c := <-answer:
		return c
	case <-timer.C:
	case <-ctx.Done():
		grace := time.NewTimer(graceTime)
		defer grace.Stop()
		select {
		case c := <-answer:
			return c
		case <-grace.C:
		}
	}
	return Failure(p.name, fmt.Sprintf("no answer in %v", time.Since(began).Round(time.Millisecond)), p.late)
}

// graceTime is how long a question may take to say that its time is over.
const graceTime = 100 * time.Millisecond
