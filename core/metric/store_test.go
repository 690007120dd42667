package metric_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

const interval = 10 * time.Second

func start() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// shelf is a store under test with a clock that the test turns.
type shelf struct {
	*metric.Store
	file *sidecar.File
	now  time.Time
}

func newShelf(t testing.TB, path string, limit int64) *shelf {
	t.Helper()
	file, err := sidecar.Open(t.Context(), path, limit, metric.Schema()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &shelf{metric.NewStore(file, interval, limit), file, start()}
}

func (s *shelf) tick(t testing.TB, readings ...metric.Reading) {
	t.Helper()
	s.now = s.now.Add(interval)
	if err := s.Append(t.Context(), s.now, readings); err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) find(t testing.TB, q metric.Query) []metric.Series {
	t.Helper()
	found, err := metric.Find(t.Context(), s.file, interval, s.now, q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func counter(id metric.ID, v float64, labels ...string) metric.Reading {
	return metric.Reading{ID: id, Value: v, Labels: metric.Labels(labels...)}
}

// The same hours read at ten seconds, at a minute and at an hour say the same: sums of counters, bounds of gauges, and percentiles that are
// those of all values and not of means, across a restart of the store too.
func TestStoreRollsUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	s := newShelf(t, path, 64<<20)
	random := rand.New(rand.NewPCG(3, 4))
	var h, all histogram.Histogram
	errs, total := 0.0, 0.0
	for i := range 3 * 360 {
		if i == 500 { // in the middle of a minute, with counters that begin at 0 again
			if err := s.file.Close(); err != nil {
				t.Fatal(err)
			}
			now := s.now
			s = newShelf(t, path, 64<<20)
			s.now, errs, h = now, 0, histogram.Histogram{}
		}
		for range 20 {
			v := int64(random.ExpFloat64() * 1e6)
			h.Add(v)
			all.Add(v)
		}
		came := float64(random.IntN(5))
		errs, total = errs+came, total+came
		s.tick(t, counter(metric.Errors, errs, "error.type", "busy"), counter(metric.WALSize, float64(i%100)),
			metric.Reading{ID: metric.OperationDuration, Labels: metric.Labels("engine.class", "signal"), Histogram: h.Snapshot()})
	}
	whole := all.Snapshot()
	for _, step := range []time.Duration{interval, time.Minute, 5 * time.Minute, time.Hour} {
		ask := metric.Query{From: start(), To: s.now, Step: step}
		ask.Name = "engine.errors"
		sum := 0.0
		for _, p := range s.find(t, ask)[0].Points {
			sum += p.Value
		}
		if sum != total {
			t.Errorf("step %v: %v errors, want %v", step, sum, total)
		}
		ask.Name = "sqlite.wal.size"
		low, high := 1e9, -1.0
		for _, p := range s.find(t, ask)[0].Points {
			low, high = min(low, p.Low), max(high, p.High)
		}
		if low != 0 || high != 99 {
			t.Errorf("step %v: gauge from %v to %v, want 0 to 99", step, low, high)
		}
	}
	ask := metric.Query{Name: "db.client.operation.duration", Labels: metric.Labels("engine.class", "signal"), From: start(), To: s.now, Step: 3 * time.Hour, Quantiles: []float64{0.5, 0.99}}
	p := s.find(t, ask)[0].Points
	if len(p) != 1 || p[0].Count != whole.Count {
		t.Fatalf("three hours are %+v, want %d values", p, whole.Count)
	}
	for i, q := range ask.Quantiles {
		if want := float64(whole.Quantile(q)) / 1e9; p[0].Quantiles[i] != want {
			t.Errorf("p%v over three hours is %v, want %v: a percentile of all values", q*100, p[0].Quantiles[i], want)
		}
	}
	if got := s.find(t, metric.Query{Name: "engine.errors", Labels: metric.Labels("error.type", "other"), From: start(), To: s.now}); len(got) != 0 {
		t.Errorf("another label finds %+v", got)
	}
}

// The view is what a person reads in SQL.
func TestSchemaHasAView(t *testing.T) {
	t.Parallel()
	s := newShelf(t, filepath.Join(t.TempDir(), "t.db"), 64<<20)
	for i := range 13 {
		s.tick(t, counter(metric.Errors, float64(2*i+2), "error.type", "busy"))
	}
	got := map[string]float64{}
	err := s.file.Read(t.Context(), func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT level, sum(value) FROM metric WHERE json_extract(labels, '$.\"error.type\"') = 'busy' GROUP BY level", nil, func(v []sqlite.Value) error {
			got[string(v[0].Bytes)] = v[1].Float
			return nil
		})
	})
	if err != nil || got["raw"] != 26 || got["minute"] != 24 {
		t.Errorf("%v, %v: want 26 in thirteen ticks, 24 in two minutes", got, err)
	}
}

