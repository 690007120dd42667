package sqlite_test

import (
	"sync"
	"syscall"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// TestFailedDatabaseSync: a checkpoint that a reader stops half way writes pages and syncs nothing, and SQLite counts them as done. When the sync of the next
// one fails, the system may have dropped those pages, too: they must be written again before the log is given up.
func TestFailedDatabaseSync(t *testing.T) {
	t.Parallel()
	s, plan, _ := openFaulty(t)
	w, r := mustConnect(t, s, sqlite.Writer), connect(t, s, sqlite.Reader)
	must(t, w.Exec("CREATE TABLE big (n INTEGER PRIMARY KEY, v BLOB) STRICT"))
	must(t, run(w, "INSERT INTO big VALUES (1, zeroblob(40000))"))
	must(t, r.BeginRead())
	if _, err := r.QueryInt("SELECT count(*) FROM big"); err != nil {
		t.Fatal(err)
	}
	must(t, run(w, "INSERT INTO big VALUES (2, zeroblob(8000))"))
	var mu sync.Mutex
	written := map[int64]bool{}
	plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: []sqlite.FileKind{sqlite.FileDB}, Sticky: true, Then: func(op sqlite.Op) {
		mu.Lock()
		defer mu.Unlock()
		written[op.Offset] = true
	}})
	log, done, _, err := w.Checkpoint(sqlite.Passive)
	must(t, err)
	half := len(written)
	if done >= log || half < 5 {
		t.Fatalf("%d of %d frames, %d pages: the reader is not in the way", done, log, half)
	}
	must(t, r.Exec("ROLLBACK"))
	plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: []sqlite.FileKind{sqlite.FileDB}, Err: pathError(syscall.EIO)})
	if _, _, _, err := w.Checkpoint(sqlite.Passive); err == nil {
		t.Fatal("the sync did not fail")
	}
	must(t, w.Close())
	w = connect(t, s, sqlite.Writer)
	first := written
	mu.Lock()
	written = map[int64]bool{}
	mu.Unlock()
	if log, done, _, err = w.Checkpoint(sqlite.Passive); err != nil || done < log {
		t.Fatalf("%d of %d frames, %v", done, log, err)
	}
	for at := range first {
		if !written[at] {
			t.Errorf("the page at %d was written ahead of a sync that failed, and not again", at)
		}
	}
}
