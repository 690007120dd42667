package deliver

import "time"

// tolerated is how many failures in a row open the breaker of a sink.
const tolerated = 5

// breaker spares a sink that fails. It belongs to the goroutine of its line.
type breaker struct {
	failures int
	until    time.Time // nothing is tried before
}

// closed reports whether the sink may be tried.
func (b *breaker) closed(now time.Time) bool { return !now.Before(b.until) }

// open reports whether it has failed so often that single attempts only find out whether it is back.
func (b *breaker) open() bool { return b.failures >= tolerated }

// answered notes that somebody is there.
func (b *breaker) answered() { b.failures, b.until = 0, time.Time{} }

// failed notes a failure, and that the sink has asked for a pause; 0 where it has not.
func (b *breaker) failed(now time.Time, pause time.Duration, p *Patience) {
	b.failures++
	if b.failures >= tolerated {
		open := p.Base << min(b.failures, 20)
		if open <= 0 || open > p.Most {
			open = p.Most
		}
		pause = max(pause, open)
	}
	if until := now.Add(pause); pause > 0 && until.After(b.until) {
		b.until = until
	}
}
