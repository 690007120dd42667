package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

func prepared(t testing.TB, db *engine.DB, sql string, opts ...engine.Option) *engine.Stmt {
	t.Helper()
	st, err := db.Prepare(context.Background(), sql, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	db := stock(t)
	ctx := t.Context()
	before := digest(t, db)
	read := prepared(t, db, "SELECT qty FROM stock WHERE name = ?")
	write := prepared(t, db, "UPDATE stock SET qty = qty + ? WHERE id = ?")
	returning := prepared(t, db, "INSERT INTO stock (name, qty) VALUES (?, ?) RETURNING id")
	if !read.ReadOnly() || write.ReadOnly() || returning.ReadOnly() || read.SQL() != "SELECT qty FROM stock WHERE name = ?" {
		t.Errorf("%v %v %v", read.ReadOnly(), write.ReadOnly(), returning.ReadOnly())
	}
	if digest(t, db) != before {
		t.Fatal("to prepare a statement has run it")
	}
	var n int64
	if err := read.QueryRow(ctx, "nut").Scan(&n); err != nil || n != 20 {
		t.Error(n, err)
	}
	if res, err := write.Exec(ctx, 5, 2); err != nil || res.RowsAffected != 1 {
		t.Error(res, err)
	}
	if res, err := returning.Exec(ctx, "pin", 1); err != nil || res.RowsAffected != 1 || res.LastInsertID != 4 {
		t.Error(res, err)
	}
	rows, err := returning.Query(ctx, "rivet", 2)
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() || rows.Scan(&n) != nil || n != 5 || rows.Next() || rows.Err() != nil {
		t.Error(n, rows.Err())
	}
	if res, err := read.Exec(ctx, "nut"); err != nil || res != (engine.Result{}) {
		t.Error(res, err)
	}
	if err := read.QueryRow(ctx, "none").Scan(&n); !errors.Is(err, engine.ErrNoRows) {
		t.Error(err)
	}
	same(t, 25, "", read, "nut")
	same(t, 60+5+1+2, "SELECT sum(qty) FROM stock", db)
}

// TestPrepareRefuses: what is wrong is said once, before it is used.
func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	db := stock(t)
	for sql, want := range map[string]error{
		"SELCT 1": engine.ErrSQL, "SELECT * FROM nowhere": engine.ErrSQL, "UPDATE stock SET no = 1": engine.ErrSQL, "": engine.ErrArgs, " -- nothing": engine.ErrArgs,
		"SELECT 1; SELECT 2": engine.ErrSQL, "BEGIN": engine.ErrForbidden, "SAVEPOINT a": engine.ErrForbidden, "PRAGMA cache_size = 1": engine.ErrForbidden,
		"ATTACH 'x' AS y": engine.ErrForbidden, "CREATE TEMP TABLE x (a)": engine.ErrForbidden, "SELECT last_insert_rowid()": engine.ErrForbidden,
		"CREATE TABLE _tg_x (a)": engine.ErrForbidden,
	} {
		st, err := db.Prepare(t.Context(), sql)
		if st != nil {
			t.Errorf("%q was prepared", sql)
		}
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", sql, err, want)
		}
	}
	_, err := db.Prepare(t.Context(), "SELECT 1", engine.HoldFor(-1))
	wantOnly(t, err, engine.ErrArgs)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Prepare(cancelled, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	eventually(t, "all connections back", func() bool { return db.Stats().Readers.InUse == 0 })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = db.Prepare(t.Context(), "SELECT 1")
	wantOnly(t, err, engine.ErrClosed)
}

func TestPrepareReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	exec(t, openAt(t, path), "CREATE TABLE t (a)", "INSERT INTO t VALUES (7)")
	db := openAt(t, path, func(c *engine.Config) { c.ReadOnly = true })
	same(t, 7, "", prepared(t, db, "SELECT a FROM t"))
	_, err := db.Prepare(t.Context(), "INSERT INTO t VALUES (1)")
	wantOnly(t, err, engine.ErrReadOnly)
}

