package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	driver "github.com/ncruces/go-sqlite3"

	"github.com/tidegate/engine/core/sqlite"
)

// Every test here shows a trap of the driver or of SQLite first, on the driver itself, and then that this package is out of it.

func bare(t *testing.T, path string, pragmas ...string) *driver.Conn {
	t.Helper()
	c, err := driver.Open("file:" + path)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	for _, p := range pragmas {
		must(t, c.Exec("PRAGMA "+p))
	}
	return c
}

func bareInt(t *testing.T, c *driver.Conn, sql string) int64 {
	t.Helper()
	s, _, err := c.Prepare(sql)
	must(t, err)
	defer s.Close()
	if !s.Step() {
		t.Fatalf("%s: no row, %v", sql, s.Err())
	}
	return s.ColumnInt64(0)
}

func recovered(f func()) (r any) {
	defer func() { r = recover() }()
	f()
	return nil
}

func TestSynchronousDefault(t *testing.T) {
	t.Parallel()
	raw := bare(t, filepath.Join(t.TempDir(), "raw.db"), "journal_mode=WAL", "application_id=1")
	again := bare(t, raw.Filename("main").String())
	_ = bareInt(t, again, "SELECT count(*) FROM sqlite_schema") // the default is applied when the file turns out to be in WAL mode
	if got := bareInt(t, again, "PRAGMA synchronous"); got != 1 {
		t.Fatalf("trap gone: a WAL database opens with synchronous=%d, was 1 (NORMAL)", got)
	}
	s := open(t)
	for role := sqlite.Writer; role <= sqlite.Maintenance; role++ {
		c := connect(t, s, role)
		_, err := c.QueryInt("SELECT count(*) FROM sqlite_schema")
		must(t, err)
		wantInt(t, c, "PRAGMA synchronous", 2)
	}
}

func TestSynchronousPrepared(t *testing.T) {
	t.Parallel()
	raw := bare(t, filepath.Join(t.TempDir(), "raw.db"), "journal_mode=WAL", "synchronous=FULL")
	p, _, err := raw.PrepareFlags("PRAGMA synchronous=NORMAL", driver.PREPARE_PERSISTENT)
	must(t, err)
	defer p.Close()
	if p.Step() || p.Err() != nil {
		t.Fatal("PRAGMA returned a row or an error", p.Err())
	}
	if got := bareInt(t, raw, "PRAGMA synchronous"); got != 2 {
		t.Logf("a prepared PRAGMA synchronous took effect at once in this version (now %d)", got)
	}

	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, w.SetSynchronous(false))
	wantInt(t, w, "PRAGMA synchronous", 1)
	must(t, w.SetSynchronous(true))
	wantInt(t, w, "PRAGMA synchronous", 2)
	must(t, w.Exec("BEGIN IMMEDIATE"))
	if err := w.SetSynchronous(false); err == nil {
		t.Fatal("changing synchronous inside a transaction was not refused")
	}
	must(t, w.Exec("ROLLBACK"))
	must(t, w.SetSynchronous(false))
	wantInt(t, w, "PRAGMA synchronous", 1)
}

func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	ctx := driver.WithMaxMemory(context.Background(), 64<<20)
	raw, err := driver.OpenContext(ctx, "file:"+filepath.Join(t.TempDir(), "raw.db"))
	must(t, err)
	if recovered(func() { _ = raw.Exec("SELECT hex(zeroblob(200000000))") }) == nil {
		t.Fatal("trap gone: the driver no longer panics for want of memory")
	}

	s := open(t, func(o *sqlite.Options) {
		o.Memory[sqlite.Writer], o.CacheKiB[sqlite.Writer] = 4<<20, 100
		o.Memory[sqlite.Maintenance], o.CacheKiB[sqlite.Maintenance] = 4<<20, 100
	})
	w := mustConnect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	wantClass(t, run(w, "SELECT hex(zeroblob(200000000))"), sqlite.TooBig)
	must(t, w.Broken())

	// Many values within the limit, held at once.
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	err = run(w, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100) SELECT count(DISTINCT randomblob(500000)) FROM n")
	wantClass(t, err, sqlite.OutOfMemory)
	wantClass(t, w.Broken(), sqlite.OutOfMemory)
	wantClass(t, run(w, "SELECT 1"), sqlite.OutOfMemory)
	if w.Autocommit() {
		t.Fatal("Autocommit forgot the transaction that was open when the connection broke")
	}
	must(t, w.Close())

	next := connect(t, s, sqlite.Maintenance)
	must(t, run(next, "INSERT INTO t VALUES(2)"))
	wantInt(t, next, "SELECT sum(a) FROM t", 2)
	if s.Leaked() != 0 {
		t.Fatalf("%d connections leaked, though SQLite had returned", s.Leaked())
	}
}

