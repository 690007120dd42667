package retry_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/internal/clock"
)

// run is a clock that moves by itself: whoever waits is let go at once, and the time has passed.
type run struct {
	*clock.Fake
	waited []time.Duration
}

func (r *run) Tick(d time.Duration) *clock.Ticker {
	r.waited = append(r.waited, d)
	t := r.Fake.Tick(d)
	r.Fake.Advance(d)
	return t
}

func longest(ceiling int64) int64 { return ceiling - 1 }

func pacer() (*retry.Pacer, *run) {
	r := &run{Fake: clock.NewFake(time.Now())}
	return retry.NewPacer(retry.Backoff{Base: time.Millisecond, Cap: 64 * time.Millisecond, Draw: longest}, r), r
}

func TestAgainCounts(t *testing.T) {
	t.Parallel()
	for again, want := range map[retry.Again]int{retry.Never: 0, retry.Once: 1, retry.Thrice: 3} {
		p, c := pacer()
		var r retry.Runs
		n := 0
		for p.Again(t.Context(), &r, retry.Decision{Again: again}) {
			n++
		}
		if n != want || r.Again != want {
			t.Errorf("%s: %d further runs, want %d", again, n, want)
		}
		if again == retry.Once && len(c.waited) != 0 {
			t.Errorf("the one further run waited %v: nothing would change by that", c.waited)
		}
	}
}

// TestHalfOfTheDeadline: the delays of a call stay within half of what it had left, and grow as they should.
func TestHalfOfTheDeadline(t *testing.T) {
	t.Parallel()
	p, c := pacer()
	for range 1000 {
		p.Call()
	}
	ctx, cancel := context.WithDeadline(t.Context(), c.Now().Add(100*time.Millisecond))
	defer cancel()
	began := c.Now()
	var r retry.Runs
	for p.Again(ctx, &r, retry.Decision{Again: retry.WithBackoff}) {
	}
	if took := c.Now().Sub(began); took > 50*time.Millisecond || took < 25*time.Millisecond {
		t.Errorf("waited %v of 100 ms", took)
	}
	for i, d := range c.waited {
		if want := time.Millisecond<<i - 1; d != want {
			t.Errorf("delay %d is %v, want %v", i, d, want)
		}
	}
	if len(c.waited) != 5 { // 1+2+4+8+16 = 31; 32 more would be 63
		t.Errorf("%d delays: %v", len(c.waited), c.waited)
	}
}

// TestPatience bounds a call without a deadline; the budget does so first, unless there was traffic.
func TestPatience(t *testing.T) {
	t.Parallel()
	p, c := pacer()
	began := c.Now()
	var r retry.Runs
	for p.Again(t.Context(), &r, retry.Decision{Again: retry.WithBackoff}) {
		for range 10 {
			p.Call()
		}
	}
	if took := c.Now().Sub(began); took > retry.Patience || took < retry.Patience-65*time.Millisecond {
		t.Errorf("waited %v, want just under %v", took, retry.Patience)
	}
}

func TestNoRunAfterTheEnd(t *testing.T) {
	t.Parallel()
	p := retry.NewPacer(retry.Backoff{Base: time.Hour, Cap: time.Hour, Draw: longest}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var r retry.Runs
	if p.Again(ctx, &r, retry.Decision{Again: retry.Once}) {
		t.Error("a cancelled call was run again")
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(10*time.Minute))
	defer cancel()
	if p.Again(ctx, &r, retry.Decision{Again: retry.WithBackoff}) { // an hour is past half of ten minutes
		t.Error("slept past the deadline")
	}
	if st := p.Stats(); st.Granted != 0 {
		t.Errorf("what was not run is paid for: %+v", st)
	}
}

// TestCancelledWhileWaiting ends the wait at once.
func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now()) // stands still: only the context can end the wait
	p := retry.NewPacer(retry.DefaultBackoff(), fake)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool, 1)
	go func() {
		var r retry.Runs
		for p.Again(ctx, &r, retry.Decision{Again: retry.WithBackoff}) {
		}
		done <- true
	}()
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("still waiting")
	}
}

// TestClockJumps: a clock that jumps by a day either way makes nobody wait for a day.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		p, c := pacer()
		ctx, cancel := context.WithDeadline(t.Context(), c.Now().Add(time.Second))
		c.Advance(jump)
		var r retry.Runs
		for p.Again(ctx, &r, retry.Decision{Again: retry.WithBackoff}) {
		}
		cancel()
		total := time.Duration(0)
		for _, d := range c.waited {
			total += d
		}
		if total > time.Minute || len(c.waited) > retry.Burst {
			t.Errorf("after a jump of %v: waited %v", jump, c.waited)
		}
	}
}
