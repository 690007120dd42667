package engine_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
)

// syncs counts the fsyncs of the log that f costs.
func syncs(db *engine.DB, f func()) int64 {
	before := db.Stats().Syncs
	f()
	return db.Stats().Syncs - before
}

func TestDurability(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		standard engine.Durability
		opts     []any
		durable  bool
	}{
		"standard":                 {engine.Durable, nil, true},
		"relaxed call":             {engine.Durable, []any{engine.WithDurability(engine.Relaxed)}, false},
		"relaxed standard":         {engine.Relaxed, nil, false},
		"durable call":             {engine.Relaxed, []any{engine.WithDurability(engine.Durable)}, true},
		"last option of two holds": {engine.Durable, []any{engine.WithDurability(engine.Durable), engine.WithDurability(engine.Relaxed)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, func(cfg *engine.Config) { cfg.Writer.Durability = c.standard })
			exec(t, db, "CREATE TABLE t (a)")
			options := make([]engine.Option, len(c.opts))
			for i, o := range c.opts {
				options[i] = o.(engine.Option)
			}
			const calls = 20
			n := syncs(db, func() {
				for range calls / 2 {
					if _, err := db.Exec(t.Context(), "INSERT INTO t VALUES (1)", c.opts...); err != nil {
						t.Error(err)
					}
					err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
						_, err := tx.Exec(ctx, "INSERT INTO t VALUES (2)")
						return err
					}, options...)
					if err != nil {
						t.Error(err)
					}
				}
			})
			if c.durable && n < calls || !c.durable && n > 2 {
				t.Errorf("%d transactions one after the other took %d fsyncs", calls, n)
			}
			if rows := one(t, db, "SELECT count(*) FROM t"); rows != calls {
				t.Errorf("%d rows", rows)
			}
		})
	}
}

// TestGroupCommit has many callers share their fsyncs: all of them wait when the writer becomes free.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	const callers = 100
	var wg sync.WaitGroup
	before := db.Stats().Writer
	n := syncs(db, func() {
		err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
			for range callers {
				wg.Go(func() {
					if err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error { return move(ctx, tx, 1, 2, 0) }); err != nil {
						t.Error(err)
					}
				})
			}
			eventually(t, "all callers in the queue", func() bool { return db.Stats().Writer.Waiting == callers })
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	after := db.Stats().Writer
	if jobs, commits := after.Jobs-before.Jobs, after.Commits-before.Commits; jobs != callers+1 || commits*2 > jobs || n*2 > callers {
		t.Errorf("%d durable transactions took %d commits and %d fsyncs", jobs, commits, n)
	}
	if rows := one(t, db, "SELECT count(*) FROM entry"); rows != 2*callers {
		t.Errorf("%d entries", rows)
	}
}

// TestRunOnce: COMMIT follows at once, so that a transaction which is ready behind it is in another group.
func TestRunOnce(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Writer.GroupTime = time.Second })
	before := db.Stats().Writer
	var wg sync.WaitGroup
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		for range 10 {
			wg.Go(func() {
				if _, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance", engine.RunOnce()); err != nil {
					t.Error(err)
				}
			})
		}
		eventually(t, "ten callers in the queue", func() bool { return db.Stats().Writer.Waiting == 10 })
		return move(ctx, tx, 1, 2, 1)
	})
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	after := db.Stats().Writer
	if jobs, commits := after.Jobs-before.Jobs, after.Commits-before.Commits; jobs != 11 || commits < 10 {
		t.Errorf("%d transactions in %d commits, want one each for those that RunOnce", jobs, commits)
	}
}

func TestWithTimeout(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		// The writer is held: whoever wants it waits until his time is up.
		ctx := t.Context()
		none := func(context.Context, *engine.Tx) error { t.Error("a closure ran after its time"); return nil }
		short := engine.WithTimeout(20 * time.Millisecond)
		_, exec := db.Exec(ctx, "UPDATE acc SET balance = 0", short)
		_, query := db.Query(ctx, "UPDATE acc SET balance = 0 RETURNING id", short)
		update := db.Update(ctx, none, short)
		for how, err := range map[string]error{"Exec": exec, "Query": query, "Update": update} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want DeadlineExceeded", how, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 2000 {
		t.Errorf("a call that was given up has written: sum %d", n)
	}
	for _, d := range []time.Duration{0, -time.Second} {
		_, err := db.Exec(t.Context(), "UPDATE acc SET balance = 0", engine.WithTimeout(d))
		wantOnly(t, err, context.DeadlineExceeded)
		wantOnly(t, db.View(t.Context(), func(context.Context, *engine.Tx) error { return nil }, engine.WithTimeout(d)), context.DeadlineExceeded)
	}
	rows, err := db.Query(t.Context(), "SELECT * FROM acc", engine.WithTimeout(30*time.Millisecond))
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	eventually(t, "the end of the rows' time", func() bool { return !rows.Next() || rows.Err() != nil })
	if err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the closure's context has no deadline")
		}
		<-ctx.Done()
		_, err := tx.Exec(ctx, "SELECT 1")
		return err
	}, engine.WithTimeout(20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("View: %v, want DeadlineExceeded", err)
	}
}

