package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// stall is a registered function that blocks once it is armed.
type stall struct {
	entered chan struct{}
	release chan error // what the function returns
}

func newStall() *stall { return &stall{entered: make(chan struct{}), release: make(chan error)} }

func (s *stall) function() sqlite.Function {
	return sqlite.Function{Name: "stall", Args: 1, Scalar: func(args []sqlite.Value) (any, error) {
		if args[0].Int == 150 {
			s.entered <- struct{}{}
			return args[0], <-s.release
		}
		return args[0], nil
	}}
}

const filler = "printf('%0200d', value)"

// fill writes n rows in one statement; with a tiny cache they spill into the WAL before the commit.
func fill(c *sqlite.Conn, who string, from, n int) error {
	return run(c, fmt.Sprintf(`WITH RECURSIVE seq(value) AS (SELECT %d UNION ALL SELECT value+1 FROM seq WHERE value < %d)
		INSERT INTO t(who, n, pad) SELECT '%s', value, %s FROM seq`, from, from+n-1, who, filler))
}

// seizure is how the stuck writer loses its locks, what its function then returns, and what its caller does about that.
type seizure struct {
	seize  func(*testing.T, *sqlite.Conn)
	result error
	wake   func(t *testing.T, c *sqlite.Conn, stepErr error)
}

// stuckWriter runs one history: a writer stalls inside a Go function in the middle of a transaction that has spilled into the WAL; it is
// seized; a successor commits, opens a second transaction that spills, and only then the first one wakes. It returns how many
// acknowledged rows are missing and what integrity_check says.
func stuckWriter(t *testing.T, z seizure) (lost int64, integrity string) {
	t.Helper()
	st := newStall()
	s := open(t, func(o *sqlite.Options) {
		o.Functions = []sqlite.Function{st.function()}
		o.CacheKiB[sqlite.Writer] = 32
	})
	first := mustConnect(t, s, sqlite.Writer)
	must(t, run(first, "CREATE TABLE t(id INTEGER PRIMARY KEY, who TEXT, n INT, pad TEXT)"))
	must(t, run(first, "CREATE INDEX t_n ON t(n, who)"))
	must(t, fill(first, "base", 1, 300))
	must(t, first.Exec("BEGIN IMMEDIATE"))
	must(t, fill(first, "doomed", 1, 400))

	done := make(chan error, 1)
	go func() {
		err := run(first, "UPDATE t SET n = stall(n) WHERE who = 'base'")
		z.wake(t, first, err)
		done <- err
	}()
	<-st.entered
	z.seize(t, first)

	second := mustConnect(t, s, sqlite.Writer)
	acknowledged := int64(300)
	for i := range 20 {
		must(t, fill(second, "kept", 1000+i*10, 10))
		acknowledged += 10
	}
	must(t, second.Exec("BEGIN IMMEDIATE"))
	must(t, fill(second, "kept", 2000, 400))
	st.release <- z.result
	<-done
	if second.Exec("COMMIT") == nil {
		acknowledged += 400
	}
	for i := range 5 {
		if fill(second, "kept", 3000+i*10, 10) == nil {
			acknowledged += 10
		}
	}
	closeConn(second)

	r := mustConnect(t, s, sqlite.Maintenance)
	defer closeConn(r)
	integrity, err := r.QueryText("PRAGMA integrity_check")
	if err != nil {
		integrity = err.Error()
	}
	found, err := r.QueryInt("SELECT count(*) FROM t NOT INDEXED WHERE who IN ('base', 'kept')")
	if err != nil {
		return acknowledged, integrity + err.Error()
	}
	if n, _ := r.QueryInt("SELECT count(*) FROM t NOT INDEXED WHERE who = 'doomed'"); n != 0 {
		return n, "rows of the seized transaction became visible"
	}
	return acknowledged - found, integrity
}

func mustConnect(t *testing.T, s *sqlite.Store, role sqlite.Role) *sqlite.Conn {
	t.Helper()
	c, err := s.Connect(context.Background(), role)
	must(t, err)
	return c
}

