package desk

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tidegate/engine"
)

// How long a call is begun again that was provably not applied, and how long a pause gets.
const (
	patience     = 5 * time.Minute
	longestPause = time.Second
)

// patiently makes a call until it is done, fails for good, or patience ends. What is turned away waits for as long as the engine says, or
// twice as long each time where it does not, a second at most, with jitter, so that those who were turned away together do not come back together.
func patiently(ctx context.Context, call func() error) error {
	began := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, longestPause) {
		err := call()
		if err == nil || ctx.Err() != nil || !engine.Retryable(err) && !errors.Is(err, engine.ErrLeaseExpired) {
			return err
		}
		wait := min(max(pause, advised(err)), longestPause)
		wait = wait/2 + rand.N(wait)
		if time.Since(began)+wait > patience {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// advised is the wait that the engine asks for; 0 where it asks for none.
func advised(err error) time.Duration {
	var load *engine.OverloadError
	var open *engine.BreakerError
	switch {
	case errors.As(err, &load):
		return load.RetryAfter
	case errors.As(err, &open):
		return open.RetryAfter
	}
	return 0
}
