package lane_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// TestGroupCommit: a hundred callers share few fsyncs, and a relaxed one needs none.
func TestGroupCommit(t *testing.T) {
	for _, memory := range []bool{false, true} {
		r := build(t, func(s *setup) {
			if s.mem = memory; !memory {
				s.opt.Faults = slowSync(2 * time.Millisecond) // on a disk that is faster than its callers none of them would meet
			}
		})
		r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
		const callers, each = 100, 50
		var syncs, commits int64
		rounds := int64(0)
		// How many meet in a group depends on how busy the machine is with others, so the best round counts.
		for best := 0.0; best < 20 && rounds < 5; rounds++ {
			before := r.Stats()
			crowd(t, r, callers, each, rounds*callers*each)
			after := r.Stats()
			syncs, commits = after.Syncs-before.Syncs, int64(after.Writer.Commits-before.Writer.Commits)
			best = float64(callers*each) / float64(max(syncs, 1))
		}
		if n := r.number(t, "SELECT count(*) FROM t"); n != rounds*callers*each {
			t.Errorf("memory %v: %d rows", memory, n)
		}
		t.Logf("memory %v: %d transactions, %d commits, %d fsyncs", memory, callers*each, commits, syncs)
		if memory {
			continue
		}
		if per := float64(callers*each) / float64(syncs); per < 20 {
			t.Errorf("%.1f transactions an fsync, want at least 20", per)
		}
		if syncs < commits {
			t.Errorf("%d fsyncs for %d durable commits: some were acknowledged without one", syncs, commits)
		}
		settled := r.Stats().Syncs
		for range 20 {
			if _, err := r.Do(t.Context(), lane.JobOptions{Relaxed: true}, run("DELETE FROM t WHERE n = 0")); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.Stats().Syncs - settled; got != 0 {
			t.Errorf("%d fsyncs for relaxed transactions", got)
		}
		r.must(t, "DELETE FROM t WHERE n = 1")
		if got := r.Stats().Syncs - settled; got == 0 {
			t.Error("no fsync for a durable transaction after relaxed ones")
		}
	}
}

// crowd runs one-row transactions from many callers at once.
func crowd(t *testing.T, r *rig, callers, each int, from int64) {
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := range each {
				if _, err := r.Update(t.Context(), lane.JobOptions{}, run("INSERT INTO t VALUES (?)", from+int64(g*each+i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestStrictestMember: a durable transaction among relaxed ones gets its fsync.
func TestStrictestMember(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.GroupTime = time.Minute })
	r.must(t, "CREATE TABLE t (n INTEGER) STRICT")
	before := r.Stats().Syncs
	one, two, _ := inOneGroup(r, lane.JobOptions{Relaxed: true}, run("INSERT INTO t VALUES (1)"), run("INSERT INTO t VALUES (2)"))
	if one != nil || two != nil {
		t.Fatal(one, two)
	}
	if r.Stats().Syncs == before {
		t.Error("the durable transaction was acknowledged without an fsync")
	}
}

// TestSessions: transactions that their caller ends himself are members of a group like any other.
func TestSessions(t *testing.T) {
	r := build(t, func(s *setup) { s.opt.Faults = slowSync(2 * time.Millisecond) }) // see TestGroupCommit
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	ctx := t.Context()
	const callers, each = 50, 20
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := range each {
				tx, err := r.Begin(ctx, lane.JobOptions{Hold: 30 * time.Second, Idle: 30 * time.Second})
				if err != nil {
					t.Error(err)
					return
				}
				if err := run("INSERT INTO t VALUES (?)", int64(g*each+i))(tx); err != nil {
					t.Error(err)
				}
				if i%4 == 3 {
					_, err = tx.Rollback()
				} else {
					_, err = tx.Commit(ctx)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := r.number(t, "SELECT count(*) FROM t"); n != callers*each*3/4 {
		t.Errorf("%d rows, want %d", n, callers*each*3/4)
	}
	st := r.Stats().Writer
	if st.Jobs < 2*st.Commits { // alone on a machine it is twenty and more
		t.Errorf("%d transactions in %d commits: sessions do not share commits", st.Jobs, st.Commits)
	}
}

// TestIdleSession: a session whose program went away does not keep the others waiting for the whole of its hold.
func TestIdleSession(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	begin := func() (*lane.Tx, error) {
		tx, err := r.Begin(t.Context(), lane.JobOptions{Name: "shell", Hold: time.Hour, Idle: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return tx, run("INSERT INTO t VALUES (1)")(tx)
	}
	tx, err := begin()
	for try := 0; errors.Is(err, lane.ErrLeaseExpired) && try < 20; try++ { // the machine made a pause of it
		tx, err = begin()
	}
	if err != nil {
		t.Fatal(err)
	}
	r.must(t, "INSERT INTO t VALUES (1)") // waits for the idle limit, and finds nothing of the session
	var lease *lane.LeaseError
	if _, err := tx.Commit(t.Context()); !errors.As(err, &lease) || lease.Holder != "shell" || lease.Limit != 100*time.Millisecond {
		t.Errorf("the session's Commit got %v", err)
	}
	if err := run("INSERT INTO t VALUES (2)")(tx); !errors.Is(err, lane.ErrLeaseExpired) {
		t.Errorf("a statement after that got %v", err)
	}
	if _, err := tx.Rollback(); !errors.Is(err, lane.ErrLeaseExpired) {
		t.Errorf("Rollback after that got %v", err)
	}
}

// occupy keeps the writer in a transaction until leave is called, which waits for its end.
func occupy(t *testing.T, r *rig) (leave func()) {
	t.Helper()
	inside, hold, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := r.Update(context.Background(), lane.JobOptions{Hold: time.Minute}, func(*lane.Tx) error { close(inside); <-hold; return nil })
		ended <- err
	}()
	<-inside
	return func() {
		t.Helper()
		close(hold)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestClassesTakeTurns: trades go first, and a flood of them does not starve the rest.
func TestClassesTakeTurns(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.GroupTime = time.Minute; s.cfg.Writer.GroupJobs = 1 << 20 })
	r.must(t, "CREATE TABLE t (n INTEGER PRIMARY KEY, who TEXT) STRICT")
	leave := occupy(t, r)
	var wg sync.WaitGroup
	put := func(class lane.Class) {
		wg.Go(func() {
			if _, err := r.Do(context.Background(), lane.JobOptions{Class: class}, run("INSERT INTO t (who) VALUES (?)", class.String())); err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		put(lane.Maintenance)
	}
	eventually(t, "the low class to wait", func() bool { return r.Stats().Writer.Waiting >= 4 })
	for range 200 {
		put(lane.Trade)
	}
	eventually(t, "everybody to wait", func() bool { return r.Stats().Writer.Waiting >= 204 })
	leave()
	wg.Wait()
	first := r.number(t, "SELECT min(n) FROM t WHERE who = 'maintenance'")
	last := r.number(t, "SELECT max(n) FROM t WHERE who = 'maintenance'")
	if first < 5 {
		t.Errorf("maintenance that came first was served as number %d, before the trades", first)
	}
	if last > 150 {
		t.Errorf("maintenance was starved: its last turn was number %d of 204", last)
	}
}

// TestQueueIsBounded: who finds it full, or waits too long, is told at once and in full.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.Queue = 3 })
	r.must(t, "CREATE TABLE t (n INTEGER) STRICT")
	leave := occupy(t, r)
	waiting := make(chan error, 3)
	for range 3 {
		go func() { waiting <- r.exec(context.Background(), "INSERT INTO t VALUES (1)") }()
	}
	eventually(t, "three to wait", func() bool { return r.Stats().Writer.Waiting == 3 })
	var over *lane.OverloadError
	clean(t, 10*time.Second, func() []string {
		began := time.Now()
		if err := r.exec(context.Background(), "INSERT INTO t VALUES (2)"); !errors.As(err, &over) || over.Reason != "queue full" || over.RetryAfter <= 0 {
			t.Errorf("the fourth got %v", err)
		}
		if d := time.Since(began); d > 80*time.Millisecond {
			return []string{fmt.Sprintf("the refusal took %v", d)}
		}
		return nil
	})
	leave()
	for range 3 {
		if err := <-waiting; err != nil {
			t.Errorf("a waiting one got %v", err)
		}
	}
	if n := r.number(t, "SELECT sum(n) FROM t"); n != 3 {
		t.Errorf("sum %d: a job that was turned away was run", n)
	}
}

// TestWaitIsBounded: who waits too long in line is told so, or that its context has ended where that comes first.
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{100 * time.Millisecond, time.Minute} {
		r := build(t, func(s *setup) { s.cfg.Writer.QueueTimeout = timeout })
		r.must(t, "CREATE TABLE t (n INTEGER) STRICT")
		leave := occupy(t, r)
		if timeout < time.Minute {
			waiting := make(chan error, 3)
			for range 3 {
				go func() { waiting <- r.exec(context.Background(), "INSERT INTO t VALUES (1)") }()
			}
			var over *lane.OverloadError
			for range 3 {
				if err := <-waiting; !errors.As(err, &over) || over.Reason != "queue timeout" || over.Waited < timeout {
					t.Errorf("a waiting one got %v", err)
				}
			}
		} else {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if err := r.exec(ctx, "INSERT INTO t VALUES (1)"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a caller whose context ended in line got %v", err)
			}
			cancel()
		}
		leave()
		r.must(t, "INSERT INTO t VALUES (1)")
		if n := r.number(t, "SELECT count(*) FROM t"); n != 1 {
			t.Errorf("%d rows: a job that was turned away was run", n)
		}
	}
}

// TestForeignWriter: another program's lock is waited for, and its triggers are learned before they can end a group.
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.GroupTime = time.Minute })
	r.must(t, "CREATE TABLE t (n INTEGER) STRICT", "CREATE TABLE u (n INTEGER) STRICT")
	const insert = "INSERT INTO t VALUES (?)"
	if err := r.exec(t.Context(), insert, int64(1)); err != nil { // from here on the lane knows this statement as harmless
		t.Fatal(err)
	}
	other, err := r.store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, sql := range []string{"BEGIN IMMEDIATE", "CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.n = 7 BEGIN SELECT RAISE(ROLLBACK, 'not seven'); END"} {
		if err := other.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan error, 1)
	go func() { got <- r.exec(context.Background(), "INSERT INTO u VALUES (2)") }()
	eventually(t, "the lane to meet the lock", func() bool { return r.Stats().Writer.File.Busy > 0 })
	if err := other.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatalf("a write that waited for another program's lock: %v", err)
	}
	one, two, _ := inOneGroup(r, lane.JobOptions{}, run("INSERT INTO u VALUES (3)"), run(insert, int64(7)))
	if one != nil || sqlite.ClassOf(two) != sqlite.Constraint {
		t.Errorf("beside a foreign RAISE(ROLLBACK): %v, %v", one, two)
	}
	if st := r.Stats().Writer; st.File.Foreign == 0 || st.Isolated == 0 {
		t.Errorf("foreign commits noticed %d, isolated %d", st.File.Foreign, st.Isolated)
	}
	if n := r.number(t, "SELECT (SELECT count(*) FROM t) * 10 + (SELECT count(*) FROM u)"); n != 12 {
		t.Errorf("rows %d, want 1 and 2", n)
	}
}

// TestConfigMistakes: every mistake at once.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	var c lane.Config
	c.WAL.Hard = -1
	bad := c.Mistakes()
	if len(bad) < 25 {
		t.Errorf("%d mistakes in an empty configuration: %s", len(bad), fmt.Sprint(bad))
	}
	c = lane.DefaultConfig()
	if bad := c.Mistakes(); len(bad) > 0 {
		t.Errorf("the defaults have mistakes: %v", bad)
	}
}

// TestLastInsertID belongs to the statement: nobody sees that of another, and a statement that inserts nothing has none.
func TestLastInsertID(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT", "CREATE TABLE w (k TEXT PRIMARY KEY) STRICT, WITHOUT ROWID", "INSERT INTO t VALUES (77)")
	ctx := t.Context()
	_, err := r.Update(ctx, lane.JobOptions{}, func(tx *lane.Tx) error {
		for _, c := range []struct {
			sql      string
			id, rows int64
			function int64 // last_insert_rowid() afterwards
		}{
			{"SELECT 1", 0, 0, 0},
			{"INSERT INTO w VALUES ('a'), ('b')", 0, 2, 0},
			{"INSERT INTO t VALUES (5)", 5, 1, 5},
			{"UPDATE t SET n = n", 0, 2, 5},
			{"CREATE TABLE x (y INTEGER)", 0, 0, 5},
			{"INSERT OR IGNORE INTO t VALUES (5)", 0, 0, 5},
			{"EXPLAIN INSERT INTO t VALUES (6)", 0, 0, 5},
			{"INSERT INTO t VALUES (last_insert_rowid() + 4)", 9, 1, 9},
		} {
			res, err := tx.Exec(ctx, c.sql, nil)
			if err != nil {
				return err
			}
			if res.LastInsertID != c.id || res.RowsAffected != c.rows {
				t.Errorf("%s: id %d, %d rows, want %d, %d", c.sql, res.LastInsertID, res.RowsAffected, c.id, c.rows)
			}
			cur, err := tx.Open(ctx, "SELECT last_insert_rowid()", nil)
			if err != nil {
				return err
			}
			if ok, err := cur.Next(ctx); !ok || cur.Row()[0].Int != c.function {
				t.Errorf("%s: last_insert_rowid() is %d (%v), want %d", c.sql, cur.Row()[0].Int, err, c.function)
			}
			_ = cur.Close()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
