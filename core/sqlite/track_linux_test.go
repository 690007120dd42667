package sqlite_test

import (
	"errors"
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
	if err := w.Fence(); err != nil {
		t.Fatal(err)
	}
	s.Disown()
	r := connect(t, s, sqlite.Reader)
	if n, err := r.QueryInt("SELECT n FROM t"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}
