package metric_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

func (s *shelf) count(t testing.TB, sql string) (n int64) {
	t.Helper()
	err := s.file.Read(t.Context(), func(c *sqlite.Conn) error {
		return sidecar.Each(c, sql, nil, func(v []sqlite.Value) error {
			n = v[0].Int
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Statements that are new all day leave a bounded number of series, and those that come all the time keep theirs.
func TestCrowd(t *testing.T) {
	t.Parallel()
	s := newShelf(t, filepath.Join(t.TempDir(), "t.db"), 256<<20)
	var steady histogram.Histogram
	var once histogram.Histogram
	once.Add(1e6)
	duration := func(fingerprint string, h *histogram.Histogram) metric.Reading {
		return metric.Reading{ID: metric.QueryDuration, Labels: metric.Labels("sqlite.fingerprint", fingerprint), Histogram: h.Snapshot()}
	}
	for hour := range 5 {
		s.now = start().Add(time.Duration(hour) * time.Hour)
		steady.Add(1e6)
		readings := []metric.Reading{duration("steady", &steady)}
		for i := range 2000 {
			readings = append(readings, duration(fmt.Sprint(hour, " ", i), &once))
		}
		s.tick(t, readings...)
	}
	if n := s.count(t, "SELECT count(*) FROM series"); n > 7000 || n < 2000 {
		t.Errorf("there are %d series", n)
	}
	for _, table := range []string{"minute_histogram", "hour_histogram"} {
		if n := s.count(t, "SELECT count(*) FROM "+table+" WHERE series NOT IN (SELECT id FROM series)"); n != 0 {
			t.Errorf("%d rows of %s belong to nobody", n, table)
		}
	}
	n := int64(0)
	for _, p := range s.find(t, metric.Query{Name: "engine.query.duration", Labels: metric.Labels("sqlite.fingerprint", "steady"), From: start().Add(-time.Hour), To: s.now.Add(time.Hour), Step: time.Minute})[0].Points {
		n += p.Count
	}
	if n != 5 {
		t.Errorf("of the steady one there are %d values, want 5", n)
	}
}

// What begins at 0 again after it was forgotten is counted from there.
func TestForget(t *testing.T) {
	t.Parallel()
	s := newShelf(t, filepath.Join(t.TempDir(), "t.db"), 64<<20)
	labels := metric.Labels("sqlite.fingerprint", "f")
	for range 2 {
		var h histogram.Histogram
		for range 3 {
			h.Add(1e6)
			s.tick(t, metric.Reading{ID: metric.QueryDuration, Labels: labels, Histogram: h.Snapshot()})
		}
		s.Forget(metric.QueryDuration, labels)
	}
	n := int64(0)
	for _, p := range s.find(t, metric.Query{Name: "engine.query.duration", From: start().Add(-time.Hour), To: s.now.Add(time.Hour), Step: time.Minute})[0].Points {
		n += p.Count
	}
	if n != 6 {
		t.Errorf("%d values, want 6", n)
	}
}
