package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// afterCrash opens a copy of the files as they are now, without the shared memory: what a power cut at this moment leaves.
func afterCrash(t *testing.T, path string) *sqlite.Conn {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crash.db")
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + end)
		must(t, err)
		must(t, os.WriteFile(to+end, data, 0o600))
	}
	return connect(t, openAt(t, to), sqlite.Maintenance)
}

// failCommit runs an insert of 2 whose COMMIT meets the rule, and closes the connection.
func failCommit(t *testing.T, s *sqlite.Store, plan *faultfs.Plan, r faultfs.Rule, want sqlite.ErrorClass) sqlite.LogMark {
	t.Helper()
	w := mustConnect(t, s, sqlite.Writer)
	w.ForgetMark()
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, run(w, "INSERT INTO t VALUES(2)"))
	plan.Add(r)
	wantClass(t, w.Exec("COMMIT"), want)
	plan.Clear()
	mark := w.Mark()
	must(t, w.Close())
	return mark
}

// TestSettle asks the log what became of a COMMIT that failed, and holds the answer to what is there, then and after a crash.
func TestSettle(t *testing.T) {
	t.Parallel()
	wal := []sqlite.FileKind{sqlite.FileWAL}
	sync := faultfs.Rule{Kind: sqlite.OpSync, Files: wal, Err: pathError(syscall.EIO)}
	later := sync
	later.Nth = 2 // the first is for the header of a log that begins anew
	for name, c := range map[string]struct {
		rule   faultfs.Rule
		class  sqlite.ErrorClass
		reader bool // somebody else keeps the shared memory, and with it the end of the log, alive
		want   sqlite.LogVerdict
		rows   int64
		anew   bool // the COMMIT begins the log anew
	}{
		"sync, begins anew, others connected":        {later, sqlite.Fsync, true, sqlite.LogLacks, 1, true},
		"sync, begins anew, nobody else":             {later, sqlite.Fsync, false, sqlite.LogHolds, 2, true},
		"last page, begins anew, others connected":   {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 3, Err: pathError(syscall.EIO), Short: 512}, sqlite.IO, true, sqlite.LogLacks, 1, true},
		"last page, begins anew, nobody else":        {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 3, Err: pathError(syscall.EIO), Short: 512}, sqlite.IO, false, sqlite.LogLacks, 1, true},
		"header of the log, anew, others connected":  {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Err: pathError(syscall.EIO)}, sqlite.IO, true, sqlite.LogLacks, 1, true},
		"half of the log's header, others connected": {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Err: pathError(syscall.EIO), Short: 20}, sqlite.IO, true, sqlite.LogLacks, 1, true},
		"half of the log's header, nobody else":      {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Err: pathError(syscall.EIO), Short: 20}, sqlite.IO, false, sqlite.LogLacks, 1, true},
		"sync, others connected":                     {sync, sqlite.Fsync, true, sqlite.LogLacks, 1, false},
		"sync, nobody else":                          {sync, sqlite.Fsync, false, sqlite.LogHolds, 2, false},
		"last page, others connected":                {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 2, Err: pathError(syscall.EIO), Short: 512}, sqlite.IO, true, sqlite.LogLacks, 1, false},
		"last page, nobody else":                     {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 2, Err: pathError(syscall.EIO), Short: 512}, sqlite.IO, false, sqlite.LogLacks, 1, false},
		"frame header, others connected":             {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Err: pathError(syscall.EIO)}, sqlite.IO, true, sqlite.LogLacks, 1, false},
		"frame header, nobody else":                  {faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Err: pathError(syscall.EIO)}, sqlite.IO, false, sqlite.LogLacks, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, plan, path, first := oneRow(t)
			if c.reader {
				r := connect(t, s, sqlite.Reader)
				wantInt(t, r, "SELECT count(*) FROM t", 1)
			}
			if c.anew {
				if log, done, busy, err := first.Checkpoint(sqlite.Passive); err != nil || busy || done < log {
					t.Fatal(log, done, busy, err)
				}
			}
			mark := failCommit(t, s, plan, c.rule, c.class)
			if c.reader {
				must(t, first.Close())
			} else {
				must(t, first.Fence()) // as if its process had died: nobody is left to keep the end of the log, and nothing is copied
			}
			if got := value(t, afterCrash(t, path), "SELECT count(*) FROM t"); c.class == sqlite.Fsync && got != 2 {
				t.Errorf("a crash before Settle leaves %d rows: the test has lost what it is about", got)
			}
			again := connect(t, s, sqlite.Writer)
			got, err := again.Settle(&mark, c.class == sqlite.Fsync)
			must(t, err)
			if got != c.want {
				t.Errorf("the log %s it, want %s", got, c.want)
			}
			wantInt(t, again, "SELECT count(*) FROM t", c.rows)
			wantInt(t, afterCrash(t, path), "SELECT count(*) FROM t", c.rows)
			must(t, run(again, "INSERT INTO t VALUES(3)"))
			wantInt(t, again, "SELECT count(*) FROM t", c.rows+1)
		})
	}
}

