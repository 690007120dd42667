package load

import (
	"math/bits"
	"time"
)

// Buckets of a histogram: exact below 64 ns, then 64 for each power of two, up to 18 minutes.
const (
	sub     = 64
	powers  = 35
	buckets = sub * powers
)

// Histogram counts durations in buckets that are at most 1/64 wide. The zero value is empty. It is not safe for concurrent
// use: every goroutine has its own, and they are merged.
type Histogram struct {
	n       int64
	max     time.Duration
	buckets [buckets]uint32
}

func bucketOf(d time.Duration) int {
	ns := uint64(max(d, 0))
	if ns < sub {
		return int(ns)
	}
	exp := bits.Len64(ns) - 7 // ns>>exp is between 64 and 127
	return min(exp*sub+int(ns>>exp), buckets-1)
}

// endOf is the longest duration of a bucket.
func endOf(i int) time.Duration {
	if i < sub {
		return time.Duration(i)
	}
	exp := i/sub - 1
	return time.Duration(uint64(i%sub+sub+1)<<exp) - 1
}

// Add counts a duration. Less than nothing is nothing.
func (h *Histogram) Add(d time.Duration) {
	h.n++
	h.max = max(h.max, d)
	h.buckets[bucketOf(d)]++
}

// Merge adds what another has counted.
func (h *Histogram) Merge(o *Histogram) {
	h.n += o.n
	h.max = max(h.max, o.max)
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
}

// Count is how many durations were added.
func (h *Histogram) Count() int64 { return h.n }

// Max is the longest of them, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is a duration that the share p of all does not exceed: the end of the bucket where p is reached, so that it errs
// upwards by at most 1/64, and never above the longest. It is 0 where nothing was counted.
func (h *Histogram) Quantile(p float64) time.Duration {
	want := p * float64(h.n)
	seen := int64(0)
	for i, n := range h.buckets {
		if seen += int64(n); n > 0 && float64(seen) >= want {
			return min(endOf(i), h.max)
		}
	}
	return h.max
}
