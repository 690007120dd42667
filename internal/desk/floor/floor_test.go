package floor_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/floor"
	"github.com/tidegate/engine/internal/desk/sim"
	"github.com/tidegate/engine/migrations"
)

func open(t *testing.T) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig("sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "floor.db")))
	cfg.Migrations = migrations.FS
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Enough faults for each kind to be met in a second.
func config() floor.Config {
	return floor.Config{Seed: 1, Sessions: 30, Duration: time.Second, Faults: sim.Faults{Reject: 0.05, Duplicate: 0.05, LateFill: 0.05, Bust: 0.05, Overfill: 0.02}}
}

func TestBooksHoldUnderLoadAndFaults(t *testing.T) {
	t.Parallel()
	db := open(t)
	cfg := config()
	var acknowledged, progress atomic.Int64
	cfg.Acknowledged = func(int64) error { acknowledged.Add(1); return nil }
	cfg.Progress = func(floor.Progress) { progress.Add(1) }
	cfg.Duration += 300 * time.Millisecond
	r, err := floor.Run(t.Context(), db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range r.Invariants {
		if i.Broken > 0 {
			t.Errorf("%s %s: %s", i.Name, i.Rule, i.Example)
		}
	}
	c := r.Counts
	if !r.Sound || c.Fills == 0 || c.Busts == 0 || c.Duplicates == 0 || c.Cancels == 0 || c.Rejects == 0 {
		t.Errorf("%+v", c)
	}
	var rows int64
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM executions`).Scan(&rows); err != nil || rows != acknowledged.Load() || rows != c.Fills+c.Busts {
		t.Errorf("%d executions, %d acknowledged, %d counted, %v", rows, acknowledged.Load(), c.Fills+c.Busts, err)
	}
	if progress.Load() == 0 {
		t.Error("no progress was reported")
	}
	var groups uint64
	for _, n := range r.Writer.GroupSizes {
		groups += n
	}
	if groups != r.Writer.Groups || r.Writer.Transactions < r.Writer.Durable || r.Writer.Fsyncs == 0 {
		t.Errorf("%+v", r.Writer)
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil || strings.Contains(out.String(), "BROKEN") || !strings.Contains(out.String(), "simulated") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestAFailureEndsTheRun(t *testing.T) {
	t.Parallel()
	db := open(t)
	cfg := config()
	cfg.Duration = time.Hour
	full := errors.New("ledger is full")
	cfg.Acknowledged = func(int64) error { return full }
	if _, err := floor.Run(t.Context(), db, cfg); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []floor.Config{{Duration: time.Second}, {Sessions: 1}} {
		if _, err := floor.Run(t.Context(), db, bad); err == nil {
			t.Errorf("%+v was run", bad)
		}
	}
}
