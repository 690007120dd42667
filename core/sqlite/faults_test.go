package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

func openFaulty(t *testing.T) (*sqlite.Store, *faultfs.Plan, string) {
	t.Helper()
	plan := &faultfs.Plan{}
	path := filepath.Join(t.TempDir(), "f.db")
	s := openAt(t, path, func(o *sqlite.Options) { o.Faults = plan })
	return s, plan, path
}

// pathError is how the operating system's errors really arrive. The driver looks for a bare number, misses it, and calls a full disk an
// I/O error.
func pathError(n syscall.Errno) error { return &fs.PathError{Op: "write", Path: "f", Err: n} }

func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		s, plan, _ := openFaulty(t)
		w, r := connect(t, s, sqlite.Writer), connect(t, s, sqlite.Reader)
		must(t, run(w, "CREATE TABLE t(a)"))
		plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: []sqlite.FileKind{sqlite.FileWAL}, Err: pathError(errno), Sticky: true, Short: 100})
		err := run(w, "INSERT INTO t VALUES(1)")
		wantClass(t, err, sqlite.Full)
		if !errors.Is(err, errno) {
			t.Fatalf("%v does not unwrap to %v", err, errno)
		}
		must(t, w.Broken())
		wantInt(t, r, "SELECT count(*) FROM t", 0)
		plan.Clear()
		must(t, run(w, "INSERT INTO t VALUES(2)"))
		wantInt(t, r, "SELECT sum(a) FROM t", 2)
		if text, err := r.QueryText("PRAGMA integrity_check"); err != nil || text != "ok" {
			t.Fatal(text, err)
		}
	}
}

func TestFailedSync(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		s, plan, _ := openFaulty(t)
		w := mustConnect(t, s, sqlite.Writer)
		must(t, run(w, "CREATE TABLE t(a)"))
		h := plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: []sqlite.FileKind{sqlite.FileWAL}, Err: pathError(errno)})
		err := run(w, "INSERT INTO t VALUES(1)")
		wantClass(t, err, sqlite.Fsync)
		if h.Hits() != 1 || !errors.Is(err, errno) {
			t.Fatalf("%d hits, %v", h.Hits(), err)
		}
		// The next sync would succeed: the kernel reports a lost write once. So nothing may be acknowledged here any more.
		wantClass(t, run(w, "INSERT INTO t VALUES(2)"), sqlite.Fsync)
		wantClass(t, w.Broken(), sqlite.Fsync)
		syncs := s.IO().DBSyncs
		must(t, w.Close())
		if s.IO().DBSyncs != syncs {
			t.Fatal("closing the connection copied the WAL into the database")
		}
		again := connect(t, s, sqlite.Writer)
		must(t, run(again, "INSERT INTO t VALUES(3)"))
		wantInt(t, again, "SELECT count(*) FROM t WHERE a = 2", 0)
	}
}

// A connection that fails before it has looked at the write-ahead log leaves nothing beside the database.
func TestFailedConnectLeavesNothing(t *testing.T) {
	t.Parallel()
	s, plan, path := openFaulty(t)
	must(t, mustConnect(t, s, sqlite.Writer).Close())
	before := files(t, path)
	h := plan.Add(faultfs.Rule{Kind: sqlite.OpRead, Files: []sqlite.FileKind{sqlite.FileDB}, Err: pathError(syscall.EIO), Sticky: true})
	if c, err := s.Connect(t.Context(), sqlite.Maintenance); err == nil {
		must(t, c.Close())
		t.Fatal("connected without reading the database")
	}
	if after := files(t, path); h.Hits() == 0 || !maps.Equal(before, after) {
		t.Errorf("%d reads failed; there was %q, and now %q", h.Hits(), keys(before), keys(after))
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	s, plan, path := openFaulty(t)
	w := mustConnect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	must(t, run(w, "INSERT INTO t VALUES(zeroblob(100000))"))
	must(t, w.Close())
	r := mustConnect(t, s, sqlite.Reader)
	plan.Add(faultfs.Rule{Kind: sqlite.OpRead, Files: []sqlite.FileKind{sqlite.FileDB}, Err: pathError(syscall.EIO), Sticky: true})
	err := run(r, "SELECT count(*), max(a) FROM t")
	wantClass(t, err, sqlite.IO)
	if !errors.Is(err, syscall.EIO) {
		t.Fatalf("%v does not unwrap to EIO", err)
	}
	wantClass(t, r.Broken(), sqlite.IO)
	plan.Clear()
	must(t, r.Close())
	again := connect(t, s, sqlite.Reader)
	wantInt(t, again, "SELECT count(*) FROM t", 1)
	_ = path
}

// TestEveryCallMayFail fails every single file call of a short life once, and then for good. Whatever happens, the next life must find
// the database sound, every acknowledged row there, and no row of a rolled-back transaction.
func TestEveryCallMayFail(t *testing.T) {
	t.Parallel()
	step := 1
	if testing.Short() {
		step = 5
	}
	kinds := []sqlite.OpKind{sqlite.OpOpen, sqlite.OpRead, sqlite.OpWrite, sqlite.OpTruncate, sqlite.OpSync, sqlite.OpSize, sqlite.OpLock, sqlite.OpDelete, sqlite.OpAccess}
	for _, kind := range kinds {
		for _, sticky := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v sticky=%v", kind, sticky), func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n += step {
					errno := []syscall.Errno{syscall.EIO, syscall.ENOSPC}[n%2]
					if !oneLife(t, faultfs.Rule{Kind: kind, Nth: n, Sticky: sticky, Err: pathError(errno), Short: n % 3 * 512}) {
						if n < 3 {
							t.Fatalf("only %d calls of this kind in a life", n-1)
						}
						t.Logf("%d calls failed, one life each", n-1)
						return
					}
				}
			})
		}
	}
}

