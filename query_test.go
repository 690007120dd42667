package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

func numbers(t testing.TB, change ...func(*engine.Config)) *engine.DB {
	t.Helper()
	db := open(t, change...)
	exec(t, db, "CREATE TABLE n (i INTEGER PRIMARY KEY, label VARCHAR(20) NOT NULL, half REAL)",
		"INSERT INTO n WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100) SELECT i, 'n' || i, i / 2.0 FROM c")
	return db
}

func TestExecResult(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	for _, c := range []struct {
		sql      string
		args     []any
		affected int64
		id       int64
	}{
		{"INSERT INTO n VALUES (?, ?, ?)", []any{500, "x", nil}, 1, 500},
		{"INSERT INTO n (label) VALUES (?), (?)", []any{"y", "z"}, 2, 502},
		{"UPDATE n SET half = 0 WHERE i <= :top", []any{sql.Named("top", 10)}, 10, 0},
		{"DELETE FROM n WHERE i > ?", []any{499}, 3, 0},
		{"DELETE FROM n WHERE i > ?", []any{499}, 0, 0},
		{"CREATE INDEX by_label ON n (label)", nil, 0, 0},
		{"SELECT 1", nil, 0, 0},
		{"INSERT INTO n (i, label) VALUES (1, 'one') ON CONFLICT DO UPDATE SET label = excluded.label", nil, 1, 0},
	} {
		res, err := db.Exec(t.Context(), c.sql, c.args...)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if !strings.HasPrefix(c.sql, "CREATE") && res.RowsAffected != c.affected || c.id != 0 && res.LastInsertID != c.id {
			t.Errorf("%s: %+v, want %d rows and id %d", c.sql, res, c.affected, c.id)
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	rows, err := db.Query(t.Context(), "SELECT i, label, half, i * 2 AS twice FROM n ORDER BY i LIMIT 3", engine.WithName("first three"))
	if err != nil {
		t.Fatal(err)
	}
	if c := rows.Columns(); !slices.Equal(c, []string{"i", "label", "half", "twice"}) {
		t.Errorf("columns %q", c)
	}
	if d := rows.DeclTypes(); !slices.Equal(d, []string{"INTEGER", "VARCHAR(20)", "REAL", ""}) {
		t.Errorf("declared types %q", d)
	}
	var all [][]any
	for rows.Next() {
		v, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if rows.Err() != nil || rows.Close() != nil || rows.Close() != nil || rows.Next() {
		t.Errorf("after the end: %v", rows.Err())
	}
	if len(all) != 3 || all[2][0] != int64(3) || all[2][1] != "n3" || all[0][1] != "n1" || all[2][2] != 1.5 || all[2][3] != int64(6) {
		t.Errorf("values %v", all)
	}
	if c := rows.Columns(); len(c) != 4 {
		t.Errorf("columns after the end: %q", c)
	}
}

// TestRowsGiveTheirConnectionBack leaves rows in every way there is, on a lane with one connection.
func TestRowsGiveTheirConnectionBack(t *testing.T) {
	t.Parallel()
	db := numbers(t, func(c *engine.Config) { c.Readers.Connections, c.Readers.QueueTimeout = 1, 100*time.Millisecond })
	query := func() *engine.Rows {
		rows, err := db.Query(t.Context(), "SELECT i FROM n")
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
		return rows
	}
	for range 2 {
		for r, err := range query().All() { // break
			if err != nil || r == nil {
				t.Fatal(err)
			}
			break
		}
		func() { // panic
			defer func() { _ = recover() }()
			for range query().All() {
				panic("out")
			}
		}()
		rows := query() // Close in the middle
		rows.Next()
		rows.Close()
		query().Close() // before the first
		if err := drained(query(), nil); err != nil {
			t.Fatal(err)
		}
		var i string
		if err := db.QueryRow(t.Context(), "SELECT i FROM n").Scan(&i, &i); !errors.Is(err, engine.ErrArgs) { // Scan fails
			t.Fatal(err)
		}
		if err := db.QueryRow(t.Context(), "SELECT i FROM n").Scan(&i); err != nil || i != "1" {
			t.Fatalf("%q, %v", i, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := db.Query(ctx, "SELECT i FROM n")
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		cancel()
		if rows.Next() {
			t.Error("rows go on after their context was cancelled")
		}
		wantOnly(t, rows.Err(), context.Canceled)
		seen := 0
		for _, err := range rows.All() { // the error is seen by those who come late as well
			seen++
			wantOnly(t, err, context.Canceled)
		}
		if seen != 1 {
			t.Errorf("the error was yielded %d times", seen)
		}
	}
	rows := query()
	rows.Next()
	_, err := db.Query(t.Context(), "SELECT 1")
	wantOnly(t, err, engine.ErrOverloaded)
	wantText(t, err, "open rows and Views", "Connections")
	var o *engine.OverloadError
	if !errors.As(err, &o) || o.RetryAfter <= 0 || !engine.Retryable(err) {
		t.Errorf("%+v", o)
	}
	rows.Close()
	one(t, db, "SELECT 1")
}

func TestQueryRow(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	var label string
	if err := db.QueryRow(t.Context(), "SELECT label FROM n WHERE i = ?", 42).Scan(&label); err != nil || label != "n42" {
		t.Errorf("%q, %v", label, err)
	}
	label = "untouched"
	err := db.QueryRow(t.Context(), "SELECT label FROM n WHERE i = ?", 4200).Scan(&label)
	wantOnly(t, err, engine.ErrNoRows)
	if label != "untouched" {
		t.Errorf("scanned %q from no row", label)
	}
}

// TestRowErrorAfterRows fails in the middle of a result.
func TestRowErrorAfterRows(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	rows, err := db.Query(t.Context(), "SELECT CASE WHEN i = 3 THEN json_extract('{', '$') ELSE i END FROM n ORDER BY i")
	if err != nil {
		t.Fatal(err)
	}
	n, last := 0, error(nil)
	for _, err := range rows.All() {
		if err != nil {
			last = err
			continue
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d rows before the error", n)
	}
	wantOnly(t, last, engine.ErrSQL)
	wantText(t, last, "malformed JSON", "FROM n ORDER BY i")
	var st *engine.StoreError
	if !errors.As(last, &st) || st.Kind != engine.ErrSQL || st.Code != 1 || st.Query == "" || st.ErrorType() != "sql" {
		t.Errorf("%+v", st)
	}
	if err := rows.Close(); !errors.Is(err, engine.ErrSQL) {
		t.Errorf("Close hides the error: %v", err)
	}
}

// TestOneStatementIsOneSnapshot changes the table between two rows.
func TestOneStatementIsOneSnapshot(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	rows, err := db.Query(t.Context(), "SELECT i FROM n ORDER BY i")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	exec(t, db, "DELETE FROM n", "INSERT INTO n VALUES (1000, 'new', 0)")
	n := 1
	for rows.Next() {
		n++
	}
	if n != 100 || rows.Err() != nil {
		t.Errorf("%d rows, %v; want the 100 that were there when the query began", n, rows.Err())
	}
}

// TestManySessions runs more sessions than there are connections, of all kinds at once.
func TestManySessions(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Readers.Connections = 8 })
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			for range 5 {
				if err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error { return move(ctx, tx, 1+i%2, 2-i%2, 1) }); err != nil {
					t.Error(err)
				}
				if sum := one(t, db, "SELECT sum(balance) FROM acc"); sum != 2000 {
					t.Errorf("the balances sum up to %d", sum)
				}
			}
		})
	}
	within(t, 20*time.Second, "200 sessions", wg.Wait)
	st := db.Stats()
	if n := one(t, db, "SELECT count(*) FROM entry"); n != 2000 {
		t.Errorf("%d entries, want 2000", n)
	}
	if st.Readers.Open > 8 || st.Writer.Jobs < 1003 {
		t.Errorf("%d readers open, %d transactions", st.Readers.Open, st.Writer.Jobs)
	}
	if st.Writer.Commits >= st.Writer.Jobs {
		t.Errorf("%d transactions in %d commits: nobody shared one", st.Writer.Jobs, st.Writer.Commits)
	}
}
