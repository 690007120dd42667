package lane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// sleeper is an SQL function that blocks until the test lets it go.
type sleeper struct {
	asleep chan struct{}
	wake   chan struct{}
}

func (s *sleeper) function() sqlite.Function {
	return sqlite.Function{Name: "oversleep", Args: 1, Scalar: func(args []sqlite.Value) (any, error) {
		if args[0].Int == 40 { // in mid-statement, with pages of it spilled to the WAL
			close(s.asleep)
			<-s.wake
		}
		return args[0].Int, nil
	}}
}

// TestStuckWriterIsReplaced lets a statement on the writer block in a Go function, in mid-statement and with uncommitted pages in
// the WAL, watches the successor acknowledge commits, wakes the stuck one in the middle of that, and looks for what was
// lost. 400 runs with TIDEGATE_TORTURE=1. What happens without the fence, or with a late ROLLBACK, is shown one layer down,
// where both can be left out: see there.
func TestStuckWriterIsReplaced(t *testing.T) {
	t.Parallel()
	runs := 6
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		runs = 400
	}
	for run := range runs {
		for _, how := range []string{"lent", "own", "carried"} {
			stuckOnce(t, run, how)
		}
	}
}

func stuckOnce(t *testing.T, run int, how string) {
	s := &sleeper{make(chan struct{}), make(chan struct{})}
	r := build(t, func(c *setup) {
		c.opt.Functions = []sqlite.Function{s.function()}
		c.opt.CacheKiB[sqlite.Writer] = 16                  // spill
		c.cfg.Writer.StatementTime = 300 * time.Millisecond // on a busy machine an innocent statement takes its time
		c.cfg.Writer.Grace = 200 * time.Millisecond
		c.cfg.WAL.CheckpointFrames = 50
	})
	ctx := t.Context()
	r.must(t, "CREATE TABLE acked (n INTEGER NOT NULL PRIMARY KEY, pad TEXT NOT NULL) STRICT", "CREATE TABLE stuck (n INTEGER, pad TEXT) STRICT")
	const grab = "INSERT INTO stuck WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 80) SELECT oversleep(x), hex(zeroblob(3000)) FROM c"
	ended := make(chan error, 1)
	go func() {
		var err error
		switch how {
		case "lent":
			_, err = r.Update(ctx, lane.JobOptions{Name: "stuck"}, func(tx *lane.Tx) error {
				_, _ = tx.Exec(ctx, grab, nil)
				_, err := tx.Exec(ctx, "INSERT INTO stuck VALUES (0, 'after')", nil) // it goes on as if nothing had been
				if err == nil {
					t.Error("a fenced transaction could write")
				}
				return nil
			})
		case "own":
			err = r.exec(ctx, grab)
		case "carried":
			err = (&rig{Lanes: r.Lanes, relaxed: true}).exec(ctx, grab)
		}
		ended <- err
	}()
	<-s.asleep
	var mu sync.Mutex
	acked := 0
	write := func(n int) {
		if err := r.exec(ctx, "INSERT INTO acked VALUES (?, hex(zeroblob(500)))", int64(n)); err != nil {
			t.Errorf("run %d: successor: %v", run, err)
			return
		}
		mu.Lock()
		acked++
		mu.Unlock()
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 30 {
				if g == 0 && i == 1+run%29 { // after its first commit, so after the fence
					close(s.wake)
				}
				write(g*1000 + i)
			}
		})
	}
	wg.Wait()
	err := <-ended
	var lease *lane.LeaseError
	if !errors.As(err, &lease) || !lease.Inside {
		t.Errorf("run %d (%s): the stuck transaction ended with %v", run, how, err)
	}
	if n := r.number(t, "SELECT count(*) FROM acked"); n != int64(acked) {
		t.Errorf("run %d (%s): %d acknowledged, %d found", run, how, acked, n)
	}
	if n := r.number(t, "SELECT count(*) FROM stuck"); n != 0 {
		t.Errorf("run %d (%s): %d rows of the stuck transaction were committed", run, how, n)
	}
	r.sound(t)
	if st := r.Stats(); st.Writer.Limits.Fenced != 1 {
		t.Errorf("run %d: fenced %d", run, st.Writer.Limits.Fenced)
	}
	// It was woken: once it has met the fence its memory is the system's again.
	eventually(t, "nothing to be left behind", func() bool { return r.Stats().Leaked == 0 })
}

// TestOverlongStatementIsInterrupted: what stops when interrupted costs no connection.
func TestOverlongStatementIsInterrupted(t *testing.T) {
	t.Parallel()
	r := build(t, func(c *setup) {
		c.cfg.Writer.StatementTime = 50 * time.Millisecond
		c.cfg.Writer.Grace = 20 * time.Second
	})
	r.must(t, "CREATE TABLE t (x INTEGER) STRICT")
	err := r.exec(t.Context(), "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c WHERE x < 0")
	var lease *lane.LeaseError
	if !errors.As(err, &lease) || lease.Inside {
		t.Fatalf("an endless statement ended with %v", err)
	}
	r.must(t, "INSERT INTO t VALUES (1)")
	if st := r.Stats(); st.Writer.Limits.Fenced != 0 || st.Writer.Limits.Interrupted != 1 || st.Writer.File.Reconnects != 0 {
		t.Errorf("fenced %d, interrupted %d, reconnected %d", st.Writer.Limits.Fenced, st.Writer.Limits.Interrupted, st.Writer.File.Reconnects)
	}
}

