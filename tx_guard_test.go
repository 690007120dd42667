package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// TestForbiddenStatements lists what has no meaning on shared connections.
func TestForbiddenStatements(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	other := filepath.Join(t.TempDir(), "other.db")
	before := digest(t, db)
	for _, c := range []struct{ sql, says string }{
		{"BEGIN", "Update"},
		{"BEGIN IMMEDIATE", "Update"},
		{"/* c */ COMMIT", "Update"},
		{"END TRANSACTION", "Update"},
		{"ROLLBACK", "Update"},
		{"ATTACH '" + other + "' AS o", "second engine"},
		{"DETACH main", "DETACH"},
		{"VACUUM INTO '" + other + "'", ""},
		{"CREATE TEMP TABLE x (a)", "common table expression"},
		{"CREATE TABLE temp.x (a)", "common table expression"},
		{"CREATE TEMP VIEW x AS SELECT 1", "common table expression"},
		{"CREATE TEMP TRIGGER x AFTER INSERT ON acc BEGIN SELECT 1; END", "common table expression"},
		{"PRAGMA synchronous = OFF", "configuration"},
		{"PRAGMA journal_mode = DELETE", "configuration"},
		{"PRAGMA foreign_keys = 0", "configuration"},
		{"PRAGMA locking_mode = EXCLUSIVE", "configuration"},
		{"PRAGMA query_only = 0", "configuration"},
		{"PRAGMA user_version = 7", "configuration"},
		{"PRAGMA writable_schema = 1", "configuration"},
		{"PRAGMA wal_checkpoint(TRUNCATE)", "maintenance"},
		{"PRAGMA optimize", "maintenance"},
		{"CREATE TABLE _tg_mine (a)", "engine"},
	} {
		t.Run(c.sql, func(t *testing.T) {
			for how, err := range everyWay(t, db, c.sql, nil) {
				t.Run(how, func(t *testing.T) {
					wantOnly(t, err, engine.ErrForbidden)
					wantText(t, err, c.says)
				})
			}
			t.Run("View", func(t *testing.T) {
				err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
					_, err := tx.Exec(ctx, c.sql)
					return err
				})
				if !errors.Is(err, engine.ErrReadOnly) {
					wantOnly(t, err, engine.ErrForbidden)
				}
			})
		})
	}
	if digest(t, db) != before || present(other) {
		t.Error("a forbidden statement has left something behind")
	}
	if mode := db.QueryRow(t.Context(), "PRAGMA journal_mode"); true {
		var s string
		if err := mode.Scan(&s); err != nil || s != "wal" {
			t.Errorf("journal mode %q, %v: reading a pragma is allowed", s, err)
		}
	}
}

func TestConnectionState(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	for _, sql := range []string{
		"SELECT last_insert_rowid()", "SELECT changes()", "SELECT total_changes()",
		"INSERT INTO entry (acc, amount) VALUES (1, last_insert_rowid())", "INSERT INTO entry (acc, amount) VALUES (1, 1) RETURNING last_insert_rowid()",
	} {
		_, err := db.Exec(t.Context(), sql)
		wantOnly(t, err, engine.ErrForbidden)
		wantText(t, err, "RETURNING")
		err = drained(db.Query(t.Context(), sql))
		wantOnly(t, err, engine.ErrForbidden)
	}
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		res, err := tx.Exec(ctx, "INSERT INTO entry (acc, amount) VALUES (1, 5)")
		if err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRow(ctx, "SELECT last_insert_rowid()").Scan(&id); err != nil || id != res.LastInsertID {
			t.Errorf("last_insert_rowid() in an Update: %d, %v; want %d", id, err, res.LastInsertID)
		}
		_, err = tx.Exec(ctx, "INSERT INTO entry (acc, amount) VALUES (1, last_insert_rowid())")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSavepointOutsideTransaction: SQLite calls SAVEPOINT a statement that only reads, so it could end up on a reader and
// stay open there.
func TestSavepointOutsideTransaction(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Readers.Connections = 1 })
	for _, sql := range []string{"SAVEPOINT mine", "/* no */ savepoint\nmine", `savepoint"mine"`, "RELEASE mine"} {
		wantOnly(t, drained(db.Query(t.Context(), sql)), engine.ErrForbidden)
		_, err := db.Exec(t.Context(), sql)
		wantOnly(t, err, engine.ErrForbidden)
		wantText(t, err, "Update")
	}
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 1000 {
		t.Fatalf("balance %d", n)
	}
	exec(t, db, "UPDATE acc SET balance = 1 WHERE id = 1")
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 1 {
		t.Errorf("a reader still shows %d after the commit of 1: it was left in a transaction", n)
	}
}

