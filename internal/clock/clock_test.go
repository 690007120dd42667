package clock_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/internal/clock"
)

func TestFakeTicksOnlyWhenAdvanced(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := clock.NewFake(start)
	tick := f.Tick(time.Minute)
	f.Advance(59 * time.Second)
	select {
	case at := <-tick.C:
		t.Fatalf("ticked at %v, a second early", at)
	default:
	}
	f.Advance(10 * time.Minute)
	if at := <-tick.C; !at.Equal(start.Add(10*time.Minute + 59*time.Second)) {
		t.Fatalf("ticked at %v", at)
	}
	select {
	case <-tick.C:
		t.Fatal("missed ticks were queued")
	default:
	}
	tick.Stop()
	f.Advance(time.Hour)
	select {
	case <-tick.C:
		t.Fatal("ticked after Stop")
	default:
	}
}

func TestSystemTicks(t *testing.T) {
	t.Parallel()
	c := clock.System()
	before := c.Now()
	tick := c.Tick(time.Millisecond)
	defer tick.Stop()
	if at := <-tick.C; !at.After(before) {
		t.Fatalf("tick %v is not after %v", at, before)
	}
}