func TestStmtArguments(t *testing.T) {
	t.Parallel()
	db := stock(t)
	st := prepared(t, db, "UPDATE stock SET qty = ? WHERE id = ?")
	for _, args := range [][]any{{}, {1}, {1, 2, 3}, {make(chan int), 1}, {1, 2, engine.HoldFor(-1)}} {
		_, err := st.Exec(t.Context(), args...)
		wantOnly(t, err, engine.ErrArgs)
		_, err = st.Query(t.Context(), args...)
		wantOnly(t, err, engine.ErrArgs)
		err = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			_, err := st.In(tx).Exec(ctx, args...)
			wantOnly(t, err, engine.ErrArgs)
			wantOnly(t, st.In(tx).QueryRow(ctx, args...).Scan(), engine.ErrArgs)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	same(t, 60, "SELECT sum(qty) FROM stock", db)
	_, err := st.Exec(t.Context(), -1, 1)
	wantOnly(t, err, engine.ErrConstraint)
	wantText(t, err, "UPDATE stock")
}

// TestStmtOptions: those of Prepare hold for every call, and a call may change them for itself.
func TestStmtOptions(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	db := stock(t, func(c *engine.Config) { c.TracerProvider = r })
	r.flush = db.Trace().Flush
	st := prepared(t, db, "SELECT count(*) FROM stock WHERE id > ?", engine.WithClass(engine.ClassAnalytics), engine.WithTimeout(time.Minute))
	write := prepared(t, db, "UPDATE stock SET qty = ?", engine.WithClass(engine.ClassTrade))
	r.taken(t)
	for _, call := range []func() error{
		func() error { return st.QueryRow(t.Context(), 1).Scan(new(int)) },
		func() error { return st.QueryRow(t.Context(), 1, engine.WithClass(engine.ClassSignal)).Scan(new(int)) },
		func() error { _, err := st.Exec(t.Context(), engine.WithClass(engine.ClassMaintenance), 1); return err },
		func() error { _, err := write.Exec(t.Context(), 1); return err },
		func() error { _, err := write.Exec(t.Context(), 1, engine.WithTimeout(time.Minute)); return err },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, s := range r.taken(t) {
		if s.name != "COMMIT" {
			got = append(got, s.attributes["engine.class"]+"/"+s.attributes["engine.lane"])
		}
	}
	if want := []string{"analytics/analytics", "signal/reader", "maintenance/maintenance", "trade/writer", "trade/writer"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := st.QueryRow(t.Context(), 1, engine.WithTimeout(0)).Scan(new(int)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	short := prepared(t, db, "UPDATE stock SET qty = 9", engine.WithTimeout(time.Hour))
	if _, err := short.Exec(t.Context(), engine.WithTimeout(0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestStmtIn(t *testing.T) {
	t.Parallel()
	db := stock(t)
	other := stock(t)
	read, write := prepared(t, db, "SELECT qty FROM stock WHERE id = ?"), prepared(t, db, "UPDATE stock SET qty = ? WHERE id = ?")
	var ended engine.TxStmt
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if _, err := write.In(tx).Exec(ctx, 77, 1); err != nil {
			return err
		}
		same(t, 77, "", read.In(tx), 1)
		same(t, 10, "SELECT qty FROM stock WHERE id = 1", other) // nothing to do with it
		if _, err := read.In(tx).Exec(ctx, 1); err != nil {
			return err
		}
		_, err := read.Query(ctx, 1)
		wantOnly(t, err, engine.ErrReentrant)
		wantText(t, err, "Stmt.In(tx)")
		_, err = write.Exec(ctx, 1, 1)
		wantOnly(t, err, engine.ErrReentrant)
		_, err = db.Prepare(ctx, "SELECT 1")
		wantOnly(t, err, engine.ErrReentrant)
		ended = read.In(tx)
		return errMine
	})
	if err != errMine {
		t.Fatal(err)
	}
	same(t, 10, "", read, 1)
	_, err = ended.Query(t.Context(), 1)
	wantOnly(t, err, engine.ErrTxDone)
	_, err = ended.Exec(t.Context(), 1)
	wantOnly(t, err, engine.ErrTxDone)
	err = db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		same(t, 10, "", read.In(tx), 1)
		if _, err := read.In(tx).Exec(ctx, 1); err != nil {
			t.Error(err)
		}
		_, err := write.In(tx).Exec(ctx, 1, 1)
		wantOnly(t, err, engine.ErrReadOnly)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = other.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := read.In(tx).Query(ctx, 1)
		return err
	})
	wantOnly(t, err, engine.ErrArgs)
	_, err = read.In(nil).Exec(t.Context(), 1)
	wantOnly(t, err, engine.ErrArgs)
}

// TestStmtManyAtOnce has one statement of each kind used by many, while the schema changes under them.
func TestStmtManyAtOnce(t *testing.T) {
	t.Parallel()
	db := stock(t)
	read, write := prepared(t, db, "SELECT * FROM stock WHERE id = ?"), prepared(t, db, "UPDATE stock SET qty = qty + 1 WHERE id = ? RETURNING qty")
	type row struct {
		ID, Qty int64
		Name    string
		C0      *int `db:"c0"`
		C1      *int `db:"c1"`
	}
	const callers, each = 8, 50
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if _, err := engine.Get[row](t.Context(), read, "", 2); err != nil {
					t.Errorf("read: %v", err)
					return
				}
				if _, err := engine.Get[int](t.Context(), write, "", 1); err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	exec(t, db, "ALTER TABLE stock ADD COLUMN c0 INTEGER", "ALTER TABLE stock ADD COLUMN c1 INTEGER")
	wg.Wait()
	same(t, 10+callers*each, "SELECT qty FROM stock WHERE id = 1", db)
	eventually(t, "all connections back", func() bool { return db.Stats().Readers.InUse == 0 })
}

// BenchmarkPrepare is what a prepared statement saves: the same call with and without.
func BenchmarkPrepare(b *testing.B) {
	db := open(b)
	exec(b, db, "CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT NOT NULL, qty INTEGER NOT NULL) STRICT", "INSERT INTO stock VALUES (1, 'bolt', 10), (2, 'nut', 20)")
	const pointSQL, writeSQL, returningSQL = "SELECT qty FROM stock WHERE id = ?", "UPDATE stock SET qty = ? WHERE id = ?", "UPDATE stock SET qty = ? WHERE id = ? RETURNING qty"
	point, write, returning := prepared(b, db, pointSQL), prepared(b, db, writeSQL), prepared(b, db, returningSQL)
	ctx := b.Context()
	var n int64
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"read/text", func() error { return db.QueryRow(ctx, pointSQL, 2).Scan(&n) }},
		{"read/prepared", func() error { return point.QueryRow(ctx, 2).Scan(&n) }},
		{"write/text", func() error { _, err := db.Exec(ctx, writeSQL, 5, 2); return err }},
		{"write/prepared", func() error { _, err := write.Exec(ctx, 5, 2); return err }},
		{"returning/text", func() error { return db.QueryRow(ctx, returningSQL, 5, 2).Scan(&n) }},
		{"returning/prepared", func() error { return returning.QueryRow(ctx, 5, 2).Scan(&n) }},
		{"get/text", func() error { _, err := engine.Get[int64](ctx, db, pointSQL, 2); return err }},
		{"get/prepared", func() error { _, err := engine.Get[int64](ctx, point, "", 2); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	inside := func(name string, call func(context.Context, *engine.Tx) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			err := db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
				for b.Loop() {
					if err := call(ctx, tx); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
	inside("view/text", func(ctx context.Context, tx *engine.Tx) error { return tx.QueryRow(ctx, pointSQL, 2).Scan(&n) })
	inside("view/prepared", func(ctx context.Context, tx *engine.Tx) error { return point.In(tx).QueryRow(ctx, 2).Scan(&n) })
}
