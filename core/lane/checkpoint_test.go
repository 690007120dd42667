package lane_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// TestRefusedTruncation: while a snapshot keeps the log from being given back, the figures go on saying how much of it is in use.
func TestRefusedTruncation(t *testing.T) {
	t.Parallel()
	for _, fresh := range []bool{false, true} {
		r, plan := faulty(t, func(s *setup) { s.cfg.Writer.IdleTruncate = 20 * time.Millisecond })
		r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO t VALUES (0, NULL)")
		rd := r.pin(t)
		r.fill(t, 1, 10)
		if fresh { // a connection that has not written yet
			conn, err := r.store.Connect(t.Context(), sqlite.Writer)
			if err != nil {
				t.Fatal(err)
			}
			_, _, busy, err := conn.Checkpoint(sqlite.Truncate)
			if got := conn.WALUsed(); err != nil || !busy || got < 10*4096 {
				t.Errorf("busy %v, %v: %d bytes in use", busy, err, got)
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // nobody else uses a file now
			calls := plan.Calls()
			eventually(t, "an attempt to give the log back", func() bool { return plan.Calls() > calls })
		}
		if st := r.Stats().WAL; st.Used < 10*4096 || st.Used > st.Bytes {
			t.Errorf("%d bytes of %d in use while a snapshot pins the log", st.Used, st.Bytes)
		}
		rd.Close()
		eventually(t, "the log to be given back", func() bool { st := r.Stats().WAL; return st.Used == 0 && st.Bytes == 0 })
	}
}

// TestPageSizes: how much of the log is in use counts pages of the size that they have.
func TestPageSizes(t *testing.T) {
	t.Parallel()
	made, err := build(t, nil).store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	for _, size := range []int64{512, 4096, 65536} {
		path := filepath.Join(t.TempDir(), "laid-out.db")
		if err := made.Exec(fmt.Sprintf("PRAGMA page_size=%d; VACUUM INTO '%s'", size, path)); err != nil {
			t.Fatal(err)
		}
		r := build(t, func(s *setup) {
			s.cfg.Writer.IdleTruncate = time.Hour
			s.url = path
		})
		r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, pad BLOB) STRICT")
		r.fill(t, 1, 20)
		if got := r.number(t, "PRAGMA page_size"); got != size {
			t.Fatalf("pages of %d bytes, want %d", got, size)
		}
		// The log has never begun anew, so that all of the file is in use. The lane counts it when it has answered its callers.
		var st lane.WALStats
		eventually(t, "the latest commit to be counted", func() bool {
			st = r.Stats().WAL
			return st.Used+32 >= st.Bytes
		})
		if st.Used+32 != st.Bytes {
			t.Errorf("pages of %d: %d bytes in use of a log of %d", size, st.Used, st.Bytes)
		}
	}
}

// TestLongLogOfBefore: a log that was long once and has begun anew does not make checkpoints wait for readers.
func TestLongLogOfBefore(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.cfg.Writer.IdleTruncate = time.Hour
		s.cfg.WAL = lane.WALConfig{CheckpointFrames: 10, Soft: 1 << 20, Hard: 1 << 20, Cap: 1 << 30, SnapshotAge: time.Hour}
	})
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO t VALUES (0, zeroblob(2000000))")
	r.fill(t, 1, 20)
	if st := r.Stats().WAL; st.Used > 1<<20 || st.Bytes < 1<<20 {
		t.Fatalf("%d bytes in use of %d: the log has not begun anew", st.Used, st.Bytes)
	}
	rd := r.pin(t)
	defer rd.Close()
	// One that waits takes 20 ms or more. On a busy machine others may, too, but not all.
	least, n := time.Hour, 0
	for i := 21; i <= 80; i++ {
		before := r.Stats().WAL
		r.fill(t, i, i)
		if after := r.Stats().WAL; after.Checkpoints > before.Checkpoints {
			least, n = min(least, after.Time-before.Time), n+1
		}
	}
	if n == 0 || least >= 20*time.Millisecond {
		t.Errorf("%d checkpoints beside a reader, none shorter than %v: they waited for it", n, least)
	}
}
