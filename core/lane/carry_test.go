package lane_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// goroutine is the number of the goroutine that asks.
func goroutine() string {
	b := make([]byte, 64)
	return string(bytes.Fields(b[:runtime.Stack(b, false)])[1])
}

// TestCarried: a lone relaxed job runs on its caller's goroutine; whoever would wait there for a disk or for somebody else does not.
func TestCarried(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT")
	for _, c := range []struct {
		name    string
		opt     lane.JobOptions
		carried bool
	}{{"relaxed", lane.JobOptions{Relaxed: true}, true}, {"durable", lane.JobOptions{}, false}} {
		before := r.Stats().Writer.Carried
		where := ""
		for range 50 { // the lane goes to rest a moment after it has answered
			if _, err := r.Do(t.Context(), c.opt, func(tx *lane.Tx) error {
				where = goroutine()
				_, err := tx.Exec(t.Context(), "INSERT INTO t DEFAULT VALUES", nil)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if got := where == goroutine(); got != c.carried {
			t.Errorf("%s: on its caller's goroutine: %v", c.name, got)
		}
		if n := r.Stats().Writer.Carried - before; (n > 40) != c.carried || n > 0 && !c.carried {
			t.Errorf("%s: %d of 50 were carried", c.name, n)
		}
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 100 {
		t.Errorf("%d rows, want 100", n)
	}
}

// TestCarriedLeavesNothingUndone: the log is checkpointed, and its space goes back, though callers do all the work.
func TestCarriedLeavesNothingUndone(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.WAL.CheckpointFrames, s.cfg.Writer.IdleTruncate = 50, 50*time.Millisecond })
	r.relaxed = true
	r.must(t, "CREATE TABLE w (n INTEGER PRIMARY KEY, pad BLOB) STRICT")
	eventually(t, "the log to be truncated", func() bool { return r.Stats().WAL.Bytes == 0 })
	before := r.Stats()
	for range 3000 {
		r.must(t, "INSERT INTO w (pad) VALUES (zeroblob(2000))")
	}
	after := r.Stats()
	if n := after.Writer.Carried - before.Writer.Carried; n < (after.Writer.Commits-before.Writer.Commits)/2 {
		t.Errorf("%d of %d groups were carried", n, after.Writer.Commits-before.Writer.Commits)
	}
	if after.WAL.Checkpoints < before.WAL.Checkpoints+20 || after.WAL.Bytes > 2<<20 {
		t.Errorf("%d checkpoints, and the log grew to %d bytes", after.WAL.Checkpoints-before.WAL.Checkpoints, after.WAL.Bytes)
	}
	eventually(t, "the log to be truncated again", func() bool { return r.Stats().WAL.Bytes == 0 })
	r.sound(t)
}

// TestCarriedLetsOthersIn: a caller who writes without a pause leaves the lock alone now and then, once there was a sign of another program.
func TestCarriedLetsOthersIn(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.WAL.CheckpointFrames = 1 << 20 })
	r.relaxed = true
	r.must(t, "CREATE TABLE w (n INTEGER PRIMARY KEY) STRICT")
	other, err := r.store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Exec("INSERT INTO w DEFAULT VALUES"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lock to be left alone", func() bool {
		for range 100 {
			r.must(t, "INSERT INTO w DEFAULT VALUES")
		}
		return r.Stats().Writer.File.Yields >= 3
	})
}

// TestCarriedBesideTruncation: the lane gives the space of the log back just when a caller begins.
func TestCarriedBesideTruncation(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.IdleTruncate = 200 * time.Microsecond })
	r.relaxed = true
	r.must(t, "CREATE TABLE w (n INTEGER PRIMARY KEY) STRICT")
	pace := time.NewTicker(300 * time.Microsecond)
	defer pace.Stop()
	for range 1000 {
		<-pace.C
		r.must(t, "INSERT INTO w DEFAULT VALUES")
	}
	if n := r.number(t, "SELECT count(*) FROM w"); n != 1000 {
		t.Errorf("%d rows, want 1000", n)
	}
}