// closeConn closes a connection of a database that may be damaged on purpose.
func closeConn(c *sqlite.Conn) { _ = c.Close() }

func TestFenceLosesNothing(t *testing.T) {
	t.Parallel()
	runs := 40
	if testing.Short() {
		runs = 5
	}
	for i := range runs {
		lost, integrity := stuckWriter(t, seizure{
			seize: func(t *testing.T, c *sqlite.Conn) { must(t, c.Fence()) },
			wake: func(t *testing.T, c *sqlite.Conn, err error) {
				if sqlite.ClassOf(err) != sqlite.Fenced {
					t.Errorf("the seized statement returned %v", err)
				}
				if err := c.Exec("COMMIT"); sqlite.ClassOf(err) != sqlite.Fenced {
					t.Errorf("COMMIT after the fence returned %v", err)
				}
				if err := c.Close(); err != nil {
					t.Errorf("Close of a fenced connection: %v", err)
				}
			},
		})
		if lost != 0 || integrity != "ok" {
			t.Fatalf("run %d: %d acknowledged rows lost, integrity_check: %s", i, lost, integrity)
		}
	}
}

func TestFenceIdleAndBusy(t *testing.T) {
	t.Parallel()
	s := open(t)
	idle := mustConnect(t, s, sqlite.Writer)
	must(t, run(idle, "CREATE TABLE t(a)"))
	must(t, idle.Exec("BEGIN IMMEDIATE"))
	must(t, run(idle, "INSERT INTO t VALUES(1)"))
	w := connect(t, s, sqlite.Writer)
	wantClass(t, run(w, "INSERT INTO t VALUES(2)"), sqlite.Busy)
	must(t, idle.Fence())
	must(t, run(w, "INSERT INTO t VALUES(2)"))
	wantClass(t, idle.Exec("COMMIT"), sqlite.Fenced)
	wantClass(t, idle.Broken(), sqlite.Fenced)
	must(t, idle.Fence())
	must(t, idle.Close())
	wantInt(t, w, "SELECT sum(a) FROM t", 2)
	if n := s.Leaked(); n != 0 && runtime.GOOS == "linux" {
		t.Fatalf("%d connections keep memory that nothing runs in", n)
	}

	// SQLite's own code meets the fence by itself, in the middle of a statement that calls nothing.
	busy := mustConnect(t, s, sqlite.Maintenance)
	must(t, busy.Exec("BEGIN IMMEDIATE"))
	started := make(chan struct{})
	done := make(chan error)
	go func() {
		close(started)
		done <- run(busy, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) INSERT INTO t SELECT sum(i) FROM n")
	}()
	<-started
	must(t, busy.Fence())
	wantClass(t, <-done, sqlite.Fenced)
	must(t, run(w, "INSERT INTO t VALUES(3)"))
	wantInt(t, w, "SELECT sum(a) FROM t", 5)
}

func TestFenceInMemory(t *testing.T) {
	t.Parallel()
	st := newStall()
	s := openAt(t, "sqlite://", func(o *sqlite.Options) { o.Functions = []sqlite.Function{st.function()} })
	stuck := mustConnect(t, s, sqlite.Writer)
	must(t, run(stuck, "CREATE TABLE t(a)"))
	must(t, stuck.Exec("BEGIN IMMEDIATE"))
	must(t, run(stuck, "INSERT INTO t VALUES(1)"))
	done := make(chan error)
	go func() { done <- run(stuck, "INSERT INTO t VALUES(stall(150))") }()
	<-st.entered
	must(t, stuck.Fence())
	w := connect(t, s, sqlite.Writer)
	must(t, run(w, "INSERT INTO t VALUES(7)"))
	st.release <- nil
	wantClass(t, <-done, sqlite.Fenced)
	must(t, run(w, "INSERT INTO t VALUES(8)"))
	wantInt(t, w, "SELECT sum(a) FROM t", 15)
}