// What is too old goes, level by level.
func TestStoreExpires(t *testing.T) {
	t.Parallel()
	s := newShelf(t, filepath.Join(t.TempDir(), "t.db"), 64<<20)
	s.tick(t, counter(metric.Errors, 1, "error.type", "old"))
	s.now = s.now.Add(time.Hour)
	s.tick(t, counter(metric.Errors, 5, "error.type", "old"))
	count := func(table string) int64 {
		n := int64(0)
		if err := s.file.Read(t.Context(), func(c *sqlite.Conn) (err error) {
			n, err = c.QueryInt("SELECT count(*) FROM " + table)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, at := range []struct {
		after             time.Duration
		raw, minute, hour int64
	}{{49 * time.Hour, 2, 3, 3}, {31 * 24 * time.Hour, 2, 2, 4}, {3 * 365 * 24 * time.Hour, 2, 2, 2}} {
		s.now = start().Add(at.after)
		s.tick(t, counter(metric.Errors, 5+float64(at.after), "error.type", "old"))
		s.now = s.now.Add(time.Hour) // the hour of the last tick is complete
		s.tick(t, counter(metric.Errors, 6+float64(at.after), "error.type", "old"))
		if raw, minute, hour := count("raw"), count("minute"), count("hour"); raw > at.raw || minute > at.minute || hour > at.hour || raw == 0 || minute == 0 || hour == 0 {
			t.Errorf("after %v: %d raw, %d minutes, %d hours", at.after, raw, minute, hour)
		}
	}
	if raw, minute, hour := count("raw"), count("minute"), count("hour"); raw > 2 || minute > 2 || hour > 2 {
		t.Errorf("after three years: %d raw, %d minutes, %d hours", raw, minute, hour)
	}
}

// A store that has reached its limit gives up the oldest and goes on.
func TestStoreShrinks(t *testing.T) {
	t.Parallel()
	const limit = 2 << 20
	path := filepath.Join(t.TempDir(), "t.db")
	s := newShelf(t, path, limit)
	for i := range 1500 {
		var readings []metric.Reading
		for k := range 60 {
			readings = append(readings, counter(metric.Errors, float64(i*k+1), "error.type", fmt.Sprint("e", k)))
		}
		s.tick(t, readings...)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > limit {
		t.Errorf("%v, %v", info.Size(), err)
	}
	found := s.find(t, metric.Query{Name: "engine.errors", Labels: metric.Labels("error.type", "e7"), From: s.now.Add(-30 * time.Minute), To: s.now, Step: interval})
	if len(found) != 1 || len(found[0].Points) < 175 {
		t.Errorf("the last half hour is not there: %d series", len(found))
	}
}

// Six hours of 150 series and 100 fingerprints take at most 15 MB, and a chart of six hours is read in less than 10 ms. The short form takes 20 minutes and
// as much of the room, and only reports how long charts take: that is the machine's.
func TestStoreSize(t *testing.T) {
	ticks, long := 120, os.Getenv("TIDEGATE_TORTURE") != ""
	if long {
		ticks = 6 * 360
	}
	path := filepath.Join(t.TempDir(), "t.db")
	s := newShelf(t, path, 256<<20)
	random := rand.New(rand.NewPCG(5, 6))
	histograms := make([]histogram.Histogram, 130)
	values := make([]float64, 120)
	began := time.Now()
	for i := range ticks {
		var readings []metric.Reading
		for k := range values {
			values[k] += float64(random.IntN(1e6)) // most are counts and sizes
			if k < 10 {
				values[k] += random.Float64()
			}
			id := metric.Errors
			if k%2 == 1 {
				id = metric.WALSize
			}
			readings = append(readings, counter(id, values[k], "error.type", fmt.Sprint("series ", k)))
		}
		for k := range histograms {
			for range 20 {
				histograms[k].Add(int64(random.ExpFloat64() * 1e6))
			}
			if k < 30 {
				readings = append(readings, metric.Reading{ID: metric.OperationDuration, Labels: metric.Labels("engine.class", fmt.Sprint(k)), Histogram: histograms[k].Snapshot()})
			} else if i%6 == 5 {
				readings = append(readings, metric.Reading{ID: metric.QueryDuration, Labels: metric.Labels("sqlite.fingerprint", fmt.Sprintf("%016x", k)), Histogram: histograms[k].Snapshot()})
			}
		}
		s.tick(t, readings...)
	}
	tick := time.Since(began) / time.Duration(ticks)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(15_000_000 * ticks / 2160); info.Size() > limit {
		t.Errorf("%v take %d bytes, more than %d", time.Duration(ticks)*interval, info.Size(), limit)
	}
	var took []time.Duration
	for _, q := range []metric.Query{{Name: "engine.errors", Labels: metric.Labels("error.type", "series 4")}, {Name: "db.client.operation.duration", Labels: metric.Labels("engine.class", "3")},
		{Name: "engine.query.duration", Labels: metric.Labels("sqlite.fingerprint", fmt.Sprintf("%016x", 50))}} {
		q.From, q.To = s.now.Add(-time.Duration(ticks)*interval), s.now
		best := time.Hour
		for range 5 {
			began := time.Now()
			if found := s.find(t, q); len(found) != 1 || len(found[0].Points) < 18 {
				t.Fatalf("%s: %d series", q.Name, len(found))
			}
			best = min(best, time.Since(began))
		}
		took = append(took, best)
	}
	t.Logf("%v: %d bytes, %v a tick, charts %v", time.Duration(ticks)*interval, info.Size(), tick, took)
	if long && slices.Max(took) > 10*time.Millisecond {
		t.Errorf("charts take %v", took)
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	s := newShelf(t, filepath.Join(t.TempDir(), "t.db"), 1<<20)
	good := metric.Query{Name: "engine.errors", From: start(), To: start().Add(time.Hour)}
	for name, change := range map[string]func(*metric.Query){
		"no name": func(q *metric.Query) { q.Name = "" }, "no time": func(q *metric.Query) { q.To = q.From }, "quantile": func(q *metric.Query) { q.Quantiles = []float64{1.1} },
		"step": func(q *metric.Query) { q.Step = -1 }, "points": func(q *metric.Query) {
			q.Step, q.From = interval, start().Add(-40*time.Hour)
			q.To = start().Add(400 * time.Hour)
		},
	} {
		q := good
		change(&q)
		if _, err := metric.Find(t.Context(), s.file, interval, start(), q); !metric.IsQueryError(err) || !strings.HasPrefix(err.Error(), "metrics: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := metric.ParseLabels([]string{"nothing"}); !metric.IsQueryError(err) {
		t.Errorf("a label without a value: %v", err)
	}
}
