package floor

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinABucket(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	var h, first, second histogram
	var all []time.Duration
	for i := range 20_000 {
		d := time.Duration(r.ExpFloat64() * float64(time.Duration(1)<<r.IntN(32)))
		all = append(all, d)
		h.add(d)
		if i%2 == 0 {
			first.add(d)
		} else {
			second.add(d)
		}
	}
	slices.Sort(all)
	first.merge(&second)
	if first != h {
		t.Error("merged halves differ from the whole")
	}
	for _, p := range []float64{0.01, 0.5, 0.95, 0.99, 0.999} {
		want := all[int(p*float64(len(all)))]
		if got := h.quantile(p); got < want || got > want+want/16+2*time.Microsecond {
			t.Errorf("p%g: %v, want %v", 100*p, got, want)
		}
	}
	if h.quantile(1) != all[len(all)-1] || h.n != 20_000 {
		t.Errorf("longest %v, count %d", h.quantile(1), h.n)
	}
	var none histogram
	if none.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	none.add(-time.Second) // a clock that stepped back
	if none.n != 1 {
		t.Error("a negative duration was lost")
	}
}
