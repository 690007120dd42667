package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// closable opens a ledger that the test closes itself.
func closable(t *testing.T, change ...func(*engine.Config)) (*engine.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	cfg := config(path)
	for _, c := range change {
		c(&cfg)
	}
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, balance INTEGER)", "INSERT INTO acc VALUES (1, 1000), (2, 1000)")
	return db, path
}

// halfRead begins a View that has read half of its rows when halfRead returns, and reads on after goOn.
func halfRead(db *engine.DB, goOn <-chan struct{}) (result <-chan error) {
	view, seen := make(chan error, 1), make(chan struct{})
	go func() {
		view <- db.View(context.Background(), func(ctx context.Context, tx *engine.Tx) error {
			defer close(seen)
			rows, err := tx.Query(ctx, "SELECT balance FROM acc")
			if err != nil || !rows.Next() {
				return errors.Join(err, errMine)
			}
			seen <- struct{}{}
			<-goOn
			return drained(rows, nil)
		})
	}()
	<-seen
	return view
}

// TestShutdownDrains: who is at work finishes, who waits is served, who comes later is refused.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	db, path := closable(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	update := make(chan error, 1)
	go func() {
		update <- db.Update(context.Background(), func(ctx context.Context, tx *engine.Tx) error {
			close(inside)
			<-leave
			_, err := tx.Exec(ctx, "UPDATE acc SET balance = balance + 1 WHERE id = 1")
			return err
		})
	}()
	<-inside
	waiting := make(chan error, 5)
	for range cap(waiting) {
		go func() {
			_, err := db.Exec(context.Background(), "UPDATE acc SET balance = balance + 1 WHERE id = 2")
			waiting <- err
		}()
	}
	eventually(t, "five callers in the queue", func() bool { return db.Stats().Writer.Waiting == cap(waiting) })
	goOn := make(chan struct{})
	view := halfRead(db, goOn)
	shut := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		shut <- db.Shutdown(ctx)
	}()
	eventually(t, "refusal of newcomers", func() bool {
		return errors.Is(db.QueryRow(t.Context(), "SELECT 1").Scan(new(int)), engine.ErrClosed)
	})
	_, err := db.Exec(t.Context(), "UPDATE acc SET balance = 0")
	wantOnly(t, err, engine.ErrClosed)
	select {
	case err := <-shut:
		t.Fatalf("Shutdown returned %v while a transaction was at work", err)
	default:
	}
	close(leave)
	if err := <-update; err != nil {
		t.Errorf("the transaction at work: %v", err)
	}
	for range cap(waiting) {
		if err := <-waiting; err != nil {
			t.Errorf("one who waited: %v", err)
		}
	}
	close(goOn)
	if err := <-view; err != nil {
		t.Errorf("the View at work: %v", err)
	}
	if err := <-shut; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := errors.Join(db.Shutdown(t.Context()), db.Close(), db.Close()); err != nil {
		t.Errorf("again: %v", err)
	}
	for _, beside := range []string{"-wal", "-shm"} {
		if present(path + beside) {
			t.Errorf("%s is left behind", beside)
		}
	}
	again := openAt(t, path)
	if a, b := one(t, again, "SELECT balance FROM acc WHERE id = 1"), one(t, again, "SELECT balance FROM acc WHERE id = 2"); a != 1001 || b != 1005 {
		t.Errorf("balances %d and %d, want 1001 and 1005", a, b)
	}
}