// TestFencePending shows that locks are not taken from a file call that has not returned: it could still land.
func TestFencePending(t *testing.T) {
	t.Parallel()
	gate := newBlockingFaults()
	s := open(t, func(o *sqlite.Options) { o.Faults = gate })
	stuck := mustConnect(t, s, sqlite.Writer)
	must(t, run(stuck, "CREATE TABLE t(a)"))
	gate.arm()
	done := make(chan error)
	go func() { done <- run(stuck, "INSERT INTO t VALUES(1)") }()
	<-gate.entered
	wantClass(t, stuck.Fence(), sqlite.Busy)
	w := connect(t, s, sqlite.Writer)
	wantClass(t, run(w, "INSERT INTO t VALUES(2)"), sqlite.Busy)
	gate.release <- struct{}{}
	if err := <-done; sqlite.ClassOf(err) != sqlite.Fenced {
		t.Fatalf("the fenced write returned %v", err)
	}
	must(t, run(w, "INSERT INTO t VALUES(2)"))
	wantInt(t, w, "SELECT sum(a) FROM t", 2)
	if !errors.As(stuck.Broken(), new(*sqlite.Error)) {
		t.Fatal("not broken")
	}
}

// blockingFaults holds the next write to the WAL.
type blockingFaults struct {
	armed            atomic.Bool
	entered, release chan struct{}
}

func newBlockingFaults() *blockingFaults {
	return &blockingFaults{entered: make(chan struct{}), release: make(chan struct{})}
}

func (b *blockingFaults) arm() { b.armed.Store(true) }

func (b *blockingFaults) Before(op sqlite.Op) error {
	if op.Kind == sqlite.OpWrite && op.File == sqlite.FileWAL && b.armed.CompareAndSwap(true, false) {
		b.entered <- struct{}{}
		<-b.release
	}
	return nil
}

// TestFenceAnywhere fences a writer at full speed, at every point of its life: in a file call, between two, in the commit, idle.
func TestFenceAnywhere(t *testing.T) {
	t.Parallel()
	runs := 60
	if testing.Short() {
		runs = 20
	}
	for n := 1; n <= runs; n++ {
		plan := &faultfs.Plan{}
		s := open(t, func(o *sqlite.Options) {
			o.Faults = plan
			o.CacheKiB[sqlite.Writer] = 32
		})
		first := mustConnect(t, s, sqlite.Writer)
		must(t, run(first, "CREATE TABLE t(id INTEGER PRIMARY KEY, who TEXT, n INT, pad TEXT)"))
		must(t, run(first, "CREATE INDEX t_n ON t(n, who)"))
		reached := make(chan struct{}, 1)
		plan.Add(faultfs.Rule{Kind: []sqlite.OpKind{sqlite.OpWrite, sqlite.OpShm, sqlite.OpSync}[n%3], Nth: n, Then: func(sqlite.Op) { reached <- struct{}{} }})
		var acknowledged int64
		done := make(chan error)
		go func() {
			for {
				err := first.Exec("BEGIN IMMEDIATE")
				if err == nil {
					err = fill(first, "kept", 1, 60)
				}
				if err == nil {
					err = first.Exec("COMMIT")
				}
				if err != nil {
					done <- err
					return
				}
				acknowledged += 60
			}
		}()
		<-reached
		for {
			err := first.Fence()
			if err == nil {
				break
			}
			wantClass(t, err, sqlite.Busy)
		}
		second := mustConnect(t, s, sqlite.Writer)
		must(t, fill(second, "next", 1, 100))
		wantClass(t, <-done, sqlite.Fenced)
		must(t, fill(second, "next", 101, 100))
		if text, err := second.QueryText("PRAGMA integrity_check"); err != nil || text != "ok" {
			t.Fatalf("run %d: %s %v", n, text, err)
		}
		kept, err := second.QueryInt("SELECT count(*) FROM t WHERE who = 'kept'")
		must(t, err)
		if kept != acknowledged && kept != acknowledged+60 {
			t.Fatalf("run %d: %d rows, %d acknowledged", n, kept, acknowledged)
		}
		wantInt(t, second, "SELECT count(*) FROM t WHERE who = 'next'", 200)
		must(t, second.Close())
	}
}