// TestPatternOverflow is the Wasm stack overflow: a LIKE pattern recurses once for every %.
func TestPatternOverflow(t *testing.T) {
	t.Parallel()
	sql := "SELECT '" + strings.Repeat("a", 40000) + "b' LIKE '" + strings.Repeat("%a", 20000) + "'"
	raw, err := driver.Open(":memory:")
	must(t, err)
	if recovered(func() { _ = raw.Exec(sql) }) == nil {
		t.Log("the driver survives a 40 kB pattern in this version")
	}
	s := open(t)
	r := connect(t, s, sqlite.Reader)
	if err := run(r, sql); err == nil || !strings.Contains(err.Error(), "pattern too complex") {
		t.Fatalf("a long pattern returned %v", err)
	}
	must(t, run(r, "SELECT 1"))
	for name, bad := range map[string]string{
		"expression": "SELECT " + strings.Repeat("(1+", 200) + "1" + strings.Repeat(")", 200),
		"compound":   strings.Repeat("SELECT 1 UNION ALL ", 60) + "SELECT 1",
		"parameters": "SELECT ?40000",
	} {
		if err := run(r, bad); err == nil {
			t.Errorf("%s beyond the limit was accepted", name)
		}
	}
	must(t, run(r, "SELECT 1"))
}

// TestPanicInTransaction: after a panic in the middle of SQLite the driver cannot even close, and the write lock stays.
func TestPanicInTransaction(t *testing.T) {
	t.Parallel()
	explode := func(a, b []byte) int { panic("boom") }
	const create, provoke = "CREATE TABLE t(a)", "INSERT INTO t SELECT a FROM (SELECT 'x' AS a UNION ALL SELECT 'y') ORDER BY a COLLATE explode"

	path := filepath.Join(t.TempDir(), "raw.db")
	raw := bare(t, path, "journal_mode=WAL")
	must(t, raw.Exec(create))
	must(t, raw.CreateCollation("explode", explode))
	must(t, raw.Exec("BEGIN IMMEDIATE"))
	if recovered(func() { _ = raw.Exec(provoke) }) == nil {
		t.Fatal("trap gone: the collation's panic did not come out")
	}
	other := bare(t, path)
	if err := other.Exec("INSERT INTO t VALUES(1)"); !errors.Is(err, driver.BUSY) {
		t.Fatalf("trap gone: after the panic another writer got %v, was BUSY for ever", err)
	}

	s := open(t, func(o *sqlite.Options) { o.Collations = []sqlite.Collation{{Name: "explode", Compare: explode}} })
	w := mustConnect(t, s, sqlite.Writer)
	must(t, run(w, create))
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, run(w, "INSERT INTO t VALUES('lost')"))
	err := run(w, provoke)
	wantClass(t, err, sqlite.Poisoned)
	if p, ok := errors.AsType[*sqlite.PanicError](err); !ok || p.Value != "boom" || len(p.Stack) == 0 || strings.Contains(err.Error(), "boom") {
		t.Fatalf("the panic is not told right: %v", err)
	}
	wantClass(t, w.Exec("ROLLBACK"), sqlite.Poisoned)
	must(t, w.Close())
	must(t, w.Close())
	next := connect(t, s, sqlite.Writer)
	must(t, run(next, "INSERT INTO t VALUES('kept')"))
	wantInt(t, next, "SELECT count(*) FROM t", 1)
	if n := s.Leaked(); n != 0 && runtime.GOOS == "linux" {
		t.Fatalf("%d connections that nothing runs on keep their memory", n)
	}
}

// TestInterruptIsNoBusy: the driver calls both temporary, and a retry loop that trusts it never ends.
func TestInterruptIsNoBusy(t *testing.T) {
	t.Parallel()
	if !driver.INTERRUPT.Temporary() || !driver.BUSY.Temporary() {
		t.Log("the driver tells INTERRUPT from BUSY in this version")
	}
	s := open(t)
	r := connect(t, s, sqlite.Reader)
	reason := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(reason)
	r.SetContext(ctx)
	err := run(r, "SELECT 1")
	wantClass(t, err, sqlite.Interrupt)
	if !errors.Is(err, reason) {
		t.Fatalf("%v does not unwrap to the context's cause", err)
	}
	if old := r.SetContext(nil); old != ctx {
		t.Fatal("SetContext did not return the old context")
	}
	must(t, run(r, "SELECT 1"))
}

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT sum(i*0) FROM n"

