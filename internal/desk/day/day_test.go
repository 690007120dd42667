package day_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/day"
	"github.com/tidegate/engine/internal/desk/sim"
	"github.com/tidegate/engine/migrations"
)

func open(t *testing.T) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig("sqlite:///" + filepath.Join(t.TempDir(), "production_trading.db"))
	cfg.Migrations = migrations.FS
	cfg.Writer.Durability = engine.Relaxed // one session: every commit would wait for its own fsync
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

func config(seed uint64) day.Config {
	return day.Config{Seed: seed, From: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), Days: 1, Rate: 0.3, Act: 0.05, Accounts: 6,
		Faults: sim.Faults{Reject: 0.02, Duplicate: 0.02, LateFill: 0.05, Bust: 0.02, Overfill: 0.01}}
}

func run(t *testing.T, db *engine.DB, cfg day.Config) day.Result {
	t.Helper()
	start := time.Now()
	res, err := day.Run(context.Background(), db, cfg)
	if err != nil {
		t.Fatalf("%+v: %v", res, err)
	}
	t.Logf("%v: %+v", time.Since(start).Round(time.Millisecond), res)
	return res
}

func TestDayX(t *testing.T) {
	db := open(t)
	run(t, db, config(1))
	start := time.Now()
	verdicts, err := desk.Verify(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(start))
	for _, v := range verdicts {
		if v.Broken > 0 {
			t.Errorf("%s %s: %d, %s", v.Name, v.Rule, v.Broken, v.Example)
		}
	}
}
