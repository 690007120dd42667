package config_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/config"
)

// TestSlowThresholdsFollow: from when on a statement is slow is said once, under either key; both keys are two answers; and zero, which means the
// opposite under each, is followed by neither.
func TestSlowThresholdsFollow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set        []config.Flag
		log, trace time.Duration
	}{
		{nil, 50 * time.Millisecond, 50 * time.Millisecond},
		{[]config.Flag{{Name: "--set", Key: "telemetry.slow.signal", Value: "80ms"}}, 80 * time.Millisecond, 80 * time.Millisecond},
		{[]config.Flag{{Name: "--set", Key: "trace.slow.signal", Value: "70ms"}}, 70 * time.Millisecond, 70 * time.Millisecond},
		{[]config.Flag{{Name: "--set", Key: "trace.slow.signal", Value: "70ms"}, {Name: "--set", Key: "telemetry.slow.signal", Value: "20ms"}}, 20 * time.Millisecond, 70 * time.Millisecond},
		{[]config.Flag{{Name: "--set", Key: "telemetry.slow.signal", Value: "0s"}}, 0, 50 * time.Millisecond},
		{[]config.Flag{{Name: "--set", Key: "trace.slow.signal", Value: "0s"}}, 50 * time.Millisecond, 0},
	} {
		s := load(t, config.Sources{Flags: c.set})
		if log, trace := s.Engine.Telemetry.Slow.Signal, s.Engine.Trace.Slow.Signal; log != c.log || trace != c.trace {
			t.Errorf("%v: the slow log has %v, want %v; traces have %v, want %v", c.set, log, c.log, trace, c.trace)
		}
		if s.Engine.Telemetry.Slow.Other != 100*time.Millisecond || s.Engine.Trace.Slow.Other != 100*time.Millisecond {
			t.Errorf("%v: another class has changed", c.set)
		}
	}
	s := load(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: "telemetry.slow.other", Value: "1s"}}})
	if v := value(t, s, "trace.slow.other"); v.Text != "1s" || v.Origin.Layer == config.FromDefault {
		t.Errorf("%+v does not say where it comes from", v)
	}
}
