package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

const childPath = "TIDEGATE_TEST_CHILD_PATH"

// TestProcessesRace starts several processes at the same instant on a database that does not exist yet. Each opens it, writes a row and
// closes it, which also makes them meet in the removal of the -wal file.
func TestProcessesRace(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(childPath); path != "" {
		childWrites(t, path)
		return
	}
	for round := range 4 {
		path := filepath.Join(t.TempDir(), "many.db")
		children := make([]*exec.Cmd, 6)
		for i := range children {
			children[i] = exec.Command(os.Args[0], "-test.run", "^TestProcessesRace$")
			children[i].Env = append(os.Environ(), childPath+"="+path)
			children[i].Stdout, children[i].Stderr = os.Stderr, os.Stderr
			must(t, children[i].Start())
		}
		var failed error
		for _, c := range children {
			failed = errors.Join(failed, c.Wait())
		}
		if failed != nil {
			t.Fatalf("round %d: %v", round, failed)
		}
		s := openAt(t, path)
		c := connect(t, s, sqlite.Maintenance)
		wantInt(t, c, "SELECT count(*) FROM t", int64(len(children)))
		wantInt(t, c, "PRAGMA auto_vacuum", 2)
		if text, err := c.QueryText("PRAGMA integrity_check"); err != nil || text != "ok" || s.State() != sqlite.Managed {
			t.Fatal(text, err, s.State())
		}
	}
}

func childWrites(t *testing.T, path string) {
	s := openAt(t, path)
	var w *sqlite.Conn
	deadline := time.Now().Add(10 * time.Second)
	for w == nil {
		c, err := s.Connect(t.Context(), sqlite.Maintenance)
		if err == nil {
			w = c
		} else if sqlite.ClassOf(err) != sqlite.Busy || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	must(t, w.BusyTimeout(10*time.Second))
	must(t, run(w, "CREATE TABLE IF NOT EXISTS t(a)"))
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	must(t, w.Close())
}
