package load_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidegate/engine/internal/load"
)

// stalling is a store with a known flaw: every operation takes a millisecond, except that from 1 s to 1.2 s after its start
// nothing is answered. Its lock is a channel because a synctest bubble's time stands still while somebody waits for a mutex.
type stalling struct {
	start time.Time
}

const (
	service   = time.Millisecond
	stallFrom = time.Second
	stallFor  = 200 * time.Millisecond
)

func (s *stalling) do(context.Context, int) error {
	if at := time.Since(s.start); at >= stallFrom && at < stallFrom+stallFor {
		time.Sleep(stallFrom + stallFor - at)
	}
	time.Sleep(service)
	return nil
}

// TestOpenShowsAStall is the test of the generator's point. A tenth of two seconds is a stall of 200 ms, so of all arrivals a
// tenth fell into it and waited between 0 and 200 ms: the 95th percentile is half of the stall. A loop that waits for its
// answers meets the stall once with each session, and reports a millisecond.
func TestOpenShowsAStall(t *testing.T) {
	t.Parallel()
	for _, even := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := &stalling{start: time.Now()}
			r, err := load.Open(t.Context(), load.Plan{Sessions: 10, Duration: 2 * time.Second, Patience: time.Second, Seed: 7, Even: even,
				Streams: []load.Stream{{Name: "operations", PerSecond: 1000, Do: s.do}}})
			if err != nil {
				t.Fatal(err)
			}
			o := &r.Streams[0]
			if o.Offered < 1900 || o.Offered > 2100 || o.Done != o.Offered || o.Errors != 0 {
				t.Errorf("even %v: %d offered, %d done, %d errors", even, o.Offered, o.Done, o.Errors)
			}
			if p50 := o.Latency.Quantile(0.5); p50 > 2*service {
				t.Errorf("even %v: p50 %v: the stall is not for everybody", even, p50)
			}
			if p95 := o.Latency.Quantile(0.95); p95 < stallFor*4/10 || p95 > stallFor*7/10 {
				t.Errorf("even %v: p95 %v, want about half of the stall of %v", even, p95, stallFor)
			}
			if longest := o.Latency.Max(); longest < stallFor || longest > stallFor+30*time.Millisecond {
				t.Errorf("even %v: longest %v, want the stall of %v and a little", even, longest, stallFor)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := &stalling{start: time.Now()}
		r, err := load.Closed(t.Context(), 10, 2*time.Second, s.do)
		if err != nil {
			t.Fatal(err)
		}
		if p95 := r.Streams[0].Latency.Quantile(0.95); p95 > 2*service {
			t.Errorf("a closed loop has p95 %v: then the test above shows nothing", p95)
		}
	})
}

// A store that is slower than its load falls behind: every arrival waits longer than the one before, and what is never done
// is no success.
func TestOpenFallsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, _ int) error {
			select {
			case <-time.After(20 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		r, err := load.Open(t.Context(), load.Plan{Sessions: 1, Duration: time.Second, Patience: time.Second, Even: true,
			Streams: []load.Stream{{Name: "slow", PerSecond: 200, Do: slow}}})
		if err != nil {
			t.Fatal(err)
		}
		o := &r.Streams[0]
		if o.Offered != 199 || o.Done < 98 || o.Done > 100 || o.Errors != o.Offered-o.Done || o.First == nil {
			t.Errorf("%d offered, %d done, %d errors, first %v; want 199 and half of them done in twice the time", o.Offered, o.Done, o.Errors, o.First)
		}
		if o.Latency.Count() != o.Offered {
			t.Errorf("%d latencies of %d: what was given up has waited, too", o.Latency.Count(), o.Offered)
		}
		if p95 := o.Latency.Quantile(0.95); p95 < 900*time.Millisecond {
			t.Errorf("p95 %v, want about a second", p95)
		}
		if rate := r.PerSecond(o.Done); rate < 48 || rate > 51 {
			t.Errorf("%.1f/s done, want 50", rate)
		}
	})
}

func TestOpenMixesStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		quick := func(context.Context, int) error { return nil }
		fails := func(context.Context, int) error { return broken }
		r, err := load.Open(t.Context(), load.Plan{Sessions: 4, Duration: 10 * time.Second, Seed: 3,
			Streams: []load.Stream{{Name: "writes", PerSecond: 100, Do: fails}, {Name: "reads", PerSecond: 300, Do: quick}, {Name: "none", Do: quick}}})
		if err != nil {
			t.Fatal(err)
		}
		w, reads, none := &r.Streams[0], &r.Streams[1], &r.Streams[2]
		if w.Name != "writes" || w.Offered < 900 || w.Offered > 1100 || w.Errors != w.Offered || w.Done != 0 || !errors.Is(w.First, broken) || w.Latency.Count() != 0 {
			t.Errorf("a stream that fails: %d offered, %d done, %d errors (%v), %d latencies", w.Offered, w.Done, w.Errors, w.First, w.Latency.Count())
		}
		if reads.Offered < 2800 || reads.Offered > 3200 || reads.Done != reads.Offered || none.Offered != 0 {
			t.Errorf("%d reads offered, %d done; %d of no rate", reads.Offered, reads.Done, none.Offered)
		}
		var sum int64
		for _, n := range r.Sessions {
			sum += n
		}
		if sum != reads.Done || r.Fairness() < 0.9 {
			t.Errorf("sessions did %v of %d, fairness %.2f", r.Sessions, reads.Done, r.Fairness())
		}
	})
}

// One session that is kept waiting shows in the fairness, and the others do its share.
func TestFairness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		do := func(_ context.Context, session int) error {
			if session == 3 {
				time.Sleep(time.Second)
			}
			time.Sleep(time.Millisecond)
			return nil
		}
		r, err := load.Open(t.Context(), load.Plan{Sessions: 10, Duration: 5 * time.Second, Patience: time.Second, Even: true,
			Streams: []load.Stream{{Name: "operations", PerSecond: 500, Do: do}}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Sessions[3] > 6 || r.Fairness() > 0.03 || r.Streams[0].Done != 2499 {
			t.Errorf("session 3 did %d of %d, fairness %.3f", r.Sessions[3], r.Streams[0].Done, r.Fairness())
		}
	})
}

func TestOpenIsTheSameForASeed(t *testing.T) {
	t.Parallel()
	at := func(seed uint64) (due []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			do := func(context.Context, int) error { due = append(due, time.Since(start)); return nil }
			if _, err := load.Open(t.Context(), load.Plan{Sessions: 1, Duration: time.Second, Seed: seed, Streams: []load.Stream{{Name: "one", PerSecond: 50, Do: do}}}); err != nil {
				t.Fatal(err)
			}
		})
		return due
	}
	first, again, other := at(1), at(1), at(2)
	if len(first) != len(again) || len(first) < 20 {
		t.Fatalf("%d and %d arrivals of one seed", len(first), len(again))
	}
	same := len(first) == len(other)
	for i := range first {
		if first[i] != again[i] {
			t.Errorf("arrival %d: %v and %v", i, first[i], again[i])
		}
		same = same && first[i] == other[i]
	}
	if same {
		t.Error("another seed makes the same arrivals")
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		wait := func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		_, err := load.Open(ctx, load.Plan{Sessions: 2, Duration: time.Hour, Streams: []load.Stream{{Name: "wait", PerSecond: 10, Do: wait}}})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
	for _, p := range []load.Plan{{}, {Sessions: 1, Duration: 1}, {Duration: 1, Streams: make([]load.Stream, 1)}, {Sessions: 1, Streams: make([]load.Stream, 1)}} {
		if _, err := load.Open(t.Context(), p); err == nil {
			t.Errorf("%+v is a plan", p)
		}
	}
	if _, err := load.Closed(t.Context(), 0, 1, nil); err == nil {
		t.Error("a closed loop of nobody")
	}
}
