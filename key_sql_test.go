package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// TestKeySQLExec: statements and scripts through database/sql are applied once, and a repetition returns the first result, whichever of
// the two ways it takes.
func TestKeySQLExec(t *testing.T) {
	t.Parallel()
	db := keyDB(t)
	pool := db.SQL()
	defer pool.Close()
	for i := range 3 {
		already := i == 0 // must be set either way
		res, err := pool.ExecContext(engine.WithKey(t.Context(), engine.Key("pay-1"), engine.AlreadyApplied(&already)), pay, 7)
		if err != nil || already != (i > 0) {
			t.Fatalf("call %d: already %v, %v", i+1, already, err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			t.Errorf("call %d: %d rows, %v", i+1, n, err)
		}
	}
	if res, err := db.Exec(t.Context(), pay, 7, engine.Key("pay-1")); err != nil || res.RowsAffected != 1 {
		t.Errorf("the same call by DB.Exec: %+v, %v", res, err)
	}
	insert := "INSERT INTO balance VALUES (NULL, 3)"
	var first int64
	for i := range 2 {
		res, err := pool.ExecContext(engine.WithKey(t.Context(), engine.Key("open")), insert)
		if err != nil {
			t.Fatal(err)
		}
		id, err := res.LastInsertId()
		if i == 0 {
			first = id
		}
		if err != nil || id == 0 || id != first {
			t.Errorf("call %d: id %d after %d, %v", i+1, id, first, err)
		}
	}
	stmt, err := pool.PrepareContext(t.Context(), pay)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	script := "UPDATE balance SET cents = cents + 1 WHERE id = 1; UPDATE balance SET cents = cents + 1 WHERE id = 1"
	for range 2 {
		if _, err := stmt.ExecContext(engine.WithKey(t.Context(), engine.Key("pay-2")), 10); err != nil {
			t.Error(err)
		}
		res, err := pool.ExecContext(engine.WithKey(t.Context(), engine.Key("script")), script)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 2 {
			t.Errorf("the script changed %d rows, %v", n, err)
		}
	}
	if n := cents(t, db); n != 119 {
		t.Errorf("%d cents, want 119", n)
	}
	_, err = pool.ExecContext(engine.WithKey(t.Context(), engine.Key("pay-1")), pay, 8)
	wantOnly(t, err, engine.ErrKeyReused)
	if n := cents(t, db); n != 119 {
		t.Errorf("%d cents after a refused call", n)
	}
}

// TestKeySQLTx: a transaction with a key is committed once. Its repetition is not begun, and says why.
func TestKeySQLTx(t *testing.T) {
	t.Parallel()
	for _, option := range []engine.SQLOption{nil, engine.ReadFirst()} {
		db := keyDB(t)
		pool := db.SQL(option)
		defer pool.Close()
		transfer := func(key string, commit bool) error {
			ctx := engine.WithKey(t.Context(), engine.Key(key))
			tx, err := pool.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, pay, 5); err != nil {
				t.Error(err)
			}
			if !commit {
				return tx.Rollback()
			}
			return tx.Commit()
		}
		if err := transfer("t", false); err != nil {
			t.Error(err)
		}
		for i := range 3 { // a transaction that was rolled back leaves no key
			err := transfer("t", true)
			if i == 0 && err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				wantOnly(t, err, engine.ErrAlreadyApplied)
				var applied *engine.AlreadyAppliedError
				if !errors.As(err, &applied) || applied.Key != "t" || engine.Retryable(err) {
					t.Errorf("%v", err)
				}
			}
		}
		if n := cents(t, db); n != 105 {
			t.Errorf("%d cents, want 105", n)
		}
		// The writer was given back.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := pool.ExecContext(ctx, pay, 1); err != nil {
			t.Error(err)
		}
		wantOnly(t, db.Update(t.Context(), func(context.Context, *engine.Tx) error { return nil }, engine.Key("t")), engine.ErrKeyReused)
	}
}

// TestKeySQLRefused: a key that cannot be kept is refused and not ignored, and a query that only reads has no need of one.
func TestKeySQLRefused(t *testing.T) {
	t.Parallel()
	db := keyDB(t)
	pool := db.SQL()
	defer pool.Close()
	ctx := engine.WithKey(t.Context(), engine.Key("k"))
	var n int64
	if err := pool.QueryRowContext(ctx, "SELECT cents FROM balance").Scan(&n); err != nil || n != 100 {
		t.Errorf("a query: %d, %v", n, err)
	}
	wantOnly(t, pool.QueryRowContext(ctx, "UPDATE balance SET cents = 0 RETURNING cents").Scan(&n), engine.ErrArgs)
	_, err := pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	wantOnly(t, err, engine.ErrArgs)
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.ExecContext(ctx, pay, 1)
	wantOnly(t, err, engine.ErrArgs)
	wantOnly(t, tx.QueryRowContext(ctx, "UPDATE balance SET cents = 0 RETURNING cents").Scan(&n), engine.ErrArgs)
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	for _, wrong := range []context.Context{
		engine.WithKey(t.Context(), nil), engine.WithKey(t.Context(), engine.Key("")), engine.WithKey(t.Context(), engine.Key("k"), engine.Replayable()),
	} {
		_, err := pool.ExecContext(wrong, pay, 1)
		wantOnly(t, err, engine.ErrArgs)
		_, err = pool.BeginTx(wrong, nil)
		wantOnly(t, err, engine.ErrArgs)
	}
	keyed := db.SQL(engine.Key("all"))
	defer keyed.Close()
	_, err = keyed.ExecContext(t.Context(), pay, 1)
	wantOnly(t, err, engine.ErrArgs)
	if n := cents(t, db); n != 100 {
		t.Errorf("%d cents after refused calls", n)
	}
}
