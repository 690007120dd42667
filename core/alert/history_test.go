package alert_test

import (
	"runtime"
	"testing"
	"time"
)

// A window of a week costs no more memory than its share, and counts right.
func TestLongWindow(t *testing.T) {
	w := watching(t, "increase(lat[7d]) > 1000000", "increase(err[7d]) > 1000000")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const steps = 9 * 24 * 360
	for i := range steps {
		if i%10 == 0 {
			w.observe("lat", 1, time.Duration(1+i%1000)*time.Millisecond)
			w.counts["err"]++
		}
		w.after(1, nil)
	}
	if grown := int64(heap() - before); grown > 20<<20 {
		t.Errorf("%d MB are kept", grown>>20)
	}
	standings := w.watch.Standings()
	if len(standings) != 2 {
		t.Errorf("%d rules have a value, want 2", len(standings))
	}
	for _, s := range standings {
		if want := float64(7 * 24 * 36); s.Value < 0.998*want || s.Value > 1.002*want {
			t.Errorf("%s finds %v in a week, want %v", s.Rule, s.Value, want)
		}
	}
}
