package lane_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// TestLogUnlinked removes the log, or the shared memory, from under the lanes. It is noticed without a call, and what was acknowledged is
// still there.
func TestLogUnlinked(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"-wal", "-shm"} {
		r := build(t, func(s *setup) { s.cfg.Writer.IdleTruncate = time.Hour })
		r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT", "INSERT INTO t VALUES (1)")
		r.number(t, "SELECT count(*) FROM t")
		rd, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true}) // its connection holds the old files all along
		if err != nil {
			t.Fatal(err)
		}
		defer rd.Close()
		if _, err := rd.Open(t.Context(), "SELECT n FROM t", nil); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(r.path + end); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		eventually(t, "the lanes to notice that "+end+" is gone", func() bool { return r.Stats().Writer.File.Moved > 0 })
		t.Logf("%s: noticed after %v, with nobody calling", end, time.Since(began))
		r.must(t, "INSERT INTO t VALUES (2)")
		if n := r.number(t, "SELECT count(*) FROM t"); n != 2 {
			t.Errorf("%s: %d rows, want those of before and after", end, n)
		}
		for until := time.Now().Add(50 * time.Millisecond); time.Now().Before(until); { // some looks at the files later
			r.must(t, "UPDATE t SET n = n")
		}
		if st := r.Stats().Writer.File; st.Moved != 1 {
			t.Errorf("%s: noticed %d times, it happened once", end, st.Moved)
		}
		r.sound(t)
	}
}

// TestReplacedByAStranger puts a database of another program in the place of ours: nothing may be written to it.
func TestReplacedByAStranger(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.BusyTimeout = 200 * time.Millisecond })
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	conn, err := r.store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	if err := errors.Join(conn.CopyTo(other), conn.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[68:72], "XYZ\x01") // its application id
	if err := errors.Join(os.Rename(r.path, r.path+".ours"), os.WriteFile(r.path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Rename(r.path+end, r.path+".ours"+end); err != nil {
			t.Fatal(err)
		}
	}
	// In the few milliseconds between two looks at the path a write still goes to the file that was moved away, where it is kept.
	eventually(t, "a write to be refused", func() bool {
		return sqlite.ClassOf(r.exec(t.Context(), "INSERT OR REPLACE INTO t VALUES (1)")) == sqlite.Moved
	})
	err = r.exec(t.Context(), "INSERT INTO t VALUES (2)")
	if sqlite.ClassOf(err) != sqlite.Moved || !strings.Contains(err.Error(), "not made by this engine") {
		t.Errorf("a write to a stranger's file: %v", err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		os.Remove(r.path + end) // of the stranger; they may be gone
	}
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(r.path+".ours"+end, r.path+end); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "writes to work again", func() bool { return r.exec(t.Context(), "INSERT INTO t VALUES (3)") == nil })
	if n := r.number(t, "SELECT max(n) FROM t"); n != 3 {
		t.Errorf("%d, want 3", n)
	}
}

// TestPermissionLost takes the permission to open files away and gives it back. Those that are open work on; nobody has to restart.
func TestPermissionLost(t *testing.T) {
	t.Parallel()
	r, plan := faulty(t, func(s *setup) { s.cfg.Writer.BusyTimeout = 300 * time.Millisecond })
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	r.number(t, "SELECT count(*) FROM t")
	denied := &fs.PathError{Op: "open", Path: r.path, Err: syscall.EACCES}
	plan.Add(faultfs.Rule{Kind: sqlite.OpOpen, Files: []sqlite.FileKind{sqlite.FileDB}, Err: denied, Sticky: true})
	r.must(t, "INSERT INTO t VALUES (1)")
	plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Err: syscall.EIO}) // costs the writer its connection
	if err := r.exec(t.Context(), "INSERT INTO t VALUES (2)"); !errors.Is(err, lane.ErrOutcomeUnknown) {
		t.Errorf("a COMMIT that fails while nothing can be opened: %v", err)
	}
	began := time.Now()
	err := r.exec(t.Context(), "INSERT INTO t VALUES (3)")
	if sqlite.ClassOf(err) != sqlite.CantOpen || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a write without permission: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("refused after %v", took)
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 1 {
		t.Errorf("%d rows through the connection that is open", n)
	}
	plan.Clear()
	r.must(t, "INSERT INTO t VALUES (4)")
	if n := r.number(t, "SELECT count(*) FROM t WHERE n <> 2"); n != 2 {
		t.Errorf("%d rows with permission again", n)
	}
}

