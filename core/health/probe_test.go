package health_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/health"
)

// TestAskInOrder: answers come in the order of the probes, whichever is first.
func TestAskInOrder(t *testing.T) {
	t.Parallel()
	second := make(chan struct{})
	slow := health.NewProbe("slow", time.Minute, "", func(context.Context) health.Check {
		<-second
		return health.Good("slow", "well")
	})
	fast := health.NewProbe("fast", time.Minute, "", func(context.Context) health.Check {
		close(second)
		return health.Warning("fast", "full", "empty it")
	})
	got := health.Ask(t.Context(), slow, fast)
	if got[0] != health.Good("slow", "well") || got[1] != health.Warning("fast", "full", "empty it") {
		t.Errorf("%+v", got)
	}
	if health.LevelOf(got) != health.Degraded || !health.ReadyOf(got) {
		t.Errorf("level %v, ready %v", health.LevelOf(got), health.ReadyOf(got))
	}
}

// TestProbeThatHangs: one that ends with nobody's context is given up after its limit, or when the caller's time is over, and says what to do;
// only so many goroutines are lost to it; when it answers again, so does the check.
func TestProbeThatHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	asked := make(chan struct{}, 100)
	p := health.NewProbe("disk", 50*time.Millisecond, "look at the volume", func(context.Context) health.Check {
		asked <- struct{}{}
		<-hang
		return health.Good("disk", "it answers")
	})
	well := health.NewProbe("read", time.Minute, "", func(context.Context) health.Check { return health.Good("read", "well") })
	for i := range 6 {
		ctx, cancel := context.WithTimeout(t.Context(), map[bool]time.Duration{true: time.Millisecond, false: time.Minute}[i == 1])
		began := time.Now()
		got := health.Ask(ctx, p, well)
		if took := time.Since(began); took > 20*time.Second {
			t.Fatalf("look %d waited %v", i, took)
		}
		cancel()
		if c := got[0]; c.OK || c.Ready || c.Name != "disk" || !strings.Contains(c.Detail, "no answer") || c.Remedy != "look at the volume" {
			t.Errorf("look %d: %+v", i, c)
		}
		if !got[1].OK {
			t.Errorf("look %d: the other probe pays for it: %+v", i, got[1])
		}
	}
	if n := len(asked); n != 4 {
		t.Errorf("%d goroutines hang", n)
	}
	close(hang)
	for deadline := time.Now().Add(30 * time.Second); ; {
		if c := health.Ask(t.Context(), p)[0]; c.OK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it answers again, and the check does not")
		}
	}
}

// TestProbeEndsWithItsTime: a question that heeds its context says itself why it has no answer.
func TestProbeEndsWithItsTime(t *testing.T) {
	t.Parallel()
	p := health.NewProbe("write", 20*time.Millisecond, "late", func(ctx context.Context) health.Check {
		<-ctx.Done()
		return health.Failure("write", "the writer is held", "look for a long transaction")
	})
	for deadline := time.Now().Add(30 * time.Second); ; { // on a machine that is busy it may be late even so
		c := health.Ask(t.Context(), p)[0]
		if c.Remedy == "look for a long transaction" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", c)
		}
	}
}

// TestLevel: what cannot be read is down, whatever else is well.
func TestLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		checks []health.Check
		level  health.Level
		ready  bool
	}{
		{[]health.Check{health.Good("read", ""), health.Good("write", "")}, health.OK, true},
		{[]health.Check{health.Good("read", ""), health.Failure("write", "", "")}, health.Degraded, false},
		{[]health.Check{health.Good("read", ""), health.Warning("disk", "", "")}, health.Degraded, true},
		{[]health.Check{health.Warning("disk", "", ""), health.Failure("read", "", ""), health.Failure("write", "", "")}, health.Down, false},
	} {
		if level, ready := health.LevelOf(c.checks), health.ReadyOf(c.checks); level != c.level || ready != c.ready {
			t.Errorf("%+v: %v, ready %v", c.checks, level, ready)
		}
	}
}
