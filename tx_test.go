package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// ledger opens a database with two tables whose contents must agree.
func ledger(t testing.TB, change ...func(*engine.Config)) *engine.DB {
	t.Helper()
	db := open(t, change...)
	exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT",
		"CREATE TABLE entry (id INTEGER PRIMARY KEY, acc INTEGER NOT NULL REFERENCES acc DEFERRABLE INITIALLY DEFERRED, amount INTEGER NOT NULL) STRICT",
		"INSERT INTO acc VALUES (1, 1000), (2, 1000)")
	return db
}

// move transfers amount from one account to the other and books it.
func move(ctx context.Context, tx *engine.Tx, from, to, amount int) error {
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{"UPDATE acc SET balance = balance - ? WHERE id = ?", []any{amount, from}},
		{"UPDATE acc SET balance = balance + ? WHERE id = ?", []any{amount, to}},
		{"INSERT INTO entry (acc, amount) VALUES (?, ?), (?, ?)", []any{from, -amount, to, amount}},
	} {
		if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}

var errMine = errors.New("an error of the closure's own")

func TestUpdateCommitsOnNil(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if tx.ReadOnly() {
			t.Error("an Update says that it only reads")
		}
		if err := move(ctx, tx, 1, 2, 30); err != nil {
			return err
		}
		var seen int
		if err := tx.QueryRow(ctx, "SELECT balance FROM acc WHERE id = 1").Scan(&seen); err != nil || seen != 970 {
			t.Errorf("inside it reads %d, %v; want its own write, 970", seen, err)
		}
		if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 1000 {
			t.Errorf("others read %d before the commit", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a, b, n := one(t, db, "SELECT balance FROM acc WHERE id = 1"), one(t, db, "SELECT balance FROM acc WHERE id = 2"), one(t, db, "SELECT count(*) FROM entry"); a != 970 || b != 1030 || n != 2 {
		t.Errorf("after the commit: %d, %d, %d entries", a, b, n)
	}
}

// TestUpdateRollsBack takes every way out of a closure that must leave nothing behind. Each way is tried while other
// callers commit, and theirs must all be there.
func TestUpdateRollsBack(t *testing.T) {
	t.Parallel()
	ways := map[string]struct {
		fn   func(ctx context.Context, tx *engine.Tx, cancel func()) error
		want error
	}{
		"error": {func(ctx context.Context, tx *engine.Tx, _ func()) error {
			return errors.Join(move(ctx, tx, 1, 2, 5), errMine)
		}, errMine},
		"wrapped error": {func(ctx context.Context, tx *engine.Tx, _ func()) error {
			if err := move(ctx, tx, 1, 2, 5); err != nil {
				return err
			}
			return fmt.Errorf("closure: %w", errMine)
		}, errMine},
		"error of a statement, returned": {func(ctx context.Context, tx *engine.Tx, _ func()) error {
			if err := move(ctx, tx, 1, 2, 5); err != nil {
				return err
			}
			return move(ctx, tx, 1, 2, 5000)
		}, engine.ErrConstraint},
		"context cancelled": {func(ctx context.Context, tx *engine.Tx, cancel func()) error {
			if err := move(ctx, tx, 1, 2, 5); err != nil {
				return err
			}
			cancel()
			return move(ctx, tx, 1, 2, 5)
		}, context.Canceled},
		"deferred foreign key": {func(ctx context.Context, tx *engine.Tx, _ func()) error {
			_, err := tx.Exec(ctx, "INSERT INTO entry (acc, amount) VALUES (99, 5)")
			return err
		}, engine.ErrConstraint},
		"ErrNoRows handed on": {func(ctx context.Context, tx *engine.Tx, _ func()) error {
			if err := move(ctx, tx, 1, 2, 5); err != nil {
				return err
			}
			return tx.QueryRow(ctx, "SELECT id FROM acc WHERE id = 77").Scan(new(int))
		}, engine.ErrNoRows},
	}
	for name, w := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := ledger(t)
			others := busyWith(t, db)
			for range 10 {
				ctx, cancel := context.WithCancel(t.Context())
				err := db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
					tx.OnCommit(func() { t.Error("OnCommit was called after a rollback") })
					return w.fn(ctx, tx, cancel)
				})
				cancel()
				if !errors.Is(err, w.want) {
					t.Fatalf("got %v, want %v", err, w.want)
				}
			}
			others()
			if n := one(t, db, "SELECT count(*) FROM entry WHERE amount NOT IN (-1, 1)"); n != 0 {
				t.Errorf("%d entries of transactions that were rolled back", n)
			}
		})
	}
}