func TestReturning(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	rows, err := db.Query(t.Context(), "INSERT INTO entry (acc, amount) VALUES (1, 10), (2, 20), (1, 30) RETURNING id, amount")
	if err != nil {
		t.Fatal(err)
	}
	// The rows come after the commit: whoever sees them may rely on them, whether he reads them or not.
	if n := one(t, db, "SELECT count(*) FROM entry"); n != 3 {
		t.Errorf("%d rows are committed when the first is read", n)
	}
	sum := 0
	for r, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		var row struct{ ID, Amount int }
		if err := r.Scan(&row); err != nil {
			t.Fatal(err)
		}
		sum += row.Amount
	}
	if sum != 60 {
		t.Errorf("the returned amounts sum up to %d", sum)
	}
	err = drained(db.Query(t.Context(), "INSERT INTO acc VALUES (3, 5), (1, 5) RETURNING id"))
	wantOnly(t, err, engine.ErrConstraint)
	if n := one(t, db, "SELECT count(*) FROM acc"); n != 2 {
		t.Errorf("%d accounts: half a statement was committed", n)
	}
	err = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		var balance int
		if err := tx.QueryRow(ctx, "UPDATE acc SET balance = balance + 1 WHERE id = ? RETURNING balance", 1).Scan(&balance); err != nil || balance != 1001 {
			t.Errorf("%d, %v", balance, err)
		}
		if err := tx.QueryRow(ctx, "UPDATE acc SET balance = 0 WHERE id = 77 RETURNING balance").Scan(&balance); !errors.Is(err, engine.ErrNoRows) {
			t.Errorf("got %v, want ErrNoRows", err)
		}
		rows, err := tx.Query(ctx, "DELETE FROM entry RETURNING id")
		if err != nil {
			return err
		}
		rows.Next() // one row of three is read: all three are deleted
		return rows.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT count(*) FROM entry"); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	res, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance RETURNING id")
	if err != nil || res.RowsAffected != 2 {
		t.Errorf("Exec of a RETURNING: %+v, %v", res, err)
	}
}

func TestLeaseExpires(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Writer.Hold = 20 * time.Millisecond })
	// The closure holds the writer until others have got through: with the lease for ever that would never be.
	var later error
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		tx.OnCommit(func() { t.Error("OnCommit was called after the lease had expired") })
		if err := move(ctx, tx, 1, 2, 500); err != nil {
			return err
		}
		if _, err := db.Exec(t.Context(), "INSERT INTO entry (acc, amount) VALUES (1, 1)"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		_, later = tx.Exec(ctx, "UPDATE acc SET balance = 0")
		return nil
	}, engine.WithName("slow closure"))
	for _, err := range []error{err, later} {
		wantOnly(t, err, engine.ErrLeaseExpired)
		wantText(t, err, `"slow closure"`, "limit 20ms", "HoldFor")
		var lease *engine.LeaseError
		if !errors.As(err, &lease) || lease.Held < 20*time.Millisecond || lease.Limit != 20*time.Millisecond {
			t.Errorf("%+v", lease)
		}
	}
	if a, n := one(t, db, "SELECT balance FROM acc WHERE id = 1"), one(t, db, "SELECT count(*) FROM entry"); a != 1000 || n != 1 {
		t.Errorf("balance %d, %d entries: the expired transaction has left something", a, n)
	}
	if engine.Retryable(err) {
		t.Error("an expired lease is called retryable, and would expire again")
	}
	if n := db.Stats().Writer.Limits.Expired; n != 1 {
		t.Errorf("%d leases expired by the statistics", n)
	}
}

func TestHoldFor(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Writer.Hold = time.Millisecond })
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		for end := time.Now().Add(40 * time.Millisecond); time.Now().Before(end); {
			if _, err := tx.Exec(ctx, "UPDATE acc SET balance = balance"); err != nil {
				return err
			}
		}
		return nil
	}, engine.HoldFor(20*time.Second))
	if err != nil {
		t.Errorf("HoldFor did not hold: %v", err)
	}
	wantOnly(t, db.Update(t.Context(), func(context.Context, *engine.Tx) error { return nil }, engine.HoldFor(-1)), engine.ErrArgs)
}

// TestLongStatementIsInterrupted runs one that would never end.
func TestLongStatementIsInterrupted(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Writer.StatementTime = 50 * time.Millisecond })
	const forever = "INSERT INTO entry (acc, amount) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 1, i FROM n WHERE i < 0"
	within(t, 5*time.Second, "an endless statement on the writer", func() {
		_, err := db.Exec(context.Background(), forever, engine.WithName("endless"))
		if !errors.Is(err, engine.ErrLeaseExpired) {
			t.Errorf("got %v, want ErrLeaseExpired", err)
		}
		wantText(t, err, `"endless"`)
	})
	within(t, 5*time.Second, "an endless read", func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		err := db.QueryRow(ctx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n").Scan(new(int))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
	})
	exec(t, db, "UPDATE acc SET balance = balance")
}
