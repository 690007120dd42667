package histogram

import (
	"encoding/binary"
	"errors"
	"math"
)

// Snapshot is what a histogram has counted. The zero value is empty. It never changes once it was made, so it is safe for concurrent use.
type Snapshot struct {
	// Count is how many values, Sum what they add up to.
	Count, Sum int64

	buckets []bucket // those that hold something, in order
}

type bucket struct {
	index uint16
	n     uint64
}

// Quantile is a value that the share p of all does not exceed: the end of the bucket where p is reached, so that it errs upwards by at most
// 1/16. It is 0 where nothing was counted.
func (s Snapshot) Quantile(p float64) int64 {
	want := uint64(math.Ceil(p * float64(s.Count)))
	seen := uint64(0)
	for _, b := range s.buckets {
		if seen += b.n; seen >= want {
			return endOf(int(b.index))
		}
	}
	return 0
}

// Mean is the mean of the values; 0 where there are none.
func (s Snapshot) Mean() float64 {
	if s.Count == 0 {
		return 0
	}
	return float64(s.Sum) / float64(s.Count)
}

// Max is the end of the highest bucket that holds something.
func (s Snapshot) Max() int64 {
	if len(s.buckets) == 0 {
		return 0
	}
	return endOf(int(s.buckets[len(s.buckets)-1].index))
}

// AtMost counts the values of buckets that end at limit or below.
func (s Snapshot) AtMost(limit int64) int64 {
	n := uint64(0)
	for _, b := range s.buckets {
		if endOf(int(b.index)) > limit {
			break
		}
		n += b.n
	}
	return int64(n)
}

// Each calls f with the middle of each bucket that holds something, lowest first, and the number of its values.
func (s Snapshot) Each(f func(middle float64, n int64)) {
	for _, b := range s.buckets {
		low := int64(0)
		if b.index > 0 {
			low = endOf(int(b.index)-1) + 1
		}
		f(float64(low+endOf(int(b.index)))/2, int64(b.n))
	}
}

// Merge is what both have counted.
func (s Snapshot) Merge(o Snapshot) Snapshot {
	out := Snapshot{Count: s.Count + o.Count, Sum: s.Sum + o.Sum, buckets: make([]bucket, 0, max(len(s.buckets), len(o.buckets))+4)}
	a, b := s.buckets, o.buckets
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].index < b[0].index:
			out.buckets, a = append(out.buckets, a[0]), a[1:]
		case len(a) == 0 || b[0].index < a[0].index:
			out.buckets, b = append(out.buckets, b[0]), b[1:]
		default:
			out.buckets = append(out.buckets, bucket{a[0].index, a[0].n + b[0].n})
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// Since is what s has counted beyond an earlier snapshot of the same histogram.
func (s Snapshot) Since(earlier Snapshot) Snapshot {
	out := Snapshot{Sum: s.Sum - earlier.Sum}
	b := earlier.buckets
	for _, a := range s.buckets {
		for len(b) > 0 && b[0].index < a.index {
			b = b[1:]
		}
		if len(b) > 0 && b[0].index == a.index {
			if a.n -= min(a.n, b[0].n); a.n == 0 {
				continue
			}
		}
		out.buckets = append(out.buckets, a)
		out.Count += int64(a.n)
	}
	return out
}

// nibble is what fits into half a byte.
const nibble = 15

// AppendTo appends the snapshot in the form that Decode reads: the sum, then for each bucket its distance from the one before and its count.
// Both share a byte where neither is over 15, as is usual; else a zero byte and two variable-length integers.
func (s Snapshot) AppendTo(to []byte) []byte {
	to = binary.AppendVarint(to, s.Sum)
	last := -1
	for _, b := range s.buckets {
		step := int(b.index) - last
		last = int(b.index)
		if step <= nibble && b.n <= nibble {
			to = append(to, byte(step<<4)|byte(b.n))
			continue
		}
		to = binary.AppendUvarint(append(to, 0), uint64(step))
		to = binary.AppendUvarint(to, b.n)
	}
	return to
}

// ErrDecode says that bytes are no snapshot.
var ErrDecode = errors.New("histogram: these bytes hold no snapshot")

// Decode reads what AppendTo has written.
//
// # Errors
//
// ErrDecode.
func Decode(from []byte) (Snapshot, error) {
	sum, n := binary.Varint(from)
	if n <= 0 {
		return Snapshot{}, ErrDecode
	}
	s := Snapshot{Sum: sum}
	last := -1
	for from = from[n:]; len(from) > 0; {
		step, count := uint64(from[0]>>4), uint64(from[0]&nibble)
		used := 1
		if from[0] == 0 {
			step, n = binary.Uvarint(from[1:])
			if n <= 0 {
				return Snapshot{}, ErrDecode
			}
			count, used = binary.Uvarint(from[1+n:])
			if used <= 0 {
				return Snapshot{}, ErrDecode
			}
			used += 1 + n
		}
		if step == 0 || step > uint64(Buckets-1-last) || count == 0 || count > math.MaxInt64-uint64(s.Count) {
			return Snapshot{}, ErrDecode
		}
		last += int(step)
		s.buckets = append(s.buckets, bucket{uint16(last), count})
		s.Count += int64(count)
		from = from[used:]
	}
	return s, nil
}
