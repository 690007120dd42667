package lane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// filled is a rig with a table of which n rows are only in the log.
func filled(t *testing.T, n int) *rig {
	t.Helper()
	r := build(t, func(s *setup) {
		s.cfg.Writer.IdleTruncate = time.Hour
		s.cfg.Writer.BusyTimeout = 300 * time.Millisecond
		s.cfg.WAL.CheckpointFrames = 1 << 20
	})
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO t VALUES (0, NULL)")
	conn, err := r.store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = conn.Checkpoint(sqlite.Passive)
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	r.fill(t, 1, n)
	return r
}

func (r *rig) noticed(t *testing.T, times uint64) {
	t.Helper()
	eventually(t, "the lanes to notice", func() bool { return r.Stats().Writer.File.Moved >= times })
}

// afterCrash counts the rows that a start after a power cut would find: it has the database and the log, and no -shm.
func (r *rig) afterCrash(t *testing.T) int64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crashed.db")
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(r.path + end)
		if err == nil {
			err = os.WriteFile(path+end, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlite.Open(t.Context(), sqlite.Location{Path: path}, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.QueryText("PRAGMA integrity_check"); err != nil || got != "ok" {
		t.Errorf("after a crash: %q, %v", got, err)
	}
	n, err := c.QueryInt("SELECT count(*) FROM t")
	if err != nil {
		t.Error(err)
	}
	return n
}

func (r *rig) aside(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(r.path + "-wal.orphaned-*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestLogTakenAway: a reader's old snapshot keeps the log from being copied into the database, and what is in the log is nowhere else. Then
// the log loses its name. Nothing is lost, now or with a power cut, and whoever reads by the old index is told so.
func TestLogTakenAway(t *testing.T) {
	t.Parallel()
	stranger := filled(t, 3)
	for name, take := range map[string]func(wal string) error{
		"removed": os.Remove,
		"renamed": func(wal string) error { return os.Rename(wal, wal+".away") },
		"emptied": func(wal string) error {
			return errors.Join(os.WriteFile(wal+".new", nil, 0o600), os.Rename(wal+".new", wal))
		},
		"replaced": func(wal string) error {
			data, err := os.ReadFile(stranger.path + "-wal")
			return errors.Join(err, os.WriteFile(wal+".new", data, 0o600), os.Rename(wal+".new", wal))
		},
		"removed with its index": func(wal string) error {
			return errors.Join(os.Remove(wal), os.Remove(strings.TrimSuffix(wal, "wal")+"shm"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := filled(t, 20)
			pinned := r.pin(t)
			r.fill(t, 21, 60)
			if err := take(r.path + "-wal"); err != nil {
				t.Fatal(err)
			}
			// A connection that is opened before the lane has looked must not read the one log by the index of the other.
			// It waits for the lane, and is told to try again where the machine stops us for longer than it waits.
			var rd *lane.Reader
			var err error
			eventually(t, "a new connection", func() bool {
				rd, err = r.Read(t.Context(), lane.ReadOptions{Fresh: true})
				return err == nil || sqlite.ClassOf(err) != sqlite.CantOpen || !strings.Contains(err.Error(), "try again")
			})
			if err != nil {
				t.Errorf("a new connection: %v", err)
			} else {
				rd.Close()
			}
			r.noticed(t, 1)
			if n := r.number(t, "SELECT count(*) FROM t"); n != 61 {
				t.Errorf("%d rows of 61", n)
			}
			r.fill(t, 61, 70)
			if n := r.afterCrash(t); n != 71 {
				t.Errorf("%d rows of 71 after a crash", n)
			}
			if _, err := pinned.Open(t.Context(), "SELECT n FROM t", nil); sqlite.ClassOf(err) != sqlite.Moved {
				t.Errorf("the old snapshot goes on: %v", err)
			}
			r.sound(t)
			if n := len(r.aside(t)); (n == 1) != (name == "replaced") {
				t.Errorf("%d logs set aside", n)
			}
			if st := r.Stats().Writer.File; st.Moved != 1 {
				t.Errorf("noticed %d times", st.Moved)
			}
		})
	}
}

// TestReplacedBesideItsLog puts a backup in the place of the database and leaves the log there. To play the one into the other would
// make neither of them.
func TestReplacedBesideItsLog(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"at once", "after it was missed"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			r := filled(t, 5)
			pinned := r.pin(t) // it keeps the log's index from being taken for one that nobody uses
			conn, err := r.store.Connect(t.Context(), sqlite.Maintenance)
			if err != nil {
				t.Fatal(err)
			}
			backup := filepath.Join(t.TempDir(), "backup.db")
			if err := errors.Join(conn.CopyTo(backup), conn.Close()); err != nil {
				t.Fatal(err)
			}
			r.must(t, "DELETE FROM t WHERE n < 3", "CREATE INDEX t_pad ON t (pad)")
			r.fill(t, 6, 60)
			if first == "after it was missed" {
				if err := os.Rename(r.path, r.path+".old"); err != nil {
					t.Fatal(err)
				}
				r.noticed(t, 1)
				if err := r.exec(t.Context(), "DELETE FROM t"); sqlite.ClassOf(err) != sqlite.CantOpen {
					t.Errorf("a write where there is no database: %v", err)
				}
			}
			if err := os.Rename(backup, r.path); err != nil {
				t.Fatal(err)
			}
			r.noticed(t, 1)
			r.fill(t, 100, 101)
			if n := r.number(t, "SELECT count(*) FROM t"); n != 8 {
				t.Errorf("%d rows, want those of the backup and two", n)
			}
			if n := r.number(t, "SELECT count(*) FROM sqlite_schema WHERE name = 't_pad'"); n != 0 {
				t.Error("what was in the log is in the other database")
			}
			if _, err := pinned.Open(t.Context(), "SELECT n FROM t", nil); err != nil {
				t.Errorf("a snapshot of the database that was moved away: %v", err)
			}
			r.sound(t)
			if n := r.afterCrash(t); n != 8 {
				t.Errorf("%d rows of 8 after a crash", n)
			}
			if names := r.aside(t); len(names) != 1 {
				t.Errorf("set aside: %q", names)
			}
		})
	}
}

// TestMovedAwayAndBack: the log of a database that is missed for a while waits for it.
func TestMovedAwayAndBack(t *testing.T) {
	t.Parallel()
	r := filled(t, 30)
	pinned := r.pin(t)
	r.fill(t, 31, 40)
	if err := os.Rename(r.path, r.path+".old"); err != nil {
		t.Fatal(err)
	}
	r.noticed(t, 1)
	if err := r.exec(t.Context(), "DELETE FROM t"); sqlite.ClassOf(err) != sqlite.CantOpen {
		t.Errorf("a write where there is no database: %v", err)
	}
	if err := os.Rename(r.path+".old", r.path); err != nil {
		t.Fatal(err)
	}
	r.fill(t, 41, 50)
	if n := r.number(t, "SELECT count(*) FROM t"); n != 51 {
		t.Errorf("%d rows of 51", n)
	}
	if _, err := pinned.Open(t.Context(), "SELECT n FROM t", nil); err != nil {
		t.Errorf("a snapshot of before: %v", err)
	}
	if n := r.afterCrash(t); n != 51 {
		t.Errorf("%d rows of 51 after a crash", n)
	}
	if names := r.aside(t); len(names) != 0 {
		t.Errorf("set aside: %q", names)
	}
	r.sound(t)
}

// holdCheckpoints takes the lock of whoever is at a checkpoint, as another program does meanwhile.
func holdCheckpoints(t *testing.T, path string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { f.Close() })
	t.Cleanup(release)
	const ofdSetLock, checkpointLock = 37, 121
	if err := syscall.FcntlFlock(f.Fd(), ofdSetLock, &syscall.Flock_t{Type: syscall.F_WRLCK, Start: checkpointLock, Len: 1}); err != nil {
		t.Fatal(err)
	}
	return release
}

// TestLogCannotBePutBack: where the log cannot be written again it is copied into the database; where another program's older snapshot is in
// the way of that, too, the loss is told and nothing more is written.
func TestLogCannotBePutBack(t *testing.T) {
	t.Parallel()
	for _, snapshot := range []string{"none", "latest", "older", "checkpoint", "endless checkpoint"} {
		clean(t, 30*time.Second, func() []string { return cannotBePutBack(t, snapshot) })
	}
}

func cannotBePutBack(t *testing.T, snapshot string) (bad []string) {
	r := filled(t, 20)
	if strings.HasSuffix(snapshot, "checkpoint") {
		release := holdCheckpoints(t, r.path)
		if snapshot == "checkpoint" {
			time.AfterFunc(300*time.Millisecond, release)
		}
	}
	if err := os.MkdirAll(filepath.Join(r.path+"-wal.saved", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if snapshot == "latest" || snapshot == "older" {
		defer r.foreignSnapshot(t, "SELECT count(*) FROM t").Fence()
	}
	if snapshot == "older" {
		r.fill(t, 21, 30)
	}
	if err := os.Remove(r.path + "-wal"); err != nil {
		t.Fatal(err)
	}
	r.noticed(t, 1)
	err := r.exec(t.Context(), "INSERT INTO t VALUES (50, NULL)")
	if snapshot == "older" || snapshot == "endless checkpoint" {
		if sqlite.ClassOf(err) != sqlite.Corrupt || !strings.Contains(err.Error(), "could not be saved") {
			t.Errorf("a write after a loss: %v", err)
		}
		return nil
	}
	if snapshot == "checkpoint" && sqlite.ClassOf(err) == sqlite.Corrupt {
		return []string{fmt.Sprintf("the checkpoint of 300 ms was not waited for: %v", err)} // where the machine stopped us for as long as it is waited for
	}
	if n := r.number(t, "SELECT count(*) FROM t"); err != nil || n != 22 {
		t.Errorf("%s: %d rows of 22, %v", snapshot, n, err)
	}
	if n := r.afterCrash(t); n != 22 {
		t.Errorf("%s: %d rows of 22 after a crash", snapshot, n)
	}
	return nil
}

// TestReaderOfTheLogThatWasTakenAwayClosesLast: a session that reads by the old log ends after the writer. To close its connection, the last one, would
// copy that log into the database over what was committed since, and remove the new one.
func TestReaderOfTheLogThatWasTakenAwayClosesLast(t *testing.T) {
	t.Parallel()
	plan := &faultfs.Plan{}
	r := build(t, func(s *setup) {
		s.opt.Faults = plan
		s.cfg.Writer.IdleTruncate = time.Hour
		s.cfg.WAL.CheckpointFrames = 1 << 20
	})
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO t VALUES (0, NULL)")
	r.fill(t, 1, 10)
	rd := r.pin(t)
	if err := os.Remove(r.path + "-wal"); err != nil {
		t.Fatal(err)
	}
	r.noticed(t, 1)
	r.fill(t, 11, 40)
	r.must(t, "UPDATE t SET pad = zeroblob(100)")
	closed := plan.Add(faultfs.Rule{Kind: sqlite.OpClose, Files: []sqlite.FileKind{sqlite.FileDB}})
	down := make(chan error, 1)
	go func() { down <- r.Shutdown(context.Background()) }()
	eventually(t, "the writer's connection to be closed", func() bool { return closed.Seen() > 0 })
	rd.Close()
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	c, err := r.store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.QueryText("PRAGMA integrity_check"); err != nil || got != "ok" {
		t.Errorf("%q, %v", got, err)
	}
	if n, err := c.QueryInt("SELECT count(*) FROM t WHERE length(pad) = 100"); err != nil || n != 41 {
		t.Errorf("%d rows of 41 as they were committed, %v", n, err)
	}
}
