package clock_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/internal/clock"
)

func TestAdjusted(t *testing.T) {
	t.Parallel()
	var c clock.Adjusted
	for _, d := range []time.Duration{0, 24 * time.Hour, -24 * time.Hour} {
		c.Set(d)
		before, set, after := time.Now(), c.Now(), time.Now()
		if since := set.Sub(before); since < 0 || since > after.Sub(before) {
			t.Errorf("set by %v: the monotonic reading moved by %v", d, since)
		}
		if off := set.Round(0).Sub(before.Round(0)) - d; off < -time.Second || off > time.Minute {
			t.Errorf("set by %v: the date is %v off", d, off)
		}
	}
}
