package breaker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/internal/clock"
)

var errDisk = errors.New("disk I/O error")

func config(c clock.Clock) breaker.Config {
	return breaker.Config{Name: "storage", Failures: 20, Window: 10 * time.Second, Rest: 100 * time.Millisecond, MaxRest: 30 * time.Second,
		Probes: 3, Clock: c}
}

// opened returns a breaker that twenty failures have opened.
func opened(t *testing.T, c clock.Clock, changes ...func(*breaker.Config)) *breaker.Breaker {
	t.Helper()
	cfg := config(c)
	for _, change := range changes {
		change(&cfg)
	}
	b := breaker.New(cfg)
	for i := range cfg.Failures {
		if err := b.Check(); err != nil {
			t.Fatalf("open after %d failures: %v", i, err)
		}
		b.Failure(errDisk)
	}
	if b.State() != breaker.Open {
		t.Fatalf("%s after %d failures", b.State(), cfg.Failures)
	}
	return b
}

func TestTooManyFailuresOpen(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	b := opened(t, fake)
	fake.Advance(40 * time.Millisecond)
	err := b.Check()
	var open *breaker.OpenError
	if !errors.As(err, &open) || !errors.Is(err, breaker.ErrOpen) || errors.Is(err, errDisk) {
		t.Fatalf("refused with %v", err)
	}
	if open.Name != "storage" || open.Cause != errDisk || open.For != 40*time.Millisecond || open.RetryAfter != 60*time.Millisecond {
		t.Errorf("%+v", open)
	}
	for _, word := range []string{"storage", "disk I/O error", "40ms", "60ms"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if open.ErrorType() != "breaker_storage" {
		t.Errorf("error type %q", open.ErrorType())
	}
	if s := b.Status(); s.State != breaker.Open || s.Failures != 20 || s.Opened != 1 || s.Refused != 1 || s.Cause != errDisk {
		t.Errorf("%+v", s)
	}
}

// TestFailuresThatAreFarApartDoNot: what counts is how close together they are.
func TestFailuresThatAreFarApartDoNot(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	b := breaker.New(config(fake))
	for range 200 {
		b.Failure(errDisk)
		fake.Advance(600 * time.Millisecond) // 17 in ten seconds
	}
	if b.State() != breaker.Closed {
		t.Error("open")
	}
	for range 25 {
		b.Failure(errDisk)
		fake.Advance(100 * time.Millisecond)
	}
	if b.State() != breaker.Open {
		t.Error("closed")
	}
}

func TestProbesClose(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	var changes []string
	b := opened(t, fake, func(c *breaker.Config) {
		c.Changed = func(c breaker.Change) { changes = append(changes, fmt.Sprintf("%s→%s", c.From, c.To)) }
	})
	if probe, err := b.Allow(); probe || err == nil {
		t.Error("no rest")
	}
	fake.Advance(100 * time.Millisecond)
	for i := range 3 {
		probe, err := b.Allow()
		if !probe || err != nil {
			t.Fatalf("probe %d: %v %v", i, probe, err)
		}
		if again, err := b.Allow(); again || err == nil {
			t.Error("two probes at once")
		}
		if b.Check() == nil {
			t.Error("half open lets everybody through")
		}
		b.Settle(nil)
	}
	if probe, err := b.Allow(); b.State() != breaker.Closed || probe || err != nil {
		t.Errorf("%s after three good probes: %v", b.State(), err)
	}
	for range 19 { // what opened it is forgotten
		b.Failure(errDisk)
	}
	if b.State() != breaker.Closed {
		t.Error("the failures of before count still")
	}
	if got := strings.Join(changes, " "); got != "closed→open open→half_open half_open→closed" {
		t.Error(got)
	}
}

// TestABadProbeDoublesTheRest, up to the longest.
func TestABadProbeDoublesTheRest(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	b := opened(t, fake)
	rest := 100 * time.Millisecond
	for range 12 {
		fake.Advance(rest - time.Millisecond)
		if probe, _ := b.Allow(); probe {
			t.Fatalf("a probe before %v were over", rest)
		}
		fake.Advance(time.Millisecond)
		if probe, err := b.Allow(); !probe {
			t.Fatalf("no probe after %v: %v", rest, err)
		}
		b.Settle(errDisk)
		rest = min(2*rest, 30*time.Second)
	}
	if s := b.Status(); s.RetryAfter != 30*time.Second || s.Opened != 13 {
		t.Errorf("%+v", s)
	}
	fake.Advance(rest)
	for range 3 {
		b.Allow()
		b.Settle(nil)
	}
	for range 20 {
		b.Failure(errDisk)
	}
	if s := b.Status(); s.RetryAfter != 100*time.Millisecond {
		t.Errorf("the rest begins at %v after it was closed", s.RetryAfter)
	}
}

func TestTrip(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	b := breaker.New(config(fake))
	b.Trip(errDisk)
	if b.Check() == nil {
		t.Error("closed")
	}
	fake.Advance(time.Second)
	if probe, _ := b.Allow(); !probe {
		t.Error("no probe")
	}
	b.Trip(errDisk) // another failure while the probe is under way
	b.Settle(nil)
	if b.State() != breaker.Open {
		t.Error("the probe of before closed it")
	}
}

// TestALostProbe: a probe whose caller never comes back makes room for another.
func TestALostProbe(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	b := opened(t, fake)
	fake.Advance(time.Second)
	if probe, _ := b.Allow(); !probe {
		t.Fatal("no probe")
	}
	fake.Advance(29 * time.Second)
	if probe, _ := b.Allow(); probe {
		t.Error("another probe while one is under way")
	}
	fake.Advance(2 * time.Second)
	if probe, _ := b.Allow(); !probe {
		t.Error("the lost probe keeps the breaker half open")
	}
	b.Withdraw()
	if probe, _ := b.Allow(); !probe {
		t.Error("a probe that was withdrawn still counts as under way")
	}
}

// TestClockJumps moves the clock by a day either way in every state. Nobody may have to wait for that day.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		for _, when := range []string{"closed", "open", "half open", "there and back"} {
			fake := clock.NewFake(time.Now())
			var b *breaker.Breaker
			switch when {
			case "closed": // between the failures that count
				b = breaker.New(config(fake))
				for range 10 {
					b.Failure(errDisk)
				}
				fake.Advance(jump)
				for range 20 {
					b.Failure(errDisk)
				}
				if b.State() != breaker.Open {
					t.Errorf("%v: twenty failures after the jump do not open it", jump)
				}
			case "open":
				b = opened(t, fake)
				fake.Advance(jump)
			case "half open":
				b = opened(t, fake)
				fake.Advance(time.Second)
				b.Allow()
				fake.Advance(jump)
			case "there and back":
				fake.Advance(jump)
				b = opened(t, fake)
				fake.Advance(-jump)
			}
			for i := 0; b.State() != breaker.Closed; i++ {
				if i > 400 { // of 100 ms
					t.Errorf("%s, %v: stuck: %+v", when, jump, b.Status())
					break
				}
				if probe, _ := b.Allow(); probe {
					b.Settle(nil)
				}
				fake.Advance(100 * time.Millisecond)
			}
		}
	}
}

// TestOneProbeAtATime from many goroutines.
func TestOneProbeAtATime(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	b := opened(t, fake, func(c *breaker.Config) { c.Probes = 1 << 30 })
	fake.Advance(time.Second)
	var under, most, total atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				probe, err := b.Allow()
				if probe == (err != nil) {
					t.Error("neither let through nor refused")
				}
				if !probe {
					continue
				}
				if n := under.Add(1); n > most.Load() {
					most.Store(n)
				}
				total.Add(1)
				under.Add(-1)
				b.Settle(nil)
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 || total.Load() == 0 {
		t.Errorf("%d probes, %d at once", total.Load(), most.Load())
	}
}

func BenchmarkCheckClosed(b *testing.B) {
	br := breaker.New(config(nil))
	b.ReportAllocs()
	for b.Loop() {
		if br.Check() != nil {
			b.Fatal("open")
		}
	}
}
