package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// outsider is a connection of another program to the stage's database.
func (s *stage) outsider() func(...string) { return elsewhere(s.t, s.path) }

// TestAlertsOfStorage: what happens to the file, to its disk and beside it.
func TestAlertsOfStorage(t *testing.T) {
	t.Parallel()
	for _, x := range storageIncidents() {
		t.Run(x.name, x.run)
	}
}

func storageIncidents() []incident {
	return []incident{
		{name: "a disk that fails", rule: "BreakerOpen", cause: "device_failed", says: []string{`"storage"`, "it opened after"}, within: 40, also: []string{"ErrorRate", "CommitOutcomeUnknown"},
			begin: func(s *stage) {
				s.faults.Add(faultfs.Rule{Kind: sqlite.OpSync, Sticky: true, Err: syscall.EIO})
			}, end: func(s *stage) { s.faults.Clear() }},
		{name: "a disk that is full", rule: "BreakerOpen", cause: "disk_full", says: []string{`"write"`}, within: 40, also: []string{"ErrorRate"},
			begin: func(s *stage) {
				s.free.Store(0)
				s.faults.Add(faultfs.Rule{Kind: sqlite.OpWrite, Sticky: true, Err: syscall.ENOSPC})
			}, each: func(s *stage) { business(s); business(s) }, end: func(s *stage) { s.free.Store(1 << 40); s.faults.Clear() }},
		{name: "an outcome that is not known", rule: "CommitOutcomeUnknown", cause: "device_failed", says: []string{"1 COMMITs that failed"}, within: 60, also: []string{"BreakerOpen"},
			config: minutely, begin: func(s *stage) {
				s.faults.Add(faultfs.Rule{Kind: sqlite.OpSync, Sticky: true, Err: syscall.EIO})
				_, err := s.db.Exec(s.t.Context(), "UPDATE t SET v = 'z' WHERE id = 2")
				s.faults.Clear()
				wantOnly(s.t, err, engine.ErrOutcomeUnknown)
			}},
		{name: "a disk that fills", rule: "DiskFullIn24h", cause: "disk_filling", says: []string{"are free", "less than", "it is full in", "not the engine's"}, within: 40, config: minutely,
			each: func(s *stage) { s.free.Add(-(1 << 30)) }, end: func(s *stage) { s.free.Store(1 << 40) }},
		{name: "damage", rule: "IntegrityFailed", cause: "file_damaged", says: []string{"quarantine"}, within: 4, also: []string{"ErrorRate"},
			begin: func(s *stage) {
				s.faults.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(11), Sticky: true})
				eventually(s.t, "a statement that meets the damage", func() bool {
					_ = s.db.QueryRow(s.t.Context(), "SELECT sum(length(v)) FROM t", engine.WithClass(engine.ClassAnalytics)).Scan(new(int))
					return s.db.Quarantine().Err() != nil
				})
				s.faults.Clear()
			}, end: func(s *stage) {
				if err := s.db.Quarantine().Reset(s.t.Context()); err != nil {
					s.t.Error(err)
				}
			}},
		{name: "a file that was moved", rule: "FileMoved", cause: "file_moved", says: []string{"moved, replaced or removed"}, within: 60, config: minutely,
			begin: func(s *stage) {
				raw, err := os.ReadFile(made(s.t))
				if err != nil {
					s.t.Fatal(err)
				}
				for _, end := range []string{"", "-wal", "-shm"} {
					if err := os.Rename(s.path+end, s.path+".moved"+end); err != nil && !errors.Is(err, os.ErrNotExist) {
						s.t.Fatal(err)
					}
				}
				write(s.t, s.path, raw)
			}},
		{name: "a reader of another program", rule: "WALOverCap", cause: "foreign_reader", says: []string{"another program"}, within: 30,
			config: func(c *engine.Config) {
				c.WAL.Soft, c.WAL.Hard, c.WAL.Cap, c.WAL.CheckpointFrames = 128<<10, 256<<10, 512<<10, 16
			}, begin: func(s *stage) {
				other := s.outsider()
				other("BEGIN", "SELECT count(*) FROM t")
				s.last = other
			}, each: func(s *stage) {
				for i := range 4 {
					_, _ = s.db.Exec(s.t.Context(), "UPDATE t SET v = ? WHERE id % 50 = 0", fmt.Sprint("number ", s.passed, i))
				}
			}, end: func(s *stage) { s.last.(func(...string))("COMMIT") }},
		{name: "a snapshot that is held", rule: "ReaderPinned", cause: "long_reader", says: []string{`"forgotten report"`, "SELECT v FROM t"}, within: 40,
			begin: func(s *stage) {
				s.last = hold(s, engine.WithName("forgotten report"), engine.WithClass(engine.ClassAnalytics))
			}, end: func(s *stage) { s.last.(func())() }},
		{name: "a migration that fails", rule: "MigrationFailed", cause: "migration_failed", says: []string{"nothing of it was applied"}, within: 10,
			config: minutely, begin: func(s *stage) {
				other := s.outsider()
				other("CREATE TABLE IF NOT EXISTS _tg_migration_run (run TEXT, kind TEXT, state TEXT, started_ns INTEGER)",
					"INSERT INTO _tg_migration_run (run, kind, state, started_ns) VALUES ('a', 'up', 'failed', 1)")
				s.last = other
			}, end: func(s *stage) { s.last.(func(...string))("UPDATE _tg_migration_run SET state = 'done'") }},
	}
}

// minutely has an interval of a minute, for rules that look far back.
func minutely(c *engine.Config) { c.Telemetry.Interval = time.Minute }

// hold keeps a View open until the function that it returns is called.
func hold(s *stage, opts ...engine.Option) (end func()) {
	begun, over, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.db.View(context.WithoutCancel(s.t.Context()), func(ctx context.Context, tx *engine.Tx) error {
			_ = tx.QueryRow(ctx, "SELECT v FROM t WHERE n = 3").Scan(new(string))
			close(begun)
			<-over
			return nil
		}, opts...)
	}()
	<-begun
	done := false
	end = func() {
		if !done {
			done = true
			close(over)
			<-ended
		}
	}
	s.undo = append(s.undo, end)
	return end
}
