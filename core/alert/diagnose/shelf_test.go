package diagnose_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert/diagnose"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

// What one process has remembered the next one knows: all of it after an end that was in order, and no more than a day, nor what is a week old.
func TestShelf(t *testing.T) {
	t.Parallel()
	file, err := sidecar.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), 64<<20, diagnose.Schema()...)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	shelf, first := diagnose.NewShelf(file), new(diagnose.Memory)
	var h histogram.Histogram
	for i := range 30 * 360 { // thirty hours
		now = now.Add(10 * time.Second)
		h.Add(int64(i))
		d := &diagnose.Digest{At: now, Span: 10 * time.Second, Intervals: 1, Counts: map[string]float64{"plugin/calls": 2}, Levels: map[string]diagnose.Level{"disk/free": diagnose.Of(float64(i))},
			Statements: map[string]diagnose.Work{"f": {Summary: "SELECT t", Class: "signal", Calls: 3, Steps: 30, Took: time.Hour}}, Holds: map[string]diagnose.Hold{"booking": {Calls: 1, Held: time.Millisecond}}}
		if i == 30*360-1 {
			d.Commits = h.Snapshot()
		}
		for k := range 300 {
			if i%360 == 0 {
				d.Statements[fmt.Sprint(k)] = diagnose.Work{Calls: 1, Took: time.Duration(k)}
			}
		}
		first.Add(d)
		if i%60 == 0 {
			if err := shelf.Save(t.Context(), first, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	first.Settle()
	plans := []diagnose.KnownPlan{{Fingerprint: "f", Steps: "SEARCH t", Rows: 7, At: time.Unix(now.Unix(), 0)}}
	if err := shelf.Save(t.Context(), first, plans); err != nil {
		t.Fatal(err)
	}
	second := new(diagnose.Memory)
	got, err := shelf.Load(t.Context(), second, now)
	if err != nil || !reflect.DeepEqual(got, plans) {
		t.Fatalf("plans: %+v, %v", got, err)
	}
	_, was := first.Around(now)
	_, is := second.Around(now)
	if w := is.Statements["f"]; w != was.Statements["f"] || w.Calls < 3*23*360 || w.Steps != 10*w.Calls {
		t.Errorf("%+v, was %+v", w, was.Statements["f"])
	}
	if is.Commits.Count != was.Commits.Count || is.Commits.Quantile(0.95) != was.Commits.Quantile(0.95) || is.Commits.Count == 0 {
		t.Errorf("COMMITs: %d, were %d", is.Commits.Count, was.Commits.Count)
	}
	if is.Intervals != was.Intervals || is.Span != was.Span || !is.Begun.Equal(was.Begun) || is.Levels["disk/free"] != was.Levels["disk/free"] || is.Counts["plugin/calls"] != was.Counts["plugin/calls"] ||
		is.Holds["booking"] != was.Holds["booking"] {
		t.Errorf("%+v, was %+v", is, was)
	}
	if n := second.Intervals(); n > 25*360 {
		t.Errorf("%d intervals are known", n)
	}
	old := new(diagnose.Memory)
	if got, err := shelf.Load(t.Context(), old, now.Add(9*24*time.Hour)); err != nil || old.Intervals() != 0 || len(got) != 0 {
		t.Errorf("after nine days: %d intervals, %d plans, %v", old.Intervals(), len(got), err)
	}
	err = file.Write(t.Context(), func(c *sqlite.Conn) error { return c.Exec("UPDATE usual_hour SET digest = '{\"Commits\":\"AAAA\"}'") })
	if err != nil {
		t.Fatal(err)
	}
	spoilt := new(diagnose.Memory)
	if _, err := shelf.Load(t.Context(), spoilt, now); err == nil || spoilt.Intervals() != 0 {
		t.Errorf("what is no digest was read: %d intervals, %v", spoilt.Intervals(), err)
	}
}
