package signals_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/load/signals"
	"github.com/tidegate/engine/migrations"
)

func open(t *testing.T) (db *engine.DB, dir string) {
	t.Helper()
	dir = t.TempDir()
	cfg := engine.DefaultConfig(filepath.Join(dir, "bench.db"))
	cfg.Migrations = migrations.FS
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, dir
}

func config(dir string) signals.Config {
	return signals.Config{Dir: dir, Sessions: 20, Writes: 200, Reads: 400, Duration: 500 * time.Millisecond, Seed: 5}
}

func count(t *testing.T, db *engine.DB, sql string) (n int64) {
	t.Helper()
	if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSignals runs the load against all three and looks into the database for what the report says.
func TestSignals(t *testing.T) {
	t.Parallel()
	db, dir := open(t)
	c := config(dir)
	c.Versus = signals.Peers()
	var phases []string
	c.Progress = func(p string) { phases = append(phases, p) }
	r, err := signals.Run(t.Context(), db, c)
	// A machine that stops us in a transaction takes its lease away. Every time it does not.
	for began := time.Now(); err == nil && errors.Is(r.Failed(), engine.ErrLeaseExpired) && time.Since(began) < time.Minute; {
		db, dir = open(t)
		c.Dir, phases = dir, nil
		r, err = signals.Run(t.Context(), db, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Failed(); err != nil || r.Writes.Errors != 0 || r.Reads.Errors != 0 {
		t.Errorf("errors: %v, %d writes, %d reads", err, r.Writes.Errors, r.Reads.Errors)
	}
	for _, s := range []signals.Stream{r.Writes, r.Reads} {
		if s.Offered <= 0 || s.Done <= 0 || s.P50 <= 0 || s.P95 < s.P50 || s.P99 < s.P95 || s.Max < s.P99 {
			t.Errorf("%+v", s)
		}
	}
	if r.Reads.Offered < 1.3*r.Writes.Offered {
		t.Errorf("%.0f reads/s and %.0f writes/s offered, want two to one", r.Reads.Offered, r.Writes.Offered)
	}
	if r.TxnPerFsync < 1 || r.Saturation.TxnPerFsync <= 1 || r.RSS < 1 || r.Calibration.Fsync <= 0 || r.Calibration.Select <= 0 {
		t.Errorf("%+v", r)
	}
	for _, name := range signals.Peers() {
		v := r.Versus[name]
		if v.Writes <= 0 || v.Errors != 0 || v.Ratio < 0.9*r.Saturation.Writes/v.Writes || v.Ratio > 1.1*r.Saturation.Writes/v.Writes {
			t.Errorf("%s: %+v beside %.0f writes/s of the engine", name, v, r.Saturation.Writes)
		}
	}
	if len(phases) != 6 {
		t.Errorf("phases %q", phases)
	}
	written := count(t, db, "SELECT count(*) FROM signals WHERE ts_event > 1000000000000")
	if least := int64(r.Writes.Offered*c.Duration.Seconds() + r.Saturation.Writes*c.Duration.Seconds()*0.9); written < least {
		t.Errorf("%d signals written, want %d at least", written, least)
	}
	if n := count(t, db, "SELECT count(*) FROM signals WHERE status = 'new'"); n < 1 || n > int64(c.Sessions) {
		t.Errorf("%d signals wait, want one for each of %d sessions at most: each ends its last", n, c.Sessions)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if !strings.HasPrefix(f.Name(), "bench.db") {
			t.Errorf("left behind: %s", f.Name())
		}
	}
}

// A second run goes on with what is there.
func TestSignalsAgain(t *testing.T) {
	t.Parallel()
	db, dir := open(t)
	c := config(dir)
	c.Duration, c.Even, c.Durability = 100*time.Millisecond, true, engine.Relaxed
	for range 2 {
		before := db.Stats().Syncs
		r, err := signals.Run(t.Context(), db, c)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed() != nil || r.Durability != "relaxed" || r.Arrivals != "even" || r.Writes.Done == 0 {
			t.Errorf("%+v: %v", r, r.Failed())
		}
		if syncs, jobs := db.Stats().Syncs-before, db.Stats().Writer.Jobs; syncs > int64(jobs)/10 {
			t.Errorf("%d syncs for %d relaxed transactions", syncs, jobs)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM signals WHERE ts_event <= 1000000000000"); n != 5*40*100 {
		t.Errorf("%d signals of the past, want 20,000 once", n)
	}
}

// A store that loses what it has acknowledged must not pass.
func TestSignalsFindsLosses(t *testing.T) {
	t.Parallel()
	for name, trigger := range map[string]string{
		"are in the database": "CREATE TRIGGER loses AFTER UPDATE OF status ON signals WHEN NEW.signal_id % 7 = 0 BEGIN DELETE FROM signals WHERE signal_id = NEW.signal_id; END", // nobody asks for it again
		"acknowledged":        "CREATE TRIGGER loses AFTER INSERT ON signals WHEN NEW.signal_id % 7 = 0 AND NEW.ts_event > 1000000000000 BEGIN DELETE FROM signals WHERE signal_id = NEW.signal_id; END",
		"vetoed":              "CREATE TRIGGER vetoes BEFORE INSERT ON signals WHEN NEW.signal_id % 7 = 0 AND NEW.ts_event > 1000000000000 BEGIN SELECT RAISE(ABORT, 'vetoed'); END",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, dir := open(t)
			if _, err := db.Exec(t.Context(), trigger); err != nil {
				t.Fatal(err)
			}
			c := config(dir)
			c.Duration = 200 * time.Millisecond
			r, err := signals.Run(t.Context(), db, c)
			said := err
			if err == nil {
				said = r.Failed()
			}
			if said == nil || !strings.Contains(said.Error(), name) {
				t.Errorf("run %v; want an error that says %q", said, name)
			}
			if err == nil && r.Writes.Errors == 0 {
				t.Errorf("no errors counted: %+v", r.Writes)
			}
		})
	}
}

// What fails while the engine warms up is not in the figures, and told all the same.
func TestSignalsTellsOfTheWarmUp(t *testing.T) {
	t.Parallel()
	db, dir := open(t)
	if _, err := db.Exec(t.Context(), "CREATE TRIGGER once BEFORE INSERT ON signals WHEN NEW.signal_id = 20005 BEGIN SELECT RAISE(ABORT, 'vetoed'); END"); err != nil {
		t.Fatal(err)
	}
	c := config(dir)
	c.Duration = 200 * time.Millisecond
	r, err := signals.Run(t.Context(), db, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Failed(); err == nil || !strings.Contains(err.Error(), "vetoed") || r.Writes.Errors != 0 {
		t.Errorf("failed with %v, %d errors in the figures", err, r.Writes.Errors)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	db, dir := open(t)
	c := config(dir)
	c.Versus = []string{"oracle"}
	if _, err := signals.Run(t.Context(), db, c); err == nil || !strings.Contains(err.Error(), "oracle") {
		t.Errorf("compared with oracle: %v", err)
	}
	c.Versus, c.Sessions = nil, 0
	if _, err := signals.Run(t.Context(), db, c); err == nil {
		t.Error("a run of nobody")
	}
}

// TestReportMissed holds the bars at their edges.
func TestReportMissed(t *testing.T) {
	t.Parallel()
	good := signals.Report{Writes: signals.Stream{Offered: 1000, Done: 999, P95: 4.9, P99: 14.9}, Reads: signals.Stream{Offered: 2000, Done: 1999, P95: 4.9}, Fairness: signals.Fairness{SlowestOverMean: 0.34}}
	if missed := good.Missed(); missed != nil {
		t.Errorf("a good run missed %q", missed)
	}
	for says, spoil := range map[string]func(*signals.Report){
		"write p95":       func(r *signals.Report) { r.Writes.P95 = 5 },
		"write p99":       func(r *signals.Report) { r.Writes.P99 = 15 },
		"read p95":        func(r *signals.Report) { r.Reads.P95 = 5 },
		"slowest session": func(r *signals.Report) { r.Fairness.SlowestOverMean = 0.33 },
		"writes/s":        func(r *signals.Report) { r.Writes.Done = 980 },
		"reads/s":         func(r *signals.Report) { r.Reads.Done = 1900 },
	} {
		bad := good
		spoil(&bad)
		if missed := bad.Missed(); len(missed) != 1 || !strings.Contains(missed[0], says) {
			t.Errorf("%s: missed %q", says, missed)
		}
	}
}

// TestReportKeys holds the JSON keys, which other programs read.
func TestReportKeys(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(&signals.Report{Versus: map[string]signals.Peer{"naive": {}, "single": {}}})
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	stream := []string{"offered_per_s", "done_per_s", "p50_ms", "p95_ms", "p99_ms", "max_ms", "errors"}
	paths := []string{"fairness.slowest_over_mean", "txn_per_fsync", "rss_mb", "saturation.writes_per_s", "calibration.fsync_per_s", "calibration.select_per_s"}
	for _, key := range stream {
		paths = append(paths, "writes."+key, "reads."+key)
	}
	for _, name := range signals.Peers() {
		paths = append(paths, "versus."+name+".saturation_writes_per_s", "versus."+name+".ratio")
	}
	for _, path := range paths {
		var at any = tree
		for key := range strings.SplitSeq(path, ".") {
			object, _ := at.(map[string]any)
			at = object[key]
		}
		if _, number := at.(float64); !number {
			t.Errorf("%s is %v in %s", path, at, text)
		}
	}
}
