package sqlite_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

// TestRemovedLogIsNotMadeAnew: while a connection still holds the log that was removed, nobody makes another one in its place. What the log
// holds can then still be copied into the database; a new one would hide it.
func TestRemovedLogIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path)
	w := connect(t, s, sqlite.Writer)
	for _, sql := range []string{"CREATE TABLE t (n INTEGER) STRICT", "INSERT INTO t VALUES (1)"} {
		if err := w.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Connect(t.Context(), sqlite.Reader); sqlite.ClassOf(err) != sqlite.CantOpen {
		t.Errorf("a connection was opened beside a removed log: %v, %v", c, err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("there is another log: %v", err)
	}
	if log, done, _, err := w.Checkpoint(sqlite.Passive); err != nil || log == 0 || done != log {
		t.Fatalf("%d of %d frames could be saved, %v", done, log, err)
	}
	got := s.Salvage(func() error { return errors.New("is not needed") }, func(same bool) {
		if !same {
			t.Error("the database is in its place")
		}
		if err := w.Fence(); err != nil {
			t.Error(err)
		}
	})
	if got.Lost != nil || !got.Same || got.Put == 0 {
		t.Errorf("%+v", got)
	}
	r := connect(t, s, sqlite.Reader)
	if n, err := r.QueryInt("SELECT n FROM t"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// atCall does something once, in the middle of a file call.
type atCall struct {
	kind sqlite.OpKind
	file sqlite.FileKind
	do   func()
}

func (a *atCall) Before(op sqlite.Op) error {
	if a.do != nil && op.Kind == a.kind && op.File == a.file {
		do := a.do
		a.do = nil
		do()
	}
	return nil
}

// TestTakenAwayWhileOpening replaces a file at the very moment in which a connection is opened: the connection, which may hold files that do
// not belong together, is refused, and harms neither.
func TestTakenAwayWhileOpening(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "-wal", "-shm"} {
		for _, at := range []atCall{{kind: sqlite.OpOpen, file: sqlite.FileDB}, {kind: sqlite.OpRead, file: sqlite.FileDB}, {kind: sqlite.OpOpen, file: sqlite.FileWAL}} {
			t.Run(fmt.Sprintf("database%s at %v of %v", end, at.kind, at.file), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path, other := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
				twin := openAt(t, other)
				b := connect(t, twin, sqlite.Writer)
				for _, sql := range []string{"CREATE TABLE u (n INTEGER) STRICT", "INSERT INTO u VALUES (7)"} {
					if err := b.Exec(sql); err != nil {
						t.Fatal(err)
					}
				}
				faults := &atCall{kind: at.kind, file: at.file}
				s := openAt(t, path, func(o *sqlite.Options) { o.Faults = faults })
				w := connect(t, s, sqlite.Writer)
				for _, sql := range []string{"CREATE TABLE t (n INTEGER) STRICT", "INSERT INTO t VALUES (1)"} {
					if err := w.Exec(sql); err != nil {
						t.Fatal(err)
					}
				}
				faults.do = func() {
					if err := errors.Join(os.Link(path+end, path+".ours"), os.Remove(path+end), os.Link(other+end, path+end)); err != nil {
						t.Error(err)
					}
				}
				if c, err := s.Connect(t.Context(), sqlite.Maintenance); sqlite.ClassOf(err) != sqlite.CantOpen || c != nil {
					t.Errorf("%v, %v", c, err)
				}
				if moved, which, err := s.HasMoved(); !moved || which != path+end || err != nil {
					t.Errorf("moved %v, %s, %v", moved, which, err)
				}
				if got, err := b.QueryText("PRAGMA integrity_check"); err != nil || got != "ok" {
					t.Errorf("the other database: %q, %v", got, err)
				}
				if n, err := b.QueryInt("SELECT sum(n) FROM u"); err != nil || n != 7 {
					t.Errorf("the other database: %d, %v", n, err)
				}
				if err := os.Rename(path+".ours", path+end); err != nil {
					t.Fatal(err)
				}
				if n, err := w.QueryInt("SELECT sum(n) FROM t"); err != nil || n != 1 {
					t.Errorf("ours: %d, %v", n, err)
				}
				if got, err := w.QueryText("PRAGMA integrity_check"); err != nil || got != "ok" {
					t.Errorf("ours: %q, %v", got, err)
				}
			})
		}
	}
}