// TestQueueLimits fills the writer's queue.
func TestQueueLimits(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Writer.Queue, c.Writer.QueueTimeout = 2, 200*time.Millisecond })
	results := make(chan error, 2)
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		for range 2 {
			go func() {
				_, err := db.Exec(t.Context(), "UPDATE acc SET balance = 0")
				results <- err
			}()
		}
		eventually(t, "two callers in the queue", func() bool { return db.Stats().Writer.Waiting == 2 })
		_, full := db.Exec(t.Context(), "UPDATE acc SET balance = 0")
		wantOnly(t, full, engine.ErrOverloaded)
		wantText(t, full, "queue full", "2 waiting", "retry after")
		// Another class has a line of its own.
		_, trade := db.Exec(t.Context(), "UPDATE acc SET balance = 0", engine.WithClass(engine.ClassTrade), engine.WithTimeout(10*time.Millisecond))
		wantOnly(t, trade, context.DeadlineExceeded)
		for range 2 { // those who wait are turned away when the queue's time is up
			err := <-results
			wantOnly(t, err, engine.ErrOverloaded)
			wantText(t, err, "queue timeout", "class normal")
			var o *engine.OverloadError
			if !errors.As(err, &o) || o.Waited < 200*time.Millisecond || o.RetryAfter <= 0 || o.Class != engine.ClassNormal || !engine.Retryable(err) {
				t.Errorf("%+v", o)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 2000 {
		t.Errorf("a call that was turned away has written: sum %d", n)
	}
}

// TestClassesGoInOrder lets callers of all classes wait, the most urgent last in line, and looks who is served when.
func TestClassesGoInOrder(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	exec(t, db, "CREATE TABLE served (n INTEGER PRIMARY KEY, class INTEGER)")
	classes := []engine.Class{engine.ClassMaintenance, engine.ClassAnalytics, engine.ClassNormal, engine.ClassSignal, engine.ClassTrade}
	const each = 4
	var wg sync.WaitGroup
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		for i := range each * len(classes) {
			class := classes[i/each]
			wg.Go(func() {
				if _, err := db.Exec(t.Context(), "INSERT INTO served (class) VALUES (?)", int(class), engine.WithClass(class)); err != nil {
					t.Error(err)
				}
			})
			eventually(t, "one more in the queue", func() bool { return db.Stats().Writer.Waiting == i+1 })
		}
		return nil
	})
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	// One pick in sixteen looks from the bottom, so that the low classes never starve: two of these twenty at most.
	for i, class := range classes {
		last := one(t, db, "SELECT max(n) FROM served WHERE class = ?", int(class))
		if want := int64(each * (len(classes) - i)); last > want+2 {
			t.Errorf("the last of class %v was served as number %d, want %d or so", class, last, want)
		}
	}
	if n := one(t, db, "SELECT count(*) FROM served WHERE n > 16 AND class = ?", int(engine.ClassMaintenance)); n < 2 {
		t.Errorf("%d of the last four were maintenance", n)
	}
}

// plan fails the writes of the log while it is armed.
type plan struct {
	armed atomic.Bool
	hits  atomic.Int64
	err   error
	kind  sqlite.OpKind
}

func (p *plan) Before(op sqlite.Op) error {
	if op.File == sqlite.FileWAL && op.Kind == p.kind && p.armed.Load() {
		p.hits.Add(1)
		return p.err
	}
	return nil
}

// openOn opens a ledger on a disk with faults.
func openOn(t *testing.T, p *plan) *engine.DB {
	t.Helper()
	db, err := engine.OpenOn(t.Context(), config(t.TempDir()+"/test.db"), nil, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, balance INTEGER)", "INSERT INTO acc VALUES (1, 1000), (2, 1000)")
	return db
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	p := &plan{kind: sqlite.OpWrite, err: syscall.ENOSPC}
	db := openOn(t, p)
	before := digest(t, db)
	p.armed.Store(true)
	for range 3 {
		_, err := db.Exec(t.Context(), "UPDATE acc SET balance = ?", 7)
		wantOnly(t, err, engine.ErrFull)
		wantText(t, err, "free space")
		if engine.Retryable(err) {
			t.Error("a full disk is called retryable")
		}
		if digest(t, db) != before { // reads stay up
			t.Error("the transaction that failed is to be seen")
		}
	}
	p.armed.Store(false)
	onceItMay(t, db, "UPDATE acc SET balance = 8")
	if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 16 || p.hits.Load() == 0 {
		t.Errorf("sum %d after %d faults", n, p.hits.Load())
	}
}

// TestSyncFails: whether the transaction is on the disk nobody knows, and the error says so.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	p := &plan{kind: sqlite.OpSync, err: syscall.EIO}
	db := openOn(t, p)
	p.armed.Store(true)
	_, err := db.Exec(t.Context(), "UPDATE acc SET balance = 7 WHERE id = 1", engine.WithName("payment"))
	p.armed.Store(false)
	wantOnly(t, err, engine.ErrOutcomeUnknown)
	wantText(t, err, `"payment"`, "look before you run it again")
	if engine.Retryable(err) {
		t.Error("an unknown outcome is called retryable")
	}
	if p.hits.Load() == 0 {
		t.Error("no sync failed")
	}
	onceItMay(t, db, "UPDATE acc SET balance = 8 WHERE id = 2") // on a new connection, once the probe has checked the file
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 2"); n != 8 {
		t.Errorf("balance %d", n)
	}
}