func TestInterruptRunning(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	w.SetContext(ctx)
	err := run(w, endless)
	wantClass(t, err, sqlite.Interrupt)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v does not unwrap to the deadline", err)
	}
	// A rollback must be possible under a context that is over.
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, w.Exec("ROLLBACK"))
	w.SetContext(nil)

	why := errors.New("kicked out")
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	running := make(chan error)
	go func() { running <- run(w, endless) }()
	w.Kick(why)
	if err := <-running; !errors.Is(err, why) || sqlite.ClassOf(err) != sqlite.Interrupt {
		t.Fatalf("a kicked statement returned %v", err)
	}
	if err := run(w, "SELECT 1"); !errors.Is(err, why) {
		t.Fatalf("after a kick: %v", err)
	}
	must(t, w.Exec("ROLLBACK"))
	w.Unkick()
	must(t, run(w, "SELECT 1"))
	must(t, w.Broken())
}

func TestCheckpointBlocked(t *testing.T) {
	t.Parallel()
	s := open(t)
	w, r := connect(t, s, sqlite.Writer), connect(t, s, sqlite.Reader)
	must(t, run(w, "CREATE TABLE t(a)"))
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	if w.WALFrames() == 0 || s.WALBytes() == 0 {
		t.Fatalf("the WAL has %d frames, %d bytes", w.WALFrames(), s.WALBytes())
	}
	must(t, r.Exec("BEGIN"))
	wantInt(t, r, "SELECT count(*) FROM t", 1)
	must(t, run(w, "INSERT INTO t VALUES(2)"))
	if err := w.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Logf("the pragma reports a blocked checkpoint in this version: %v", err)
	}
	for _, mode := range []sqlite.CheckpointMode{sqlite.Restart, sqlite.Truncate} {
		if _, _, busy, err := w.Checkpoint(mode); err != nil || !busy {
			t.Fatalf("a blocked checkpoint: busy %v, error %v", busy, err)
		}
	}
	if log, done, busy, err := w.Checkpoint(sqlite.Passive); err != nil || busy || log < done {
		t.Fatalf("passive: %d of %d frames, busy %v, error %v", done, log, busy, err)
	}
	must(t, r.Exec("COMMIT"))
	if _, _, busy, err := w.Checkpoint(sqlite.Truncate); err != nil || busy {
		t.Fatalf("a free checkpoint: busy %v, error %v", busy, err)
	}
	if s.WALBytes() != 0 || w.WALFrames() != 0 {
		t.Fatalf("after TRUNCATE the WAL has %d bytes, %d frames", s.WALBytes(), w.WALFrames())
	}
}

// TestOpenCursorPinsWAL: a statement left open on the writer keeps it in a read transaction after its COMMIT.
func TestOpenCursorPinsWAL(t *testing.T) {
	t.Parallel()
	s := open(t)
	w, m := connect(t, s, sqlite.Writer), connect(t, s, sqlite.Maintenance)
	must(t, m.BusyTimeout(0))
	must(t, run(w, "CREATE TABLE t(a)"))
	must(t, run(w, "INSERT INTO t VALUES(1),(2),(3)"))
	must(t, w.Exec("BEGIN IMMEDIATE"))
	q, err := w.Prepare("SELECT a FROM t")
	must(t, err)
	row, err := q.Step()
	must(t, err)
	if !row {
		t.Fatal("no row")
	}
	must(t, run(w, "INSERT INTO t VALUES(4)"))
	must(t, w.Exec("COMMIT"))
	must(t, run(m, "INSERT INTO t VALUES(5)"))
	if _, _, busy, err := m.Checkpoint(sqlite.Truncate); err != nil || !busy {
		t.Fatalf("trap gone: with a cursor open the checkpoint was not blocked (busy %v, error %v)", busy, err)
	}
	w.ResetStatements()
	if _, _, busy, err := m.Checkpoint(sqlite.Truncate); err != nil || busy {
		t.Fatalf("after ResetStatements: busy %v, error %v", busy, err)
	}
	q.Release()
}

// TestCompiledIn fails when a driver upgrade changes what other packages count on.
func TestCompiledIn(t *testing.T) {
	t.Parallel()
	raw := bare(t, filepath.Join(t.TempDir(), "raw.db"))
	used := func(option string) bool {
		return bareInt(t, raw, fmt.Sprintf("SELECT sqlite_compileoption_used('%s')", option)) == 1
	}
	for _, o := range []string{"ENABLE_PREUPDATE_HOOK", "ENABLE_STAT4"} {
		if !used(o) {
			t.Errorf("%s is no longer compiled in", o)
		}
	}
	for _, o := range []string{"ENABLE_SNAPSHOT", "ENABLE_SESSION", "ENABLE_STMT_SCANSTATUS", "ENABLE_DBSTAT_VTAB"} {
		if used(o) {
			t.Errorf("%s is compiled in now: use it", o)
		}
	}
}
