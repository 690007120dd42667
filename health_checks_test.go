package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/enginetest"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/testdb"
)

// warns fails the test unless a check warns with these words while work goes on.
func warns(t *testing.T, db *engine.DB, name string, words ...string) {
	t.Helper()
	h := db.Health(t.Context())
	c := check(t, h, name)
	if c.OK || !c.Ready || !h.Ready || h.OK || h.Level() != engine.HealthDegraded || c.Remedy == "" {
		t.Errorf("%s does not warn: %+v; ready %v, ok %v", name, c, h.Ready, h.OK)
	}
	for _, w := range words {
		if !strings.Contains(c.Detail, w) {
			t.Errorf("%q is not in %q", w, c.Detail)
		}
	}
}

// isWell fails the test unless a check is well.
func isWell(t *testing.T, db *engine.DB, name string) {
	t.Helper()
	if c := check(t, db.Health(t.Context()), name); !c.OK || !c.Ready || c.Remedy != "" {
		t.Errorf("not well again: %+v", c)
	}
}

// openWith opens a database on a clock and a file system of the test's own.
func openWith(t *testing.T, now *clock.Fake, free func(string) (int64, bool), change func(*engine.Config)) (db *engine.DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "health.db")
	cfg := config(path)
	if change != nil {
		change(&cfg)
	}
	ctx := testdb.WithFree(t.Context(), free)
	if now != nil {
		ctx = testdb.WithClock(ctx, now)
	}
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, path
}

// TestHealthOfTheDisk: too little room is a warning, and a file system that hangs is one, which keeps nobody waiting.
func TestHealthOfTheDisk(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(1 << 40)
	hang := make(chan struct{})
	db, _ := openWith(t, nil, func(string) (int64, bool) {
		n := free.Load()
		if n < 0 {
			<-hang
		}
		return n, true
	}, nil)
	isWell(t, db, "disk")
	free.Store(512<<20 - 1)
	warns(t, db, "disk", "536870911 bytes free", "health.disk_free")
	free.Store(512 << 20)
	isWell(t, db, "disk")
	free.Store(-1)
	within(t, 30*time.Second, "Health of a disk that hangs", func() { warns(t, db, "disk", "does not say") })
	free.Store(1 << 40)
	close(hang)
	eventually(t, "the disk to answer", func() bool { return check(t, db.Health(t.Context()), "disk").OK })
}

// TestHealthOfASnapshot: a View that stays open is named once it is older than allowed.
func TestHealthOfASnapshot(t *testing.T) {
	t.Parallel()
	now := clock.NewFake(monday())
	db, _ := openWith(t, now, nil, nil)
	exec(t, db, "CREATE TABLE t (a)")
	err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM t").Scan(new(int)); err != nil {
			return err
		}
		now.Advance(4 * time.Minute)
		isWell(t, db, "snapshot")
		now.Advance(2 * time.Minute)
		warns(t, db, "snapshot", `"month's end"`, "reader lane", "health.snapshot_age")
		return nil
	}, engine.WithName("month's end"))
	if err != nil {
		t.Fatal(err)
	}
	isWell(t, db, "snapshot")
}

// TestHealthOfAForeignSnapshot: that of another program is found by what it does to checkpoints.
func TestHealthOfAForeignSnapshot(t *testing.T) {
	t.Parallel()
	now := clock.NewFake(monday())
	db, path := openWith(t, now, nil, func(c *engine.Config) { c.WAL.CheckpointFrames = 20 })
	exec(t, db, "CREATE TABLE t (a)")
	other := elsewhere(t, path)
	other("BEGIN", "SELECT count(*) FROM t")
	exec(t, db, "INSERT INTO t VALUES (zeroblob(200000))")
	eventually(t, "a checkpoint, which comes after the commit", func() bool { return db.Stats().Oldest.Foreign })
	now.Advance(6 * time.Minute)
	warns(t, db, "snapshot", "another program has kept one open for 6m")
	other("ROLLBACK")
	eventually(t, "the snapshot to be over", func() bool { return check(t, db.Health(t.Context()), "snapshot").OK })
}

// TestHealthOfAForeignWriter: what another program commits is noticed, and forgiven after a minute.
func TestHealthOfAForeignWriter(t *testing.T) {
	t.Parallel()
	now := clock.NewFake(monday())
	db, path := openWith(t, now, nil, nil)
	exec(t, db, "CREATE TABLE t (a)")
	isWell(t, db, "foreign")
	other := elsewhere(t, path)
	other("INSERT INTO t VALUES (1)")
	warns(t, db, "foreign", "another program has written")
	now.Advance(59 * time.Second)
	warns(t, db, "foreign")
	now.Advance(2 * time.Second)
	isWell(t, db, "foreign")
	other("INSERT INTO t VALUES (2)")
	warns(t, db, "foreign", "seen 2 times")
}

// frail is a sink of spans that a test breaks.
type frail struct{ broken atomic.Bool }

func (f *frail) ExportSpans(context.Context, []trace.Span) error {
	if f.broken.Load() {
		return errors.New("the collector is away")
	}
	return nil
}

