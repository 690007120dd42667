package lane_test

import (
	"context"
	"errors"
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

// faulty is a rig whose file calls fail on request.
func faulty(t *testing.T, change func(*setup)) (*rig, *faultfs.Plan) {
	plan := &faultfs.Plan{}
	return build(t, func(s *setup) {
		s.opt.Faults = plan
		if change != nil {
			change(s)
		}
	}), plan
}

var logFile = []sqlite.FileKind{sqlite.FileWAL}

// TestCommitFails lets COMMIT meet each kind of failure, with and without others connected, and compares what the callers are told with
// what is there, now and after a crash.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule faultfs.Rule
		kind sqlite.ErrorClass
	}{
		"sync":      {faultfs.Rule{Kind: sqlite.OpSync, Files: logFile, Err: syscall.EIO}, sqlite.Fsync},
		"last page": {faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Nth: 2, Err: syscall.EIO, Short: 100}, sqlite.IO},
		"header":    {faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Err: syscall.EIO}, sqlite.IO},
		"full":      {faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Nth: 2, Err: syscall.ENOSPC, Short: 100}, sqlite.Full},
	} {
		for _, reader := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", a reader connected", false: ""}[reader], func(t *testing.T) {
				t.Parallel()
				r, plan := faulty(t, nil)
				r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT", "INSERT INTO t VALUES (1)")
				if reader {
					r.number(t, "SELECT count(*) FROM t")
				}
				_, err := r.Update(t.Context(), lane.JobOptions{Name: "closure"}, func(tx *lane.Tx) error {
					_, err := tx.Exec(t.Context(), "INSERT INTO t VALUES (2)", nil)
					plan.Add(c.rule) // the next writes to the log are those of COMMIT
					return err
				})
				told := err == nil
				if !told && !errors.Is(err, lane.ErrNotApplied) && sqlite.ClassOf(err) != sqlite.Full {
					t.Errorf("told %v: whether it was committed was not found out", err)
				}
				if there := r.number(t, "SELECT count(*) FROM t WHERE n = 2") == 1; there != told {
					t.Errorf("told %v, and the row is there: %v", err, there)
				}
				if there := crashed(t, r.path, "SELECT count(*) FROM t WHERE n = 2") == 1; there != told {
					t.Errorf("told %v, and after a crash the row is there: %v", err, there)
				}
				r.must(t, "INSERT INTO t VALUES (3)")
				if st := r.Stats().Writer; st.Outcome.Unknown != 0 || c.kind != sqlite.Full && st.Outcome.Committed+st.Outcome.Missing != 1 {
					t.Errorf("outcomes %+v", st.Outcome)
				}
				r.sound(t)
			})
		}
	}
}

// crashed reads a number from a copy of the files without the shared memory, which is what a power cut now would leave.
func crashed(t *testing.T, path, sql string) int64 {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crash.db")
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+end, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loc, err := sqlite.ParseURL(to)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), loc, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, err := c.QueryInt(sql)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFailedSyncIsNotRepeated counts the syncs of the handle on which one has failed: no later one may make good what the kernel has
// dropped, so nothing may be acknowledged there.
func TestFailedSyncIsNotRepeated(t *testing.T) {
	t.Parallel()
	r, plan := faulty(t, nil)
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	r.number(t, "SELECT count(*) FROM t")
	before := r.Stats().Writer.File.Reconnects
	var mu sync.Mutex
	var calls []sqlite.OpKind // on the log, from the failure on
	failed := false
	rule := plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: logFile, Err: syscall.EIO, Then: func(sqlite.Op) { mu.Lock(); failed = true; mu.Unlock() }})
	plan.Log(func(op sqlite.Op) {
		mu.Lock()
		defer mu.Unlock()
		if failed && op.File == sqlite.FileWAL {
			calls = append(calls, op.Kind)
		}
	})
	err := r.exec(t.Context(), "INSERT INTO t VALUES (1)")
	if !errors.Is(err, lane.ErrNotApplied) || rule.Hits() != 1 {
		t.Fatalf("%v after %d failed syncs, want a job that was not applied", err, rule.Hits())
	}
	mu.Lock()
	for i, k := range calls {
		if k == sqlite.OpOpen {
			break
		}
		if k == sqlite.OpSync || k == sqlite.OpWrite {
			t.Errorf("call %d on the log after the failed sync is a %v, ahead of a new handle", i, k)
		}
	}
	mu.Unlock()
	if got := r.Stats().Writer.File.Reconnects; got != before+1 {
		t.Errorf("%d new connections, want 1", got-before)
	}
	r.must(t, "INSERT INTO t VALUES (2)")
	if n := r.number(t, "SELECT sum(n) FROM t"); n != 2 {
		t.Errorf("sum %d, want 2", n)
	}
}

