package engine_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
	"github.com/tidegate/engine/internal/testconn"
	"github.com/tidegate/engine/internal/testdb"
)

// reading is the present value of a metric without labels.
func reading(db *engine.DB, name string) (value float64, ok bool) {
	for _, s := range db.Telemetry().Now() {
		if s.Name == name {
			return s.Points[0].Value, true
		}
	}
	return 0, false
}

func wantReading(t *testing.T, db *engine.DB, name string, want float64) {
	t.Helper()
	if got, ok := reading(db, name); !ok || got != want {
		t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
	}
}

// TestDiskFreeIsRead: what the file system says is the reading; where it says nothing, or nothing in time, there is none, and nobody waits.
func TestDiskFreeIsRead(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	silent := make(chan struct{})
	defer close(silent)
	cfg := config(filepath.Join(t.TempDir(), "free.db"))
	db, err := engine.Open(testdb.WithFree(t.Context(), func(string) (int64, bool) {
		n := free.Load()
		if n < 0 {
			<-silent
		}
		return n, n > 0
	}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if v, ok := reading(db, "engine.disk.free"); ok {
		t.Errorf("the system does not tell, and the reading is %v", v)
	}
	free.Store(1 << 30)
	wantReading(t, db, "engine.disk.free", 1<<30)
	free.Store(-1)
	began := time.Now()
	if v, ok := reading(db, "engine.disk.free"); ok {
		t.Errorf("the file system hangs, and the reading is %v", v)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("whoever asks for metrics waited %v for a file system that hangs", took)
	}
	memory := open(t, func(c *engine.Config) { c.URL = "sqlite://" })
	if v, ok := reading(memory, "engine.disk.free"); ok {
		t.Errorf("a database in memory has %v bytes of disk", v)
	}
	if v, ok := reading(open(t), "engine.disk.free"); !ok || v <= 0 {
		t.Errorf("the system's own answer is %v, %v", v, ok)
	}
}

// TestSnapshotAgeIsRead: the age of a View that stays open, and 0 when it has ended.
func TestSnapshotAgeIsRead(t *testing.T) {
	t.Parallel()
	clock := enginetest.NewClock(monday())
	db := enginetest.Open(t, enginetest.WithFile(), enginetest.WithClock(clock), enginetest.WithSQL("CREATE TABLE t (a)"),
		enginetest.WithConfig(func(c *engine.Config) { c.Logger = slog.New(slog.DiscardHandler) }))
	wantReading(t, db, "engine.snapshot.age", 0)
	err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM t").Scan(new(int)); err != nil {
			return err
		}
		clock.Advance(7 * time.Minute)
		if v, _ := reading(db, "engine.snapshot.age"); v < 419 || v > 421 {
			t.Errorf("after seven minutes it is %v", v)
		}
		if o := db.Stats().Oldest; o.Holder != "report" || o.Foreign {
			t.Errorf("the oldest is %+v", o)
		}
		return nil
	}, engine.WithName("report"))
	if err != nil {
		t.Fatal(err)
	}
	wantReading(t, db, "engine.snapshot.age", 0)
}

// TestQuarantineIsRead: 1 from the damage on, and across a restart.
func TestQuarantineIsRead(t *testing.T) {
	t.Parallel()
	path := damagedFile(t)
	db, err := engine.Open(t.Context(), config(path))
	if err != nil {
		t.Fatal(err)
	}
	wantReading(t, db, "engine.quarantine", 0)
	wantOnly(t, db.QueryRow(t.Context(), "SELECT sum(length(x)) FROM big").Scan(new(int)), engine.ErrCorrupt)
	wantReading(t, db, "engine.quarantine", 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantReading(t, openAt(t, path), "engine.quarantine", 1)
}

// elsewhere is a connection of another program.
func elsewhere(t *testing.T, path string) func(statements ...string) {
	t.Helper()
	c := testconn.Open(t, path)
	return func(statements ...string) {
		t.Helper()
		testconn.Exec(t, c, statements...)
	}
}

// TestMigrationFailedIsRead: a run that the database tells of counts until one has gone well.
func TestMigrationFailedIsRead(t *testing.T) {
	t.Parallel()
	clock := enginetest.NewClock(monday())
	db := observed(t, clock, nil)
	other := elsewhere(t, strings.TrimSuffix(telemetryPath(db), ".telemetry.db"))
	failed := func(want float64) {
		t.Helper()
		enginetest.Eventually(t, "the minute's look at the database", func() bool {
			clock.Advance(time.Minute)
			got, ok := reading(db, "engine.migration.failed")
			return ok && got == want
		})
	}
	failed(0)
	other("CREATE TABLE _tg_migration_run (run TEXT, kind TEXT, state TEXT, started_ns INTEGER)",
		"INSERT INTO _tg_migration_run VALUES ('a', 'up', 'done', 1), ('b', 'up', 'restored', 2)")
	failed(1)
	other("INSERT INTO _tg_migration_run VALUES ('c', 'up', 'done', 3)")
	failed(0)
	other("INSERT INTO _tg_migration_run VALUES ('d', 'up', 'failed', 4), ('e', 'down', 'failed', 5)")
	failed(2)
	other("UPDATE _tg_migration_run SET state = 'done'")
	failed(0)
}
