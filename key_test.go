package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
)

func keyDB(t *testing.T) *engine.DB {
	t.Helper()
	db := enginetest.Open(t)
	for _, sql := range []string{
		"CREATE TABLE balance (id INTEGER NOT NULL PRIMARY KEY, cents INTEGER NOT NULL) STRICT",
		"INSERT INTO balance VALUES (1, 100)",
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func cents(t *testing.T, db *engine.DB) (n int64) {
	t.Helper()
	if err := db.QueryRow(t.Context(), "SELECT cents FROM balance WHERE id = 1").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const pay = "UPDATE balance SET cents = cents + ? WHERE id = 1"

func TestKeyExec(t *testing.T) {
	t.Parallel()
	db := keyDB(t)
	for i := range 3 {
		already := i == 0 // must be set either way
		res, err := db.Exec(t.Context(), pay, 7, engine.Key("pay-1"), engine.AlreadyApplied(&already))
		if err != nil || res.RowsAffected != 1 || already != (i > 0) {
			t.Errorf("call %d: %+v, already %v, %v", i+1, res, already, err)
		}
	}
	if n := cents(t, db); n != 107 {
		t.Errorf("%d cents, want 107", n)
	}
	// Another argument, another statement, another kind of call: another body.
	_, err := db.Exec(t.Context(), pay, 8, engine.Key("pay-1"))
	wantOnly(t, err, engine.ErrKeyReused)
	var reused *engine.KeyReusedError
	if !errors.As(err, &reused) || reused.Key != "pay-1" || reused.When.IsZero() {
		t.Errorf("%v", err)
	}
	_, err = db.Exec(t.Context(), pay+" AND true", 7, engine.Key("pay-1"))
	wantOnly(t, err, engine.ErrKeyReused)
	err = db.Update(t.Context(), func(context.Context, *engine.Tx) error { return nil }, engine.Key("pay-1"))
	wantOnly(t, err, engine.ErrKeyReused)
	if n := cents(t, db); n != 107 {
		t.Errorf("%d cents after refused calls, want 107", n)
	}
	// A call that fails leaves no key behind.
	_, err = db.Exec(t.Context(), "INSERT INTO balance VALUES (?, 0)", 1, engine.Key("open-2"))
	wantOnly(t, err, engine.ErrConstraint)
	if _, err = db.Exec(t.Context(), "INSERT INTO balance VALUES (?, 0)", 2, engine.Key("open-2")); err != nil {
		t.Error(err)
	}
}

func TestKeyUpdate(t *testing.T) {
	t.Parallel()
	db := keyDB(t)
	runs, said := 0, 0
	call := func(key engine.Option, already *bool) error {
		return db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			runs++
			tx.OnCommit(func() { said++ })
			_, err := tx.Exec(ctx, pay, 5)
			return err
		}, key, engine.AlreadyApplied(already))
	}
	var already bool
	for i := range 2 {
		if err := call(engine.Key("u", "acct 1", 5), &already); err != nil || already != (i == 1) {
			t.Errorf("call %d: already %v, %v", i+1, already, err)
		}
	}
	if runs != 1 || said != 1 || cents(t, db) != 105 {
		t.Errorf("%d runs, told %d times, %d cents", runs, said, cents(t, db))
	}
	wantOnly(t, call(engine.Key("u", "acct 1", 6), &already), engine.ErrKeyReused)
	if already {
		t.Error("a refused call says that it was applied")
	}
	boom := errors.New("boom")
	if err := db.Update(t.Context(), func(context.Context, *engine.Tx) error { return boom }, engine.Key("v")); !errors.Is(err, boom) {
		t.Error(err)
	}
	if err := call(engine.Key("v"), &already); err != nil || already || runs != 2 {
		t.Errorf("after a failure: %v, already %v, %d runs", err, already, runs)
	}
}

func TestKeyBatch(t *testing.T) {
	t.Parallel()
	db := keyDB(t)
	batch := func(add int) *engine.Batch {
		b := engine.NewBatch()
		b.Exec(pay, add).Expect(1)
		b.Query("SELECT cents, 'text', x'0001', NULL, 1.5, 9e999 FROM balance WHERE id = 1")
		return b
	}
	var first []any
	for i := range 2 {
		var already bool
		res, err := db.Batch(t.Context(), batch(3), engine.Key("b"), engine.AlreadyApplied(&already))
		if err != nil || already != (i == 1) {
			t.Fatalf("call %d: already %v, %v", i+1, already, err)
		}
		rows := &res.Steps[1].Rows
		got := rows.Values(0)
		if res.Steps[0].Result.RowsAffected != 1 || rows.Len() != 1 || len(rows.Columns()) != 6 || got[0] != int64(103) || got[5] != math.Inf(1) {
			t.Errorf("call %d: %+v %v %v", i+1, res.Steps[0], rows.Columns(), got)
		}
		if i == 0 {
			first = got
		} else if fmt.Sprint(got) != fmt.Sprint(first) {
			t.Errorf("%v the first time, %v the second", first, got)
		}
	}
	_, err := db.Batch(t.Context(), batch(4), engine.Key("b"))
	wantOnly(t, err, engine.ErrKeyReused)
	big := engine.NewBatch()
	big.Exec(pay, 1)
	big.Query("SELECT zeroblob(300000)")
	_, err = db.Batch(t.Context(), big, engine.Key("big"))
	wantOnly(t, err, engine.ErrTooBig)
	if n := cents(t, db); n != 103 {
		t.Errorf("%d cents, want 103", n)
	}
}

// TestKeyRace calls with one key from many goroutines, in the same groups: once, whoever comes first.
func TestKeyRace(t *testing.T) {
	t.Parallel()
	db := keyDB(t)
	const callers, keys = 40, 25
	var applied atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for k := range keys {
				var already bool
				if _, err := db.Exec(t.Context(), pay, 1, engine.Key(fmt.Sprint("race", k)), engine.AlreadyApplied(&already)); err != nil {
					t.Error(err)
				} else if !already {
					applied.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := cents(t, db); n != 100+keys || applied.Load() != keys {
		t.Errorf("%d cents, %d calls say that they did it, want %d", n, applied.Load(), keys)
	}
}

func TestKeyMistakes(t *testing.T) {
	t.Parallel()
	db := keyDB(t)
	var already bool
	for name, opts := range map[string][]any{
		"empty":       {engine.Key("")},
		"long":        {engine.Key(strings.Repeat("k", 256))},
		"no key":      {engine.AlreadyApplied(&already)},
		"about":       {engine.Key("k", struct{ f func() }{})},
		"not a value": {engine.Key("k", make(chan int))},
	} {
		if _, err := db.Exec(t.Context(), pay, append([]any{1}, opts...)...); !errors.Is(err, engine.ErrArgs) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := db.Query(t.Context(), "SELECT 1", engine.Key("k")); !errors.Is(err, engine.ErrArgs) {
		t.Errorf("Query: %v", err)
	}
	if err := db.View(t.Context(), func(context.Context, *engine.Tx) error { return nil }, engine.Key("k")); !errors.Is(err, engine.ErrArgs) {
		t.Errorf("View: %v", err)
	}
	if _, err := db.Exec(t.Context(), "DELETE FROM _tg_ledger"); !errors.Is(err, engine.ErrForbidden) && !errors.Is(err, engine.ErrSQL) {
		t.Errorf("a user may write the ledger: %v", err)
	}
	cfg := engine.DefaultConfig("sqlite://")
	cfg.Keys.Age = -1
	if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), "keys.age") {
		t.Errorf("a negative age: %v", err)
	}
}

// TestKeyNotAdopted: a database of somebody else gets no table of ours.
func TestKeyNotAdopted(t *testing.T) {
	t.Parallel()
	db := openAt(t, chinook(t))
	_, err := db.Exec(t.Context(), "DELETE FROM Artist", engine.Key("k"))
	wantOnly(t, err, engine.ErrNotAdopted)
}

// TestKeySurvives: the second call comes after a restart.
func TestKeySurvives(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "k.db")
	for i := range 2 {
		db, err := engine.Open(t.Context(), engine.DefaultConfig(path))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS balance (id INTEGER NOT NULL PRIMARY KEY, cents INTEGER NOT NULL) STRICT"); err != nil {
			t.Fatal(err)
		}
		var already bool
		res, err := db.Exec(t.Context(), "INSERT INTO balance VALUES (41, 0)", engine.Key("k"), engine.AlreadyApplied(&already))
		if err != nil || already != (i == 1) || res.LastInsertID != 41 {
			t.Errorf("life %d: %+v, already %v, %v", i+1, res, already, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeysExpire turns the clock past the age of keys.
func TestKeysExpire(t *testing.T) {
	t.Parallel()
	now := enginetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	db := enginetest.Open(t, enginetest.WithClock(now))
	if _, err := db.Exec(t.Context(), "CREATE TABLE t (n INTEGER NOT NULL) STRICT"); err != nil {
		t.Fatal(err)
	}
	const keys = 600 // more than one batch
	for k := range keys {
		if _, err := db.Exec(t.Context(), "INSERT INTO t VALUES (?)", k, engine.Key(fmt.Sprint(k))); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM _tg_ledger").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	now.Advance(6 * 24 * time.Hour)
	if _, err := db.Exec(t.Context(), "INSERT INTO t VALUES (?)", keys, engine.Key("young")); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != keys+1 {
		t.Fatalf("%d keys before their time, want %d", n, keys+1)
	}
	now.Advance(25 * time.Hour)
	enginetest.Eventually(t, "the old keys to go", func() bool {
		now.Advance(10 * time.Minute)
		return count() == 1
	})
}
