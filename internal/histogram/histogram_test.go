package histogram_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tidegate/engine/internal/histogram"
)

// A quantile of the histogram is the value itself or at most a sixteenth more, at all sizes.
func TestQuantile(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []float64{10, 1e3, 1e6, 1e9, 1e12} {
		var h histogram.Histogram
		values := make([]int64, 2000)
		sum := int64(0)
		for i := range values {
			values[i] = int64(random.ExpFloat64() * scale)
			h.Add(values[i])
			sum += values[i]
		}
		slices.Sort(values)
		s := h.Snapshot()
		if s.Count != 2000 || s.Sum != sum {
			t.Fatalf("count %d, sum %d, want 2000, %d", s.Count, s.Sum, sum)
		}
		for _, p := range []float64{0.01, 0.5, 0.95, 0.99, 1} {
			exact, got := values[int(math.Ceil(p*2000))-1], s.Quantile(p)
			if got < exact || float64(got) > float64(exact)*(1+1.0/16) {
				t.Errorf("scale %g: p%g is %d, want %d to a sixteenth more", scale, p*100, got, exact)
			}
		}
		if got := s.AtMost(s.Max()); got != s.Count {
			t.Errorf("%d of %d are at most the maximum", got, s.Count)
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	t.Parallel()
	var h histogram.Histogram
	if s := h.Snapshot(); s.Quantile(0.5) != 0 || s.Max() != 0 || s.Mean() != 0 {
		t.Error("an empty histogram has values")
	}
	h.Add(-5)
	h.Add(math.MaxInt64)
	s := h.Snapshot()
	if s.Count != 2 || s.Quantile(0.5) != 0 || s.AtMost(0) != 1 {
		t.Errorf("%+v", s)
	}
}

// What is merged, taken apart, written and read again is the same as if it had been counted at once; a race shows under -race.
func TestMerge(t *testing.T) {
	t.Parallel()
	var a, b, both histogram.Histogram
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 7))
			for range 500 {
				v := int64(random.ExpFloat64() * 1e5)
				a.Add(v)
				both.Add(v)
				b.Add(v / 3)
				both.Add(v / 3)
			}
		})
	}
	wg.Wait()
	merged, want := a.Snapshot().Merge(b.Snapshot()), both.Snapshot()
	if !bytes.Equal(merged.AppendTo(nil), want.AppendTo(nil)) || merged.Count != 4000 {
		t.Errorf("merged %+v, want %+v", merged, want)
	}
	if got := merged.Since(a.Snapshot()); !bytes.Equal(got.AppendTo(nil), b.Snapshot().AppendTo(nil)) || got.Count != 2000 {
		t.Errorf("what came since is %+v, want %+v", got, b.Snapshot())
	}
	read, err := histogram.Decode(want.AppendTo(nil))
	if err != nil || read.Count != want.Count || read.Sum != want.Sum || read.Quantile(0.9) != want.Quantile(0.9) {
		t.Errorf("read %+v, %v", read, err)
	}
	n := int64(0)
	want.Each(func(_ float64, k int64) { n += k })
	if n != want.Count {
		t.Errorf("each saw %d of %d", n, want.Count)
	}
}

func FuzzDecode(f *testing.F) {
	var h histogram.Histogram
	h.Add(3)
	h.Add(70000)
	f.Add(h.Snapshot().AppendTo(nil))
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := histogram.Decode(data)
		if err != nil {
			if !errors.Is(err, histogram.ErrDecode) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		again, err := histogram.Decode(s.AppendTo(nil))
		if err != nil || again.Count != s.Count || again.Sum != s.Sum {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
	})
}

// Adding allocates nothing once a power of two was seen.
func TestAddAllocates(t *testing.T) {
	var h histogram.Histogram
	h.Add(1000)
	if n := testing.AllocsPerRun(100, func() { h.Add(1001) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var h histogram.Histogram
	b.ReportAllocs()
	for i := range b.N {
		h.Add(int64(i) & 0xffff)
	}
}