// busyWith keeps four callers committing until the returned function is called, which checks that all they committed is
// there and nothing else. They have a limit: in memory they would grow the table faster than one processor can read it.
func busyWith(t testing.TB, db *engine.DB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 4 {
		wg.Go(func() {
			for n := 0; n < 1000 && ctx.Err() == nil; n++ {
				err := db.Update(context.Background(), func(ctx context.Context, tx *engine.Tx) error { return move(ctx, tx, 1, 2, 1) })
				if err == nil {
					err = db.Update(context.Background(), func(ctx context.Context, tx *engine.Tx) error { return move(ctx, tx, 2, 1, 1) })
				}
				if err != nil {
					t.Errorf("an innocent transaction failed: %v", err)
					return
				}
				mu.Lock()
				done += 4
				mu.Unlock()
			}
		})
	}
	return func() {
		t.Helper()
		cancel()
		wg.Wait()
		if n := one(t, db, "SELECT count(*) FROM entry"); n != int64(done) {
			t.Errorf("%d entries, %d were acknowledged", n, done)
		}
		if sum := one(t, db, "SELECT sum(balance) FROM acc"); sum != 2000 {
			t.Errorf("the balances sum up to %d, want 2000", sum)
		}
	}
}

func TestUpdateLetsPanicGoOn(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	others := busyWith(t, db)
	for i := range 10 {
		func() {
			defer func() {
				if p := recover(); p != any(i) {
					t.Errorf("recovered %v, want %d", p, i)
				}
			}()
			err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				tx.OnCommit(func() { t.Error("OnCommit was called after a panic") })
				if err := move(ctx, tx, 1, 2, 7); err != nil {
					return err
				}
				panic(i)
			})
			t.Errorf("Update returned %v instead of panicking", err)
		}()
	}
	others()
	if n := one(t, db, "SELECT count(*) FROM entry WHERE amount = 7"); n != 0 {
		t.Errorf("%d entries of closures that panicked", n)
	}
}

func TestUpdateOnGoexit(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	others := busyWith(t, db)
	for range 10 {
		within(t, 5*time.Second, "a closure that calls Goexit", func() {
			_ = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				if err := move(ctx, tx, 1, 2, 7); err != nil {
					return err
				}
				runtime.Goexit()
				return nil
			})
			t.Error("the goroutine went on after Goexit")
		})
	}
	others()
	if n := one(t, db, "SELECT count(*) FROM entry WHERE amount = 7"); n != 0 {
		t.Errorf("%d entries of closures that ended their goroutine", n)
	}
}

func TestOnCommitOrder(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	var order []int
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		for i := range 3 {
			tx.OnCommit(func() {
				order = append(order, i) // on this goroutine: the race detector would object otherwise
				if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 990 {
					t.Errorf("OnCommit reads a balance of %d, want the committed 990", n)
				}
				// The transaction is over, so its context may be used again.
				if _, err := db.Exec(ctx, "UPDATE acc SET balance = balance WHERE id = 1"); err != nil {
					t.Errorf("Exec in OnCommit: %v", err)
				}
			})
		}
		return move(ctx, tx, 1, 2, 10)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(order, []int{0, 1, 2}) {
		t.Errorf("called in the order %v", order)
	}
}