// oneLife reports whether the rule hit.
func oneLife(t *testing.T, rule faultfs.Rule) bool {
	t.Helper()
	plan := &faultfs.Plan{}
	path := filepath.Join(t.TempDir(), "life.db")
	h := plan.Add(rule)
	acknowledged, doubtful := 0, 0
	var s *sqlite.Store
	opt := sqlite.DefaultOptions()
	opt.Faults = plan
	opt.CacheKiB[sqlite.Writer] = 32
	s, err := sqlite.Open(context.Background(), sqlite.Location{Path: path}, opt)
	if err == nil {
		acknowledged, doubtful = live(t, s)
		plan.Clear()
		if err := s.Close(); err != nil {
			t.Fatalf("%+v: close: %v", rule, err)
		}
	} else if _, ok := errors.AsType[*sqlite.Error](err); !ok {
		t.Fatalf("%+v: untyped error %v", rule, err)
	}
	plan.Clear()

	check, err := tryOpen(sqlite.Location{Path: path})
	if err != nil {
		t.Fatalf("%+v: reopening: %v", rule, err)
	}
	c := mustConnect(t, check, sqlite.Maintenance)
	if text, err := c.QueryText("PRAGMA integrity_check"); err != nil || text != "ok" {
		t.Fatalf("%+v: integrity %s %v", rule, text, err)
	}
	if tables, _ := c.QueryInt("SELECT count(*) FROM sqlite_schema WHERE name = 't'"); tables == 1 {
		kept, err := c.QueryInt("SELECT count(*) FROM t WHERE who = 'kept'")
		must(t, err)
		undone, err := c.QueryInt("SELECT count(*) FROM t WHERE who = 'undone'")
		must(t, err)
		if int(kept) < acknowledged || int(kept) > acknowledged+doubtful || undone != 0 {
			t.Fatalf("%+v: %d rows, %d acknowledged, %d in doubt, %d of a rolled-back transaction", rule, kept, acknowledged, doubtful, undone)
		}
	} else if acknowledged > 0 {
		t.Fatalf("%+v: the table is gone", rule)
	}
	must(t, c.Close())
	must(t, check.Close())
	return h.Hits() > 0
}

// live writes what it can, with one new connection after every failure, and returns the rows acknowledged and those in doubt.
func live(t *testing.T, s *sqlite.Store) (acknowledged, doubtful int) {
	t.Helper()
	var w *sqlite.Conn
	try := func(f func() error) bool {
		if w == nil {
			var err error
			if w, err = s.Connect(context.Background(), sqlite.Writer); err != nil {
				w = nil
				return false
			}
		}
		err := f()
		if err == nil {
			return true
		}
		if _, ok := errors.AsType[*sqlite.Error](err); !ok {
			t.Fatalf("untyped error %v", err)
		}
		if w.Broken() != nil || !w.Autocommit() {
			_ = w.Close() // the fault may strike here, too
			w = nil
		}
		return false
	}
	try(func() error {
		return run(w, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, who TEXT, n INT, pad TEXT)")
	})
	for i := range 4 {
		if try(func() error { return fill(w, "kept", i*10, 10) }) {
			acknowledged += 10
		} else {
			doubtful += 10
		}
		try(func() error {
			if err := w.Exec("BEGIN IMMEDIATE"); err != nil {
				return err
			}
			err := fill(w, "undone", 0, 200)
			return errors.Join(err, w.Exec("ROLLBACK"))
		})
		try(func() error { _, _, _, err := w.Checkpoint(sqlite.Restart); return err })
	}
	if w != nil {
		_ = w.Close() // the fault may strike here, too
	}
	return acknowledged, doubtful
}