func value(t *testing.T, c *sqlite.Conn, sql string) int64 {
	t.Helper()
	n, err := c.QueryInt(sql)
	must(t, err)
	return n
}

// TestSettleMarks tells a transaction that is there, one of a log that was reset, and one that never came to its last frame.
func TestSettleMarks(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "m.db"))
	w := connect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	w.ForgetMark()
	// More than the cache holds, and pages that are changed again once they are in the log: their checksums are written twice.
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, run(w, "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 6000) SELECT randomblob(2000) FROM c"))
	must(t, run(w, "UPDATE t SET a = randomblob(2000)"))
	must(t, w.Exec("COMMIT"))
	mark := w.Mark()
	again := connect(t, s, sqlite.Writer)
	for range 2 {
		if got, err := again.Settle(&mark, true); err != nil || got != sqlite.LogHolds {
			t.Fatalf("the log %v it, %v", got, err)
		}
	}
	if got, err := again.Holds(mark); err != nil || got != sqlite.LogHolds {
		t.Errorf("the log %v it, %v", got, err)
	}
	if _, _, busy, err := w.Checkpoint(sqlite.Truncate); err != nil || busy {
		t.Fatal(busy, err)
	}
	for range 2 { // of an empty log, and of one that has begun anew
		if got, err := again.Settle(&mark, true); err != nil || got != sqlite.LogSilent {
			t.Errorf("the log %v it, %v", got, err)
		}
	}
	if got, err := again.Settle(&sqlite.LogMark{}, false); err != nil || got != sqlite.LogLacks {
		t.Errorf("the log %v what never was, %v", got, err)
	}
}

// oneRow is a database on a disk that fails on demand, with a table of one row and the writer that made it.
func oneRow(t *testing.T) (s *sqlite.Store, plan *faultfs.Plan, path string, first *sqlite.Conn) {
	t.Helper()
	s, plan, path = openFaulty(t)
	first = mustConnect(t, s, sqlite.Writer)
	must(t, run(first, "CREATE TABLE t(a)"))
	must(t, run(first, "INSERT INTO t VALUES(1)"))
	return s, plan, path, first
}

// TestSettleDamage loses a page of the log after a failed sync, as a kernel may, and expects to be told.
func TestSettleDamage(t *testing.T) {
	t.Parallel()
	s, plan, path, first := oneRow(t)
	keep := connect(t, s, sqlite.Reader)
	wantInt(t, keep, "SELECT count(*) FROM t", 1)
	mark := failCommit(t, s, plan, faultfs.Rule{Kind: sqlite.OpSync, Files: []sqlite.FileKind{sqlite.FileWAL}, Err: pathError(syscall.EIO)}, sqlite.Fsync)
	f, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 512), 32+24+1000)
	must(t, err)
	must(t, f.Close())
	again := connect(t, s, sqlite.Writer)
	_, err = again.Settle(&mark, true)
	wantClass(t, err, sqlite.Corrupt)
	must(t, first.Fence()) // it must not copy the damage into the database
}

