// Package histogram counts values in buckets that grow with them, at the price of one or two atomic additions. What was counted merges with what
// was counted elsewhere or earlier, so a percentile over any span of time is that of the values and no mean of percentiles.
package histogram

import (
	"math/bits"
	"sync/atomic"
)

// Buckets are exact below 16; above, each power of two has 16, so that a bucket is at most 1/16 wide.
const (
	sub  = 16
	rows = 42
	// Buckets is how many there are. What is larger than the last one holds, about 2^45, is counted there.
	Buckets = rows * sub
)

// row are the buckets of a power of two. Most histograms have a few of them.
type row [sub]atomic.Uint64

// Histogram counts values that are not negative: nanoseconds, rows, steps. The zero value is empty. It is safe for concurrent use and must
// not be copied.
type Histogram struct {
	sum  atomic.Int64 // of the values from sub on; what is below says its bucket
	rows [rows]atomic.Pointer[row]
}

// Add counts a value. Less than nothing is nothing. It allocates only the first time that a power of two is seen.
func (h *Histogram) Add(v int64) {
	v = max(v, 0)
	i := bucketOf(v)
	r := h.rows[i/sub].Load()
	if r == nil {
		h.rows[i/sub].CompareAndSwap(nil, new(row))
		r = h.rows[i/sub].Load()
	}
	r[i%sub].Add(1)
	if v >= sub {
		h.sum.Add(v)
	}
}

// Snapshot is what has been counted so far. Values that are added meanwhile may be in it or not.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Sum: h.sum.Load()}
	for i := range h.rows {
		r := h.rows[i].Load()
		if r == nil {
			continue
		}
		for k := range r {
			if n := r[k].Load(); n > 0 {
				s.buckets = append(s.buckets, bucket{uint16(i*sub + k), n})
				s.Count += int64(n)
				if i == 0 {
					s.Sum += int64(k) * int64(n)
				}
			}
		}
	}
	return s
}

func bucketOf(v int64) int {
	if v < sub {
		return int(v)
	}
	exp := bits.Len64(uint64(v)) - 5 // v>>exp is between 16 and 31
	return min(exp*sub+int(v>>exp), Buckets-1)
}

// endOf is the largest value of a bucket.
func endOf(i int) int64 {
	if i < sub {
		return int64(i)
	}
	exp := i/sub - 1
	return int64(i%sub+sub+1)<<exp - 1
}