// TestSwallowedErrors tells the errors that cost the transaction from those that undo one statement.
func TestSwallowedErrors(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	exec(t, db, "CREATE TABLE u (x INTEGER UNIQUE)", "INSERT INTO u VALUES (1)",
		"CREATE TABLE outer_t (x)", "CREATE TABLE inner_t (x)",
		"CREATE TRIGGER t1 AFTER INSERT ON outer_t BEGIN INSERT INTO inner_t VALUES (new.x); END",
		"CREATE TRIGGER t2 AFTER INSERT ON inner_t WHEN new.x < 0 BEGIN SELECT RAISE(ROLLBACK, 'negative'); END",
		"CREATE TABLE c (x INTEGER UNIQUE ON CONFLICT ROLLBACK)", "INSERT INTO c VALUES (1)")
	cases := []struct {
		name, sql string
		fatal     bool
	}{
		{"constraint", "INSERT INTO u VALUES (2), (1)", false},
		{"OR ABORT", "INSERT OR ABORT INTO u VALUES (2), (1)", false},
		{"wrong SQL", "INSERT INTO nowhere VALUES (1)", false},
		{"OR FAIL keeps a part", "INSERT OR FAIL INTO u VALUES (2), (1)", true},
		{"OR ROLLBACK", "INSERT OR ROLLBACK INTO u VALUES (2), (1)", true},
		{"RAISE(ROLLBACK) in a nested trigger", "INSERT INTO outer_t VALUES (-1)", true},
		{"ON CONFLICT ROLLBACK in the schema", "INSERT INTO c VALUES (2), (1)", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			others := busyWith(t, db)
			defer func() { exec(t, db, "DELETE FROM entry", "DELETE FROM u WHERE x <> 1") }()
			defer others()
			var first, second error
			err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				if _, err := tx.Exec(ctx, "INSERT INTO u VALUES (7)"); err != nil {
					return err
				}
				_, first = tx.Exec(ctx, c.sql)
				_, second = tx.Exec(ctx, "INSERT INTO u VALUES (8)")
				return nil // and swallows both
			})
			if first == nil {
				t.Fatal("the statement succeeded")
			}
			n := one(t, db, "SELECT count(*) FROM u WHERE x > 1")
			if !c.fatal {
				if err != nil || second != nil || n != 2 {
					t.Errorf("Update: %v, next statement: %v, %d rows; want the transaction to go on", err, second, n)
				}
				return
			}
			wantOnly(t, first, engine.ErrConstraint)
			wantOnly(t, second, engine.ErrConstraint)
			wantOnly(t, err, engine.ErrConstraint)
			if n != 0 {
				t.Errorf("%d rows of a transaction that failed", n)
			}
		})
	}
}

// TestStatementThatEndsTheTransaction shares a group with an innocent: it is moved out before it can do harm, what it did so
// far is done again, and when that does not give the same the transaction is refused rather than guessed at.
func TestStatementThatEndsTheTransaction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first string
		want  error
	}{
		"update":        {"UPDATE acc SET balance = balance + 1", engine.ErrConstraint},
		"insert":        {"INSERT INTO entry (acc, amount) VALUES (1, 7), (2, 7)", engine.ErrConstraint},
		"new table":     {"CREATE TABLE fresh (a)", engine.ErrConstraint},
		"random row id": {"INSERT INTO entry VALUES (abs(random() / 2) + 10, 1, 7)", engine.ErrNotApplied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := ledger(t, func(c *engine.Config) { c.Writer.GroupTime = 10 * time.Second })
			before := db.Stats().Writer
			innocent, culprit := make(chan error, 1), make(chan error, 1)
			err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
				go func() {
					innocent <- db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error { return move(ctx, tx, 1, 2, 1) })
				}()
				eventually(t, "the innocent in the queue", func() bool { return db.Stats().Writer.Waiting == 1 })
				go func() {
					culprit <- db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
						for _, sql := range []string{c.first, "UPDATE acc SET balance = 5 WHERE id = 1", "INSERT INTO entry (acc, amount) VALUES (1, 7)", "INSERT OR ROLLBACK INTO acc VALUES (1, 1)"} {
							if _, err := tx.Exec(ctx, sql); err != nil {
								return err
							}
						}
						return nil
					})
				}()
				eventually(t, "both in the queue", func() bool { return db.Stats().Writer.Waiting == 2 })
				return nil
			})
			if err := errors.Join(err, <-innocent); err != nil {
				t.Fatal(err)
			}
			wantOnly(t, <-culprit, c.want)
			if n, sum := one(t, db, "SELECT sum(abs(amount)) FROM entry"), one(t, db, "SELECT sum(balance) FROM acc"); n != 2 || sum != 2000 {
				t.Errorf("the entries sum up to %d and the balances to %d, want what the innocent did alone", n, sum)
			}
			if after := db.Stats().Writer; after.Isolated-before.Isolated != 1 || after.Replayed != before.Replayed {
				t.Errorf("isolated %d, replayed %d", after.Isolated-before.Isolated, after.Replayed-before.Replayed)
			}
		})
	}
}