// TestSettleAgain: an attempt to settle that has begun the log anew and then failed has found out what the next one cannot see any more.
func TestSettleAgain(t *testing.T) {
	t.Parallel()
	wal := []sqlite.FileKind{sqlite.FileWAL}
	full := faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Err: pathError(syscall.ENOSPC)}
	header := faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Err: pathError(syscall.EIO)}
	frame, sync := header, header
	frame.Nth, sync.Nth, sync.Kind = 2, 2, sqlite.OpSync
	for name, c := range map[string]struct {
		meets []faultfs.Rule // the attempts ahead of the last
		wrote bool           // the COMMIT came to its end, and was copied into the database
		alone bool           // nobody else: closing the connection copies the log into the database and removes it
		want  sqlite.LogVerdict
		rows  int64
	}{
		"first frame":                    {[]faultfs.Rule{frame}, false, false, sqlite.LogLacks, 1},
		"sync":                           {[]faultfs.Rule{sync}, false, false, sqlite.LogLacks, 1},
		"header":                         {[]faultfs.Rule{header}, false, false, sqlite.LogLacks, 1},
		"first frame, it holds":          {[]faultfs.Rule{frame}, true, false, sqlite.LogHolds, 2},
		"full disk, and the log is gone": {[]faultfs.Rule{full}, false, true, sqlite.LogLacks, 1},
		"first frame, then header":       {[]faultfs.Rule{frame, header}, false, false, sqlite.LogLacks, 1},
		"first frame, then sync":         {[]faultfs.Rule{frame, sync}, false, false, sqlite.LogLacks, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, plan, path, first := oneRow(t)
			r := connect(t, s, sqlite.Reader)
			wantInt(t, r, "SELECT count(*) FROM t", 1)
			whole := func() {
				if log, done, busy, err := first.Checkpoint(sqlite.Passive); err != nil || busy || done < log {
					t.Fatal(log, done, busy, err)
				}
			}
			if !c.alone {
				whole()
			}
			var mark sqlite.LogMark
			if c.wrote {
				first.ForgetMark()
				must(t, run(first, "INSERT INTO t VALUES(2)"))
				mark = first.Mark()
				whole()
			} else if c.alone {
				must(t, r.Close())
				must(t, first.Close())
				mark = failCommit(t, s, plan, faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 2, Err: pathError(syscall.EIO), Short: 20}, sqlite.IO)
			} else {
				mark = failCommit(t, s, plan, faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 3, Err: pathError(syscall.EIO), Short: 512}, sqlite.IO)
			}
			must(t, first.Close())
			for _, rule := range c.meets {
				again := mustConnect(t, s, sqlite.Writer)
				plan.Add(rule)
				if got, err := again.Settle(&mark, false); err == nil {
					t.Fatalf("an attempt says %v: the test has lost what it is about", got)
				}
				plan.Clear()
				must(t, again.Close())
			}
			last := connect(t, s, sqlite.Writer)
			if got, err := last.Settle(&mark, true); err != nil || got != c.want {
				t.Errorf("the log %v it, %v; want %v", got, err, c.want)
			}
			wantInt(t, last, "SELECT count(*) FROM t", c.rows)
			wantInt(t, afterCrash(t, path), "SELECT count(*) FROM t", c.rows)
		})
	}
}

// TestSettleIsNotFinal: until the log has begun anew, what an attempt to settle did not find in the index may yet be taken for a commit by another
// program that recovers the log.
func TestSettleIsNotFinal(t *testing.T) {
	t.Parallel()
	s, plan, path, first := oneRow(t)
	r := mustConnect(t, s, sqlite.Reader)
	wantInt(t, r, "SELECT count(*) FROM t", 1)
	wal := []sqlite.FileKind{sqlite.FileWAL}
	mark := failCommit(t, s, plan, faultfs.Rule{Kind: sqlite.OpSync, Files: wal, Err: pathError(syscall.EIO)}, sqlite.Fsync)
	again := mustConnect(t, s, sqlite.Writer)
	plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 3, Err: pathError(syscall.EIO)}) // the log as it was is written again first
	if got, err := again.Settle(&mark, false); err == nil {
		t.Fatalf("an attempt says %v: the test has lost what it is about", got)
	}
	plan.Clear()
	for _, c := range []*sqlite.Conn{again, r, first} {
		must(t, c.Close())
	}
	other := mustConnect(t, openAt(t, path), sqlite.Writer)
	wantInt(t, other, "SELECT count(*) FROM t", 2)
	if _, _, busy, err := other.Checkpoint(sqlite.Truncate); err != nil || busy {
		t.Fatal(busy, err)
	}
	must(t, other.Close())
	last := connect(t, s, sqlite.Writer)
	if got, err := last.Settle(&mark, true); err != nil || got != sqlite.LogSilent {
		t.Errorf("the log %v it, %v; nobody can say", got, err)
	}
}
