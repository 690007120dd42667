package overload

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A call that fails while the capacity is sought, and never after that, is told like one of the overload: the capacity that it was measured
// with would be too low, and easy to keep.
func TestLaneTellsOfEveryPhase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var under, calls atomic.Int64
		call := func(context.Context) error {
			calls.Add(1)
			many := under.Add(1) > 1
			time.Sleep(time.Millisecond)
			if under.Add(-1); many && calls.Load() < 600 { // as many as the two closed loops make, and fewer
				return broken
			}
			return nil
		}
		c := Config{Times: 2, Callers: 4, Duration: time.Second, Settle: time.Second, Progress: func(string) {}}
		var l Lane
		if err := c.lane(t.Context(), "lane", &l, call); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(l.first, broken) || l.Errors == 0 {
			t.Errorf("the first failure is %v, %d errors", l.first, l.Errors)
		}
	})
}