func TestReentrant(t *testing.T) {
	t.Parallel()
	db, other := ledger(t), ledger(t)
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		calls := map[string]error{}
		none := func(context.Context, *engine.Tx) error { return nil }
		_, calls["Exec"] = db.Exec(ctx, "DELETE FROM entry")
		_, calls["Query"] = db.Query(ctx, "SELECT 1")
		calls["QueryRow"] = db.QueryRow(ctx, "SELECT 1").Scan(new(int))
		calls["Update"] = db.Update(ctx, none)
		calls["View"] = db.View(ctx, none)
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		calls["Update by a derived context"] = db.Update(derived, none)
		for how, err := range calls {
			if !errors.Is(err, engine.ErrReentrant) {
				t.Errorf("%s: %v, want ErrReentrant", how, err)
				continue
			}
			wantOnly(t, err, engine.ErrReentrant)
			wantText(t, err, `"night run"`, "use ")
		}
		// Another database has another writer, and nothing to wait for; but what is nested in there still is in here.
		if _, err := other.Exec(ctx, "UPDATE acc SET balance = balance"); err != nil {
			t.Errorf("Exec on another database: %v", err)
		}
		return other.Update(ctx, func(ctx context.Context, _ *engine.Tx) error {
			if err := db.View(ctx, none); !errors.Is(err, engine.ErrReentrant) {
				t.Errorf("View from within both: %v, want ErrReentrant", err)
			}
			return nil
		})
	}, engine.WithName("night run"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.View(t.Context(), func(ctx context.Context, _ *engine.Tx) error {
		_, err := db.Exec(ctx, "UPDATE acc SET balance = balance") // a View waits for nobody
		return err
	}); err != nil {
		t.Errorf("Exec inside a View: %v", err)
	}
}

func TestTxAfterItsEnd(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	ctx := t.Context()
	for name, run := range map[string]func(func(context.Context, *engine.Tx) error) error{
		"Update": func(fn func(context.Context, *engine.Tx) error) error { return db.Update(ctx, fn) },
		"View":   func(fn func(context.Context, *engine.Tx) error) error { return db.View(ctx, fn) },
	} {
		t.Run(name, func(t *testing.T) {
			var tx *engine.Tx
			var rows *engine.Rows
			err := run(func(ctx context.Context, inner *engine.Tx) error {
				tx = inner
				var err error
				if rows, err = tx.Query(ctx, "SELECT id FROM acc"); err == nil && !rows.Next() {
					t.Error("no first row")
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(ctx, "UPDATE acc SET balance = balance")
			wantOnly(t, err, engine.ErrTxDone)
			_, err = tx.Query(ctx, "SELECT 1")
			wantOnly(t, err, engine.ErrTxDone)
			wantOnly(t, tx.QueryRow(ctx, "SELECT 1").Scan(new(int)), engine.ErrTxDone)
			if rows.Next() {
				t.Error("rows go on after the end of their transaction")
			}
			wantOnly(t, rows.Err(), engine.ErrTxDone) // and do not look as if they had been read to the end
		})
	}
}

// TestTxByTwoGoroutines has a second goroutine meet the first inside a statement.
func TestTxByTwoGoroutines(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	db := ledger(t, func(c *engine.Config) {
		c.Extend.Functions = []engine.Function{{Name: "meet", Scalar: func([]engine.Value) (any, error) {
			inside <- struct{}{}
			<-leave
			return int64(1), nil
		}}}
	})
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		first := make(chan error, 1)
		go func() {
			_, err := tx.Exec(ctx, "SELECT meet()")
			first <- err
		}()
		<-inside
		_, err := tx.Exec(ctx, "UPDATE acc SET balance = 0")
		wantOnly(t, err, engine.ErrTxDone)
		wantText(t, err, "two goroutines")
		close(leave)
		return <-first
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 2000 {
		t.Errorf("the second goroutine's statement ran: sum %d", n)
	}
}

func TestNestedSavepoints(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		for _, sql := range []string{
			"SAVEPOINT a", "UPDATE acc SET balance = 1 WHERE id = 1",
			"SAVEPOINT b", "UPDATE acc SET balance = 2 WHERE id = 2", "ROLLBACK TO b", "RELEASE b", "RELEASE a",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := one(t, db, "SELECT balance FROM acc WHERE id = 1"), one(t, db, "SELECT balance FROM acc WHERE id = 2"); a != 1 || b != 1000 {
		t.Errorf("balances %d and %d, want 1 and 1000", a, b)
	}
	for _, sql := range []string{"RELEASE _tg_job", "ROLLBACK TO _tg_job", "SAVEPOINT _TG_JOB"} {
		err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		wantOnly(t, err, engine.ErrForbidden)
		wantText(t, err, "another name")
	}
}