// TestAcknowledgedIsMissing takes acknowledged frames from the log while a sync fails. The lane must find out, and write no more.
func TestAcknowledgedIsMissing(t *testing.T) {
	t.Parallel()
	r, plan := faulty(t, func(s *setup) { s.cfg.Writer.BusyTimeout = 300 * time.Millisecond })
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, v TEXT) STRICT", "INSERT INTO t VALUES (1, 'acknowledged')")
	r.number(t, "SELECT count(*) FROM t")
	plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: logFile, Err: syscall.EIO, Then: func(sqlite.Op) {
		f, err := os.OpenFile(r.path+"-wal", os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		junk := make([]byte, 64)
		for i := range junk {
			junk[i] = 0x5a
		}
		if _, err := f.WriteAt(junk, 32+24+2000); err != nil { // in the page of the first frame
			t.Error(err)
		}
	}})
	if err := r.exec(t.Context(), "INSERT INTO t VALUES (2, '')"); !errors.Is(err, lane.ErrOutcomeUnknown) {
		t.Errorf("told %v, want an unknown outcome: the log is damaged", err)
	}
	for range 2 {
		if err := r.exec(t.Context(), "INSERT INTO t VALUES (3, '')"); sqlite.ClassOf(err) != sqlite.Corrupt {
			t.Errorf("a write to a log that is damaged: %v", err)
		}
	}
	r.Thaw()
	if err := r.exec(t.Context(), "INSERT INTO t VALUES (4, '')"); sqlite.ClassOf(err) == sqlite.Corrupt && strings.Contains(err.Error(), "frame") {
		t.Errorf("after an operator has taken the decision: %v", err)
	}
}

// TestKeyTells asks the jobs' own proof where the log cannot tell any more.
func TestKeyTells(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{true, false} {
		r, plan := faulty(t, nil)
		r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
		r.number(t, "SELECT count(*) FROM t")
		opt := lane.JobOptions{Name: "job"}
		asked := 0
		if keyed {
			opt.Proof = func(c *sqlite.Conn) (bool, error) {
				asked++
				n, err := c.QueryInt("SELECT count(*) FROM t WHERE n = 2")
				return n == 1, err
			}
		}
		// Somebody resets the log between the failure and the question.
		other, err := r.store.Connect(t.Context(), sqlite.Maintenance)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		opens := 0
		_, err = r.Update(t.Context(), opt, func(tx *lane.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO t VALUES (2)", nil)
			plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: logFile, Err: syscall.EIO})
			plan.Add(faultfs.Rule{Kind: sqlite.OpOpen, Files: []sqlite.FileKind{sqlite.FileDB}, Then: func(sqlite.Op) {
				opens++
				if _, _, busy, err := other.Checkpoint(sqlite.Truncate); err != nil || busy {
					t.Errorf("checkpoint: busy %v, %v", busy, err)
				}
			}})
			return err
		})
		switch {
		case opens == 0:
			t.Error("the log was not reset: the test has lost what it is about")
		case keyed && (!errors.Is(err, lane.ErrNotApplied) || asked != 1):
			t.Errorf("told %v after %d questions, want to know that it was not applied", err, asked)
		case !keyed && !errors.Is(err, lane.ErrOutcomeUnknown):
			t.Errorf("told %v, want an unknown outcome", err)
		}
		if n := r.number(t, "SELECT count(*) FROM t"); n != 0 {
			t.Errorf("%d rows", n)
		}
	}
}

// TestWriteErrorIsRunAgain: a device that fails once before COMMIT costs nobody anything that may run again.
func TestWriteErrorIsRunAgain(t *testing.T) {
	t.Parallel()
	for _, replayable := range []bool{true, false} {
		r, plan := faulty(t, nil)
		r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, v BLOB) STRICT")
		runs := 0
		_, err := r.Update(t.Context(), lane.JobOptions{Replayable: replayable}, func(tx *lane.Tx) error {
			if runs++; runs == 1 {
				plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Err: syscall.EIO})
			}
			// More than the cache holds, so that it is written before COMMIT.
			_, err := tx.Exec(context.Background(), "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 3000) SELECT x, zeroblob(4000) FROM c", nil)
			return err
		})
		if replayable && (err != nil || runs != 2) {
			t.Errorf("after %d runs: %v", runs, err)
		}
		if !replayable && (sqlite.ClassOf(err) != sqlite.IO || runs != 1) {
			t.Errorf("what may not run again: %d runs, %v", runs, err)
		}
		if n := r.number(t, "SELECT count(*) FROM t"); (n == 3000) != replayable {
			t.Errorf("%d rows", n)
		}
	}
}

// TestStaleSnapshotsRunAgain: a transaction whose snapshot another program has made stale begins anew, three times at most; what may not
// run again does not, and what gets another error meanwhile has had its turn.
func TestStaleSnapshotsRunAgain(t *testing.T) {
	t.Parallel()
	for stale := 1; stale <= 4; stale++ {
		for _, replayable := range []bool{true, false} {
			r, plan := faulty(t, nil)
			r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, v BLOB) STRICT")
			runs := 0
			rep, err := r.Update(t.Context(), lane.JobOptions{Replayable: replayable}, func(tx *lane.Tx) error {
				if runs++; runs <= stale {
					plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: logFile, Err: sqlite.ResultCode(5 | 2<<8)})
				}
				_, err := tx.Exec(context.Background(), "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 3000) SELECT x, zeroblob(4000) FROM c", nil)
				return err
			})
			plan.Clear()
			want := 1
			if replayable {
				want = min(stale, 3) + 1
			}
			if runs != want || rep.Runs != want {
				t.Errorf("stale %d times, replayable %v: %d runs, %d reported, want %d", stale, replayable, runs, rep.Runs, want)
			}
			ok := replayable && stale <= 3
			if (err == nil) != ok || !ok && sqlite.ClassOf(err) != sqlite.BusySnapshot {
				t.Errorf("stale %d times, replayable %v: %v", stale, replayable, err)
			}
			if n := r.number(t, "SELECT count(*) FROM t"); (n == 3000) != ok {
				t.Errorf("%d rows", n)
			}
		}
	}
}
