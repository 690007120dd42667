package metric_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/core/metric"
)

// A window holds what came in the latest one to two intervals.
func TestWindow(t *testing.T) {
	t.Parallel()
	var w metric.Workload
	var window metric.Window
	recent := func() (n int64) {
		w.Gather(func(r metric.Reading) {
			if r.ID == metric.OperationDuration {
				n += window.Recent(&r).Count
			}
		})
		return n
	}
	for interval, want := range []int64{10, 20, 20, 20} {
		for range 10 {
			w.Statement(t.Context(), &metric.Statement{Class: "signal", Operation: "SELECT", Duration: time.Millisecond})
		}
		if got := recent(); got != want {
			t.Errorf("interval %d: %d values, want %d", interval, got, want)
		}
		window.Rotate(w.Gather)
	}
	window.Rotate(w.Gather)
	if got := recent(); got != 0 {
		t.Errorf("%d values after an interval without any", got)
	}
}
