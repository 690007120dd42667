package metric_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/internal/histogram"
)

// Ticks come a little early and a little late, a process ends in the middle of an interval, and a clock is set back: nothing that was counted is lost, in
// no resolution.
func TestUnevenTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		ticks []time.Duration // since the beginning
	}{
		{"jitter", []time.Duration{9_999, 20_001, 29_999, 40_001, 49_999, 59_999, 70_001, 79_999, 89_999, 100_001, 119_999, 125_000}},
		{"an end in the middle of an interval", []time.Duration{10_000, 20_000, 30_000, 35_000, 65_000, 65_500, 200_000}},
		{"an end right after a minute", []time.Duration{50_000, 60_000, 65_000, 200_000}},
		{"a clock that is set back", []time.Duration{10_000, 20_000, 30_000, 40_000, 12_000, 22_000, 32_000, 42_000, 52_000, 62_000, 200_000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, filepath.Join(t.TempDir(), "t.db"), 64<<20)
			var h histogram.Histogram
			errs := 0.0
			for _, d := range c.ticks {
				h.Add(1e6)
				errs++
				reading := metric.Reading{ID: metric.OperationDuration, Labels: metric.Labels("engine.class", "signal"), Histogram: h.Snapshot()}
				if err := s.Append(t.Context(), start().Add(d*time.Millisecond), []metric.Reading{counter(metric.Errors, errs, "error.type", "busy"), reading}); err != nil {
					t.Fatal(err)
				}
			}
			s.now = start().Add(time.Hour)
			for _, step := range []time.Duration{interval, time.Minute} {
				n, sum := int64(0), 0.0
				for _, p := range s.find(t, metric.Query{Name: "db.client.operation.duration", From: start().Add(-time.Hour), To: s.now, Step: step})[0].Points {
					n += p.Count
				}
				for _, p := range s.find(t, metric.Query{Name: "engine.errors", From: start().Add(-time.Hour), To: s.now, Step: step})[0].Points {
					sum += p.Value
				}
				// The last tick of each case may lie in a minute that is not over.
				if least := int64(len(c.ticks)); step == interval && n != least || n < least-1 || sum != float64(n) {
					t.Errorf("in steps of %v there are %d values and %v errors, want %d", step, n, sum, least)
				}
			}
		})
	}
}

// A file that a lower limit finds too large is brought down to it, and goes on taking what comes.
func TestLowerLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	s := newShelf(t, path, 64<<20)
	readings := make([]metric.Reading, 0, 200)
	for i := range 200 {
		readings = append(readings, counter(metric.WALSize, float64(i), "n", string(rune('a'+i))))
	}
	for range 360 {
		s.now = s.now.Add(time.Minute) // an hour is kept whatever the limit
		s.tick(t, readings...)
	}
	if used, err := s.file.Used(); err != nil || used < 5<<18 {
		t.Fatalf("%d bytes are used, %v: too few for this test", used, err)
	}
	now := s.now
	if err := s.file.Close(); err != nil {
		t.Fatal(err)
	}
	s = newShelf(t, path, 1<<20)
	s.now = now
	for range 60 {
		s.tick(t, readings...)
	}
	if used, err := s.file.Used(); err != nil || used > 1<<20 {
		t.Errorf("%d bytes are used, %v, and the limit is a MiB", used, err)
	}
}
