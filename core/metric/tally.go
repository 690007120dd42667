package metric

import (
	"sort"
	"sync"
	"sync/atomic"
)

// maxTally bounds how many names a tally tells apart: a type of error may come from anywhere.
const maxTally = 200

// tally counts by two names. The zero value is ready; it is safe for concurrent use.
type tally struct {
	m sync.Map // [2]string → *atomic.Uint64
	n atomic.Int64
}

func (t *tally) add(a, b string) { t.addN(a, b, 1) }

func (t *tally) addN(a, b string, n uint64) {
	key := [2]string{a, b}
	c, ok := t.m.Load(key)
	if !ok {
		if t.n.Load() >= maxTally {
			key = [2]string{"other", ""}
		}
		var known bool
		if c, known = t.m.LoadOrStore(key, new(atomic.Uint64)); !known {
			t.n.Add(1)
		}
	}
	c.(*atomic.Uint64).Add(n)
}

// each calls f with every pair of names in order.
func (t *tally) each(f func(a, b string, n uint64)) {
	type entry struct {
		key [2]string
		n   uint64
	}
	var all []entry
	t.m.Range(func(k, v any) bool {
		all = append(all, entry{k.([2]string), v.(*atomic.Uint64).Load()})
		return true
	})
	sort.Slice(all, func(i, k int) bool {
		if all[i].key[0] != all[k].key[0] {
			return all[i].key[0] < all[k].key[0]
		}
		return all[i].key[1] < all[k].key[1]
	})
	for _, e := range all {
		f(e.key[0], e.key[1], e.n)
	}
}

// Tally counts by up to two labels. The zero value is ready; it is safe for concurrent use. Past 200 pairs the rest is counted as other.
type Tally struct{ t tally }

// Add counts n under the values of the two labels; b may be "".
func (t *Tally) Add(a, b string, n uint64) { t.t.addN(a, b, n) }

// Gather adds the readings under a metric with these label keys; keyB may be "".
func (t *Tally) Gather(id ID, keyA, keyB string, add func(Reading)) {
	t.t.each(func(a, b string, n uint64) {
		labels := []string{keyA, a}
		if keyB != "" {
			labels = append(labels, keyB, b)
		}
		add(Reading{ID: id, Labels: Labels(labels...), Value: float64(n)})
	})
}

// Total is how much was counted under all labels together.
func (t *Tally) Total() (n uint64) {
	t.t.each(func(_, _ string, c uint64) { n += c })
	return n
}