// TestHealthOfTelemetry: what is lost now is a warning; what was lost a minute ago is a number.
func TestHealthOfTelemetry(t *testing.T) {
	t.Parallel()
	now := clock.NewFake(monday())
	sink := &frail{}
	db, _ := openWith(t, now, nil, func(c *engine.Config) { c.Trace.Sink = sink })
	lose := func() {
		t.Helper()
		before := db.Stats().Trace.Dropped.Failed
		sink.broken.Store(true)
		exec(t, db, "CREATE TABLE IF NOT EXISTS t (a)")
		if err := db.Trace().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if db.Stats().Trace.Dropped.Failed == before {
			t.Fatal("nothing was lost")
		}
		sink.broken.Store(false)
	}
	isWell(t, db, "telemetry")
	lose()
	warns(t, db, "telemetry", "of spans")
	now.Advance(61 * time.Second)
	isWell(t, db, "telemetry")
	lose()
	warns(t, db, "telemetry", "of spans")
}

// TestHealthOfTheLog: over its hard limit it is a warning, and work goes on.
func TestHealthOfTheLog(t *testing.T) {
	t.Parallel()
	db := open(t, func(c *engine.Config) {
		c.WAL = engine.WALConfig{CheckpointFrames: 20, Soft: 1 << 20, Hard: 2 << 20, Cap: 64 << 20, SnapshotAge: time.Hour}
	})
	exec(t, db, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM t").Scan(new(int)); err != nil {
			return err
		}
		exec(t, db, "INSERT INTO t VALUES (zeroblob(3000000))")
		warns(t, db, "wal", "soft limit 1048576")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log to be reset", func() bool {
		exec(t, db, "INSERT INTO t VALUES (zeroblob(200000))")
		return check(t, db.Health(t.Context()), "wal").OK
	})
}

// TestHealthThatCannotRead: with every connection of the readers taken nothing can be read, and when they come back it can.
func TestHealthThatCannotRead(t *testing.T) {
	t.Parallel()
	db := open(t, func(c *engine.Config) { c.Readers.Connections = 1 })
	rows, err := db.Query(t.Context(), "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c")
	if err != nil {
		t.Fatal(err)
	}
	h := inTimeFor(t, db, "write")
	if c := check(t, h, "read"); c.OK || c.Ready || c.Remedy == "" || h.Ready || h.Level() != engine.HealthDown {
		t.Errorf("%+v; ready %v, level %v", c, h.Ready, h.Level())
	}
	if c := check(t, h, "write"); !c.OK {
		t.Errorf("the writer is free: %+v", c)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if h := db.Health(t.Context()); h.Level() != engine.HealthOK {
		t.Errorf("not well again: %+v", h)
	}
}

// TestHealthOfAWriterThatHangs: a statement that never comes back keeps the writer, and nobody who asks for health waits for it.
func TestHealthOfAWriterThatHangs(t *testing.T) {
	t.Parallel()
	entered, hang := make(chan struct{}), make(chan struct{})
	db := open(t, func(c *engine.Config) {
		c.Extend.Functions = []engine.Function{{Name: "hang", Scalar: func([]engine.Value) (any, error) {
			close(entered)
			<-hang
			return int64(1), nil
		}}}
	})
	exec(t, db, "CREATE TABLE t (a)")
	ended := make(chan error, 1)
	go func() {
		_, err := db.Exec(context.Background(), "INSERT INTO t VALUES (hang())")
		ended <- err
	}()
	<-entered
	within(t, 30*time.Second, "Health beside a writer that hangs", func() {
		h := inTimeFor(t, db, "read")
		if c := check(t, h, "write"); c.OK || h.Ready || !strings.Contains(c.Remedy, "long transaction") {
			t.Errorf("%+v", c)
		}
		if c := check(t, h, "read"); !c.OK {
			t.Errorf("%+v", c)
		}
	})
	close(hang)
	<-ended
	eventually(t, "the writer to answer", func() bool { return check(t, db.Health(t.Context()), "write").OK })
}

// TestHealthOfAlerts: an alert that goes on is a warning, unless somebody has silenced it, and is over when it is.
func TestHealthOfAlerts(t *testing.T) {
	t.Parallel()
	turned := enginetest.NewClock(monday())
	db := enginetest.Open(t, enginetest.WithClock(turned), enginetest.WithConfig(func(c *engine.Config) {
		c.Alerts.Rules = []engine.AlertRule{{Name: "Failing", When: "increase(engine.errors[1m]) > 3", Severity: engine.AlertWarning, Title: "statements fail"}}
	}))
	isWell(t, db, "alerts")
	for range 5 {
		if _, err := db.Exec(t.Context(), "INSERT INTO nothing VALUES (1)"); err == nil {
			t.Fatal("a table that is not there was written")
		}
	}
	pass(t, db, turned, 1)
	warns(t, db, "alerts", "Failing (warning): statements fail")
	_, err := db.Alerts().Silence(t.Context(), engine.AlertSilence{Rule: "Failing", Until: turned.Now().Add(time.Hour), Why: "known", By: "ops"})
	if err != nil {
		t.Fatal(err)
	}
	pass(t, db, turned, 1)
	if c := check(t, db.Health(t.Context()), "alerts"); !c.OK || !strings.Contains(c.Detail, "Failing") {
		t.Errorf("silenced: %+v", c)
	}
	pass(t, db, turned, 7)
	if c := check(t, db.Health(t.Context()), "alerts"); !c.OK || c.Detail != "none is firing" {
		t.Errorf("it is over: %+v", c)
	}
}