// TestSlowReopening: the writer's connection is lost, and to open another one takes longer than the lane has time for. The caller's own time is not over,
// and it is not told so.
func TestSlowReopening(t *testing.T) {
	t.Parallel()
	const limit = 20 * time.Millisecond
	r, plan := faulty(t, func(s *setup) { s.cfg.Writer.BusyTimeout = limit })
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	database := []sqlite.FileKind{sqlite.FileDB}
	plan.Add(faultfs.Rule{Kind: sqlite.OpOpen, Files: database, Err: syscall.EACCES, Sticky: true})
	plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Err: syscall.EIO}) // costs the writer its connection
	if err := r.exec(t.Context(), "INSERT INTO t VALUES (1)"); !errors.Is(err, lane.ErrOutcomeUnknown) {
		t.Fatalf("a COMMIT that fails while nothing can be opened: %v", err)
	}
	plan.Clear()
	plan.Add(faultfs.Rule{Kind: sqlite.OpOpen, Files: database, Sticky: true, Then: func(sqlite.Op) { <-time.After(2 * limit) }})
	err := r.exec(t.Context(), "INSERT INTO t VALUES (2)")
	if sqlite.ClassOf(err) != sqlite.CantOpen || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "writer.busy_timeout") {
		t.Errorf("a writer that is not opened in time: %v", err)
	}
	plan.Clear()
	eventually(t, "writes to work again", func() bool { return r.exec(t.Context(), "INSERT INTO t VALUES (3)") == nil })
	if n := r.number(t, "SELECT count(*) FROM t WHERE n = 2"); n != 0 {
		t.Error("what was refused is there")
	}
}

// TestTransientErrors fails single calls once, at BEGIN and while a connection is opened: no caller hears of it.
func TestTransientErrors(t *testing.T) {
	t.Parallel()
	r, plan := faulty(t, nil)
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	for i, rule := range []faultfs.Rule{
		{Kind: sqlite.OpLock, Err: syscall.EIO},
		{Kind: sqlite.OpOpen, Files: []sqlite.FileKind{sqlite.FileDB}, Err: syscall.EIO},
		{Kind: sqlite.OpRead, Files: []sqlite.FileKind{sqlite.FileDB}, Err: syscall.EIO},
	} {
		h := plan.Add(rule)
		// A new connection for the next write, which is where these calls are made.
		plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Err: syscall.EIO})
		if err := r.exec(t.Context(), "INSERT INTO t VALUES (?)", int64(i)); err != nil {
			t.Errorf("rule %d: %v", i, err)
		}
		if h.Hits() != 1 {
			t.Errorf("rule %d: %d hits", i, h.Hits())
		}
		plan.Clear()
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

// TestLockedOut: another program keeps the write lock. A caller waits for half of its time, and is told who is in the way in words of ours.
func TestLockedOut(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	other, err := r.store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	clean(t, 30*time.Second, func() []string { return lockedOut(t, r) })
	got := make(chan error, 1)
	go func() { got <- r.exec(context.Background(), "INSERT INTO t VALUES (2)") }()
	busy := r.Stats().Writer.File.Busy
	eventually(t, "the lane to wait", func() bool { return r.Stats().Writer.File.Busy > busy })
	if n := r.number(t, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
	if err := other.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("once the lock was free: %v", err)
	}
}

// lockedOut is one call of two seconds while another program holds the lock.
func lockedOut(t *testing.T, r *rig) (bad []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	err := r.exec(ctx, "INSERT INTO t VALUES (1)")
	took := time.Since(began)
	if ctx.Err() != nil || took < 800*time.Millisecond {
		return []string{fmt.Sprintf("given up after %v of 2 s: %v", took, err)}
	}
	if sqlite.ClassOf(err) != sqlite.Busy || !strings.Contains(err.Error(), "another program holds the write lock") || strings.Contains(err.Error(), "database is locked") {
		t.Errorf("locked out: %v", err)
	}
	return nil
}
