package load_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/engine/internal/load"
)

// TestQuantile holds the histogram against sorted durations of every size.
func TestQuantile(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	var parts [3]load.Histogram
	for i := range 30_000 {
		d := time.Duration(rng.ExpFloat64() * float64(uint64(1)<<(5+rng.IntN(32))))
		all = append(all, d)
		parts[i%3].Add(d)
	}
	var h load.Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 {
		t.Error("an empty histogram is not 0")
	}
	for i := range parts {
		h.Merge(&parts[i])
	}
	slices.Sort(all)
	if h.Count() != int64(len(all)) || h.Max() != all[len(all)-1] {
		t.Errorf("%d counted, longest %v; want %d, %v", h.Count(), h.Max(), len(all), all[len(all)-1])
	}
	for _, p := range []float64{0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1} {
		exact := all[int(p*float64(len(all)))-1]
		if got := h.Quantile(p); got < exact || got > exact+exact/sixtyFourth+1 {
			t.Errorf("quantile %v is %v, exactly %v", p, got, exact)
		}
	}
}

const sixtyFourth = 64

func TestHistogramEnds(t *testing.T) {
	t.Parallel()
	var h load.Histogram
	h.Add(-time.Second)
	if h.Quantile(1) != 0 {
		t.Errorf("less than nothing is %v", h.Quantile(1))
	}
	h.Add(200 * time.Hour) // past the last bucket
	if h.Quantile(1) > 200*time.Hour || h.Quantile(1) < 10*time.Minute || h.Max() != 200*time.Hour {
		t.Errorf("the longest is %v, quantile %v", h.Max(), h.Quantile(1))
	}
}