// TestPoisonedWriterFreesTheOthers: a statement that runs out of memory inside BEGIN IMMEDIATE costs its own transaction only.
func TestPoisonedWriterFreesTheOthers(t *testing.T) {
	t.Parallel()
	r := build(t, func(c *setup) { c.opt.Memory[sqlite.Writer], c.opt.CacheKiB[sqlite.Writer] = 8<<20, 1024 })
	r.must(t, "CREATE TABLE t (x TEXT) STRICT")
	for i := range 5 {
		err := r.exec(t.Context(), "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 100000) SELECT group_concat(hex(zeroblob(1000))) FROM c")
		if k := sqlite.ClassOf(err); err == nil || (k != sqlite.OutOfMemory && k != sqlite.TooBig && k != sqlite.Poisoned) {
			t.Fatalf("a statement beyond the memory limit ended with %v", err)
		}
		began := time.Now()
		if err := r.exec(t.Context(), "INSERT INTO t VALUES (?)", fmt.Sprint(i)); err != nil {
			t.Fatalf("the next transaction: %v", err)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("the writer came back after %v", d)
		}
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
	r.sound(t)
}

// TestInterruptAtShutdown: closing does not wait for what never ends.
func TestInterruptAtShutdown(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (x INTEGER) STRICT")
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		_, err := r.Update(context.Background(), lane.JobOptions{}, func(tx *lane.Tx) error {
			close(started)
			_, err := tx.Exec(context.Background(), "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c WHERE x < 0", nil)
			return err
		})
		ended <- err
	}()
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-ended; !errors.Is(err, lane.ErrClosed) {
		t.Errorf("the endless transaction ended with %v", err)
	}
	if err := r.exec(context.Background(), "INSERT INTO t VALUES (1)"); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("a write after Shutdown: %v", err)
	}
}

// TestShutdownLeavesStuckReaders: a Go function that never returns cannot keep the database from closing.
func TestShutdownLeavesStuckReaders(t *testing.T) {
	t.Parallel()
	s := &sleeper{make(chan struct{}), make(chan struct{})}
	r := build(t, func(c *setup) { c.opt.Functions = []sqlite.Function{s.function()} })
	ended := make(chan error, 1)
	go func() {
		_, err := r.readNumber(context.Background(), "SELECT oversleep(40)")
		ended <- err
	}()
	<-s.asleep
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(ctx) }()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Shutdown waits for a function that does not return")
	}
	if r.store.Leaked() != 1 {
		t.Errorf("%d connections left behind, want 1", r.store.Leaked())
	}
	close(s.wake)
	if err := <-ended; err == nil {
		t.Error("the stuck statement succeeded on a closed database")
	}
}

// TestSavepointOnReader: what a SAVEPOINT opens on a reader ends with its session.
func TestSavepointOnReader(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Readers.Conns = 1 })
	r.must(t, "CREATE TABLE t (x INTEGER) STRICT")
	c, err := r.Query(t.Context(), lane.ReadOptions{}, "SAVEPOINT mine", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Finish()
	if n := r.number(t, "SELECT count(*) FROM t"); n != 0 {
		t.Fatal(n)
	}
	r.must(t, "INSERT INTO t VALUES (1)")
	if n := r.number(t, "SELECT count(*) FROM t"); n != 1 {
		t.Errorf("the reader still shows its old snapshot: %d rows", n)
	}
}

// TestStuckReaderGivesItsSlotBack: a Go function that never returns costs its caller's time and a connection, and nobody else anything.
func TestStuckReaderGivesItsSlotBack(t *testing.T) {
	t.Parallel()
	s := &sleeper{make(chan struct{}), make(chan struct{})}
	r := build(t, func(c *setup) {
		c.opt.Functions = []sqlite.Function{s.function()}
		c.cfg.Readers.Slots, c.cfg.Writer.Grace = 1, 200*time.Millisecond
	})
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := r.Query(ctx, lane.ReadOptions{Name: "asleep"}, "SELECT oversleep(40)", nil)
		ended <- err
	}()
	<-s.asleep
	others := make(chan error, 1)
	go func() {
		_, err := r.readNumber(context.Background(), "SELECT 1")
		others <- err
	}()
	eventually(t, "the other to wait for the only slot", func() bool { return r.Stats().Readers.Waiting == 1 })
	cancel()
	if err := <-others; err != nil {
		t.Errorf("who waited for the slot got %v", err)
	}
	st := r.Stats()
	if st.Readers.Fenced != 1 || st.Leaked != 1 || st.Readers.InUse != 0 {
		t.Errorf("fenced %d, left behind %d, in use %d", st.Readers.Fenced, st.Leaked, st.Readers.InUse)
	}
	close(s.wake)
	var stuck *lane.StuckError
	if err := <-ended; !errors.As(err, &stuck) || stuck.Holder != "asleep" || !errors.Is(err, lane.ErrStuck) || !errors.Is(err, context.Canceled) {
		t.Errorf("the stuck one was told %v", err)
	}
	for range 3 { // the slot is there once, not twice
		if n := r.number(t, "SELECT 1"); n != 1 {
			t.Error(n)
		}
	}
}