// TestReplacedShiftEnds: a shift that is abandoned while a caller had it leaves no goroutine behind, nor takes it a signal away from the next.
func TestReplacedShiftEnds(t *testing.T) { // not parallel: it counts goroutines
	s := &sleeper{make(chan struct{}), make(chan struct{})}
	r := build(t, func(c *setup) {
		c.opt.Functions = []sqlite.Function{s.function()}
		c.cfg.Writer.StatementTime, c.cfg.Writer.Grace = 100*time.Millisecond, 100*time.Millisecond
	})
	r.must(t, "CREATE TABLE t (n INTEGER) STRICT")
	r.relaxed = true
	shifts := func() int {
		b := make([]byte, 1<<20)
		return bytes.Count(b[:runtime.Stack(b, true)], []byte("lane.(*shift).run("))
	}
	before := shifts()
	ended := make(chan error, 1)
	go func() { ended <- r.exec(context.Background(), "INSERT INTO t VALUES (oversleep(40))") }()
	<-s.asleep
	eventually(t, "the writer to be replaced", func() bool { return r.Stats().Writer.Limits.Fenced == 1 })
	r.must(t, "INSERT INTO t VALUES (1)")
	eventually(t, "the abandoned shift to end", func() bool { return shifts() == before })
	close(s.wake)
	var lease *lane.LeaseError
	if err := <-ended; !errors.As(err, &lease) {
		t.Errorf("the stuck caller was told %v", err)
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 1 {
		t.Errorf("%d rows, want that of the next caller", n)
	}
}

// TestCarriedAmongOthers: callers who carry, callers who wait for a disk and leases are in each other's way.
func TestCarriedAmongOthers(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE c (who INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT", "INSERT INTO c VALUES (1, 0)")
	const add = "UPDATE c SET n = n + 1"
	var wg sync.WaitGroup
	var done atomic.Int64
	for who := range 6 {
		wg.Go(func() {
			for range 300 {
				var err error
				switch opt := (lane.JobOptions{Relaxed: who < 4}); who {
				case 2, 5:
					_, err = r.Update(t.Context(), opt, run(add))
				default:
					_, err = r.Do(t.Context(), opt, run(add))
				}
				if err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	if n := r.number(t, "SELECT n FROM c"); n != done.Load() || n != 6*300 {
		t.Errorf("%d increments were acknowledged and %d are there", done.Load(), n)
	}
	t.Logf("%d of %d groups were carried", r.Stats().Writer.Carried, r.Stats().Writer.Commits)
}

// TestCarriedModel is TestModel with few callers, most of whom carry.
func TestCarriedModel(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.single = true
	m.run(uint64(time.Now().UnixNano()), 3, 1500)
	if st := m.Stats().Writer; st.Carried < st.Commits/10 {
		t.Errorf("%d of %d groups were carried", st.Carried, st.Commits)
	}
}

// TestCarriedEndsWithItsContext: a caller who runs his own statement is freed from it as any other.
func TestCarriedEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.StatementTime = time.Hour })
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	r.relaxed = true
	gaveUp := errors.New("gave up")
	for range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		running := make(chan struct{})
		go func() {
			<-running
			cancel(gaveUp)
		}()
		_, err := r.Do(ctx, lane.JobOptions{Relaxed: true}, func(tx *lane.Tx) error {
			close(running)
			_, err := tx.Exec(ctx, endlessWrite, nil)
			return err
		})
		if !errors.Is(err, gaveUp) {
			t.Fatalf("told %v, want its own reason", err)
		}
		r.must(t, "INSERT INTO t VALUES (1)", "DELETE FROM t")
	}
	if r.Stats().Writer.Carried == 0 {
		t.Error("nothing was carried")
	}
}

// TestCarriedKeepsToItsFile: who writes without a pause lets the lane look whether the files are still in their places.
func TestCarriedKeepsToItsFile(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.relaxed = true
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY) STRICT")
	if err := os.Rename(r.path, r.path+".away"); err != nil {
		t.Fatal(err)
	}
	// What counts is when an acknowledged write began: the machine may stop us between the lane's look at the file and the answer.
	moved, late := time.Now(), time.Duration(0)
	for began := moved; began.Sub(moved) < time.Second || r.Stats().Writer.File.Moved == 0 && began.Sub(moved) < 20*time.Second; began = time.Now() {
		if err := r.exec(t.Context(), "INSERT INTO w DEFAULT VALUES"); err == nil {
			late = began.Sub(moved)
		}
	}
	if late > 500*time.Millisecond || r.Stats().Writer.File.Moved == 0 {
		t.Errorf("still acknowledged %v after the file was gone; noticed %d times", late, r.Stats().Writer.File.Moved)
	}
	if err := os.Rename(r.path+".away", r.path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lane to find the file again", func() bool { return r.exec(t.Context(), "INSERT INTO w DEFAULT VALUES") == nil })
	r.sound(t)
}

// TestShutdownWaitsForTheCarried: the database is not closed under a caller who is at work.
func TestShutdownWaitsForTheCarried(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.opt.Functions = []sqlite.Function{{Name: "nap", Args: 0, Scalar: func([]sqlite.Value) (any, error) {
			time.Sleep(50 * time.Millisecond) // the slow statement itself
			return int64(1), nil
		}}}
	})
	r.must(t, "CREATE TABLE t (n INTEGER) STRICT")
	r.relaxed = true
	var wg sync.WaitGroup
	started := make(chan struct{})
	wg.Go(func() {
		_, err := r.Do(t.Context(), lane.JobOptions{Relaxed: true}, func(tx *lane.Tx) error {
			close(started)
			_, err := tx.Exec(t.Context(), "INSERT INTO t VALUES (nap())", nil)
			return err
		})
		if err != nil {
			t.Errorf("at work when the lanes were shut: %v", err)
		}
	})
	<-started
	if err := r.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	wg.Wait()
	if err := r.exec(t.Context(), "INSERT INTO t VALUES (2)"); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("after the end: %v, want ErrClosed", err)
	}
}