// TestShutdownByDeadline: when its time is up, what runs is ended and who waits is told.
func TestShutdownByDeadline(t *testing.T) {
	t.Parallel()
	db, path := closable(t)
	rows, err := db.Query(context.Background(), "SELECT id FROM acc")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	update := make(chan error, 1)
	go func() {
		update <- db.Update(context.Background(), func(ctx context.Context, tx *engine.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE acc SET balance = 0"); err != nil {
				return err
			}
			close(inside)
			<-leave
			return nil
		})
	}()
	<-inside
	waiting := make(chan error, 1)
	go func() {
		_, err := db.Exec(context.Background(), "UPDATE acc SET balance = 0")
		waiting <- err
	}()
	eventually(t, "a caller in the queue", func() bool { return db.Stats().Writer.Waiting == 1 })
	within(t, 5*time.Second, "Shutdown", func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := db.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
		}
	})
	wantOnly(t, <-waiting, engine.ErrClosed)
	if rows.Next() {
		t.Error("rows go on after Shutdown")
	}
	wantOnly(t, rows.Err(), engine.ErrClosed)
	close(leave)
	if err := <-update; !errors.Is(err, engine.ErrLeaseExpired) && !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the transaction that was ended: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("again: %v", err)
	}
	if n := one(t, openAt(t, path), "SELECT sum(balance) FROM acc"); n != 2000 {
		t.Errorf("sum %d: a transaction that was ended has left something", n)
	}
}

// TestCloseEndsOpenRows: somebody who forgot to close rows must not keep the program from ending.
func TestCloseEndsOpenRows(t *testing.T) {
	t.Parallel()
	db, _ := closable(t)
	rows, err := db.Query(context.Background(), "SELECT id FROM acc")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "Shutdown with a context that is over", func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := db.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v, want Canceled", err)
		}
	})
	if rows.Next() {
		t.Error("rows go on")
	}
	wantOnly(t, rows.Err(), engine.ErrClosed)
	if err := rows.Close(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Close of the rows: %v", err)
	}
}

// TestShutdownMeetsTheLastRows shuts down at the very moment at which the last session ends.
func TestShutdownMeetsTheLastRows(t *testing.T) {
	t.Parallel()
	for range 60 {
		db, err := engine.Open(t.Context(), config("sqlite://"))
		if err != nil {
			t.Fatal(err)
		}
		var all []*engine.Rows
		for range 3 {
			rows, err := db.Query(t.Context(), "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rows)
		}
		var wg sync.WaitGroup
		for _, r := range all {
			wg.Go(func() {
				for range r.All() {
					runtime.Gosched()
				}
			})
		}
		if err := db.Shutdown(t.Context()); err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		wg.Wait()
	}
}

// TestCloseByMany calls Close from many goroutines; all return when it is done.
func TestCloseByMany(t *testing.T) {
	t.Parallel()
	db, path := closable(t)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			if present(path + "-wal") {
				t.Error("Close returned before the log was gone")
			}
		})
	}
	within(t, 5*time.Second, "Close", wg.Wait)
}

// TestNothingIsLeftRunning is not parallel: it counts goroutines and open files.
func TestNothingIsLeftRunning(t *testing.T) {
	goroutines := func() int { runtime.GC(); return runtime.NumGoroutine() }
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0 // only Linux tells
		}
		return len(list)
	}
	use := func(url string) {
		db, err := engine.Open(context.Background(), config(url))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		exec(t, db, "CREATE TABLE IF NOT EXISTS t (a)")
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, err := db.Exec(context.Background(), "INSERT INTO t VALUES (?)", i); err != nil {
					t.Error(err)
				}
				if err := db.View(context.Background(), func(ctx context.Context, tx *engine.Tx) error {
					return drained(tx.Query(ctx, "SELECT * FROM t"))
				}, engine.WithClass(engine.Class(i%5))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if rows, err := db.Query(context.Background(), "SELECT * FROM t"); err == nil {
			rows.Next()
			rows.Close()
		}
	}
	path := filepath.Join(t.TempDir(), "test.db")
	use(path) // what is made once stays
	use("sqlite://")
	before, files := goroutines(), open()
	for range 3 {
		use(path)
		use("sqlite://")
		_, err := engine.Open(context.Background(), config(filepath.Join(path, "x"))) // a failed Open leaves nothing either
		wantOnly(t, err, engine.ErrCannotOpen)
		bad := config(path)
		bad.Extend.Modules = []engine.Module{{}}
		if _, err := engine.Open(context.Background(), bad); err == nil {
			t.Error("Open with an empty module succeeded")
		}
	}
	eventually(t, "the end of all goroutines", func() bool { return goroutines() <= before })
	if n := open(); n > files {
		t.Errorf("%d open files, there were %d", n, files)
	}
}
