package retry

import (
	"math/rand/v2"
	"time"
)

// Backoff is the delay before a further run: full jitter, which is uniform between nothing and a ceiling that doubles. Programs that
// collided once do not collide again in step. Safe for concurrent use if Draw is.
type Backoff struct {
	Base time.Duration             // ceiling of the first delay
	Cap  time.Duration             // ceiling of all later ones
	Draw func(ceiling int64) int64 // uniform in [0, ceiling); nil: the runtime's source
}

// DefaultBackoff goes from 1 ms to 64 ms.
func DefaultBackoff() Backoff { return Backoff{Base: time.Millisecond, Cap: 64 * time.Millisecond} }

// Ceiling is the upper bound of the delay ahead of further run number n, counted from 0.
func (b Backoff) Ceiling(n int) time.Duration {
	c := b.Base
	for range n {
		if c >= b.Cap/2+b.Cap%2 {
			return b.Cap
		}
		c *= 2
	}
	return min(c, b.Cap)
}

// Delay draws the delay ahead of further run number n, counted from 0. It is 0 for a Backoff without a Base.
func (b Backoff) Delay(n int) time.Duration {
	c := b.Ceiling(n)
	if c <= 0 {
		return 0
	}
	draw := b.Draw
	if draw == nil {
		draw = rand.Int64N
	}
	return time.Duration(draw(int64(c)))
}
