package retry_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/engine/core/retry"
)

func TestCeiling(t *testing.T) {
	t.Parallel()
	b := retry.DefaultBackoff()
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 64, 64} {
		if got := b.Ceiling(n); got != want*time.Millisecond {
			t.Errorf("ceiling %d is %v, want %v ms", n, got, want)
		}
	}
	odd := retry.Backoff{Base: 3, Cap: 7}
	if got := []time.Duration{odd.Ceiling(0), odd.Ceiling(1), odd.Ceiling(2), odd.Ceiling(1000)}; !slices.Equal(got, []time.Duration{3, 6, 7, 7}) {
		t.Errorf("an uneven cap: %v", got)
	}
	if d := (retry.Backoff{}).Delay(3); d != 0 {
		t.Errorf("the zero Backoff waits %v", d)
	}
}

// TestFullJitter holds the delays against the uniform distribution, once by their place (Kolmogorov-Smirnov) and once by their number in
// twenty equal bins (chi-square). The source is seeded, so the test gives the same answer every time; the bounds are those of one in
// a thousand for a source that is uniform.
func TestFullJitter(t *testing.T) {
	t.Parallel()
	const samples, bins = 20_000, 20
	for n := range 8 {
		source := rand.New(rand.NewPCG(7, uint64(n)))
		b := retry.DefaultBackoff()
		b.Draw = source.Int64N
		ceiling := float64(b.Ceiling(n))
		at := make([]float64, samples)
		var counts [bins]float64
		for i := range at {
			d := b.Delay(n)
			if d < 0 || d >= b.Ceiling(n) {
				t.Fatalf("delay %v is outside [0, %v)", d, b.Ceiling(n))
			}
			at[i] = float64(d) / ceiling
			counts[int(at[i]*bins)]++
		}
		slices.Sort(at)
		worst := 0.0
		for i, x := range at {
			worst = max(worst, x-float64(i)/samples, float64(i+1)/samples-x)
		}
		if limit := 1.95 / 141.42; worst > limit { // 1.95/√20,000
			t.Errorf("run %d: the greatest distance from uniform is %.4f, more than %.4f", n, worst, limit)
		}
		chi := 0.0
		for _, c := range counts {
			chi += (c - samples/bins) * (c - samples/bins) / (samples / bins)
		}
		if chi > 43.8 { // 19 degrees of freedom
			t.Errorf("run %d: chi-square %.1f, more than 43.8", n, chi)
		}
	}
}

// TestTheDefaultSourceVaries: without a source of the test's own the delays differ from call to call.
func TestTheDefaultSourceVaries(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 100 {
		seen[retry.DefaultBackoff().Delay(6)] = true
	}
	if len(seen) < 90 {
		t.Errorf("%d different delays of 100", len(seen))
	}
}
