// Package driver_test asks of DB.SQL what the tests of other drivers ask of theirs: go-sql-test, which drivers of database/sql have in
// common, and the tests of the SQLite driver under the engine. The tests are the engine's own; each names what it stands for.
package driver_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/compat"
)

func must(t *testing.T, pool *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := pool.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// go-sql-test: blobs of 16 bytes are the same as bytes, and as a string.
func TestBlobs(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	must(t, pool, "CREATE TABLE foo (id INTEGER PRIMARY KEY, bar BLOB)")
	blob := []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff")
	if _, err := pool.Exec("INSERT INTO foo (id, bar) VALUES (?, ?)", 0, blob); err != nil {
		t.Fatal(err)
	}
	var b []byte
	var s string
	if err := pool.QueryRow("SELECT bar FROM foo WHERE id = ?", 0).Scan(&b); err != nil || !bytes.Equal(b, blob) {
		t.Errorf("bytes %x, %v", b, err)
	}
	if err := pool.QueryRow("SELECT bar FROM foo WHERE id = ?", 0).Scan(&s); err != nil || s != string(blob) {
		t.Errorf("string %x, %v", s, err)
	}
}

// go-sql-test: ten thousand queries of one row leak nothing.
func TestManyQueryRow(t *testing.T) {
	t.Parallel()
	pool, db := compat.Open(t)
	must(t, pool, "CREATE TABLE foo (id INTEGER PRIMARY KEY, name VARCHAR(50))", "INSERT INTO foo VALUES (1, 'bob')")
	for range 10_000 {
		var name string
		if err := pool.QueryRow("SELECT name FROM foo WHERE id = ?", 1).Scan(&name); err != nil || name != "bob" {
			t.Fatalf("%q, %v", name, err)
		}
	}
	if st := db.Stats().Readers; st.InUse != 0 || st.Open > 4 {
		t.Errorf("%d connections in use, %d open", st.InUse, st.Open)
	}
}

// go-sql-test: rows of a transaction, read after what the transaction wrote.
func TestTxQuery(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	tx, err := pool.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, q := range []string{"CREATE TABLE foo (id INTEGER PRIMARY KEY, name VARCHAR(50))", "INSERT INTO foo VALUES (1, 'bob')"} {
		if _, err := tx.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := tx.Query("SELECT name FROM foo WHERE id = ?", 1)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	if err := rows.Scan(&name); err != nil || name != "bob" || rows.Next() || rows.Err() != nil {
		t.Errorf("%q, %v, %v", name, err, rows.Err())
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}

// go-sql-test: prepared statements shared by goroutines that read and write.
func TestPreparedStmt(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	must(t, pool, "CREATE TABLE t (count INT)")
	sel, err := pool.Prepare("SELECT count FROM t ORDER BY count DESC")
	if err != nil {
		t.Fatal(err)
	}
	defer sel.Close()
	ins, err := pool.Prepare("INSERT INTO t (count) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer ins.Close()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range 10 {
				var n int
				if err := sel.QueryRow().Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
					t.Error(err)
					return
				}
				if _, err := ins.Exec(rand.IntN(100)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var n int
	if err := pool.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil || n != 1000 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// The SQLite driver, BeginTx: two read-only transactions side by side, and a write in one of them. Where that driver refuses the level
// "read committed", the engine gives more than was asked for.
func TestBeginTx(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	tx, err := pool.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	one, err := pool.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	two, err := pool.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Exec("CREATE TABLE test (col)"); !errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(two.Commit(), one.Commit()); err != nil {
		t.Error(err)
	}
}

// The SQLite driver, nested context: a query inside open rows is cancelled, and the rows around it go on.
func TestNestedContext(t *testing.T) {
	t.Parallel()
	const series = "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x+1 FROM c) SELECT x FROM c"
	for name, opts := range map[string][]engine.SQLOption{"immediate": nil, "read first": {engine.ReadFirst()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, _ := compat.Open(t, opts...)
			tx, err := pool.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			outer, err := tx.Query(series)
			if err != nil {
				t.Fatal(err)
			}
			defer outer.Close()
			want := func(rows *sql.Rows, want int) {
				t.Helper()
				var got int
				if !rows.Next() {
					t.Fatal(rows.Err())
				}
				if err := rows.Scan(&got); err != nil || got != want {
					t.Errorf("got %d, want %d, %v", got, want, err)
				}
			}
			want(outer, 0)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			inner, err := tx.QueryContext(ctx, series)
			if err != nil {
				t.Fatal(err)
			}
			defer inner.Close()
			want(inner, 0)
			cancel()
			for inner.Next() {
			}
			if !errors.Is(inner.Err(), context.Canceled) {
				t.Errorf("the inner rows ended with %v", inner.Err())
			}
			want(outer, 1)
		})
	}
}

// The SQLite driver, Prepare: a text that is no statement, a trailing semicolon, and a second statement.
func TestPrepare(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	for text, ok := range map[string]bool{"SELECT": false, "SELECT 1; ": true, "SELECT 1; -- end": true, "SELECT 1; SELECT": false, "SELECT 1; SELECT 2": false} {
		s, err := pool.Prepare(text)
		if ok != (err == nil) || !ok && !errors.Is(err, engine.ErrSQL) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

// The SQLite driver, named parameters: numbers, gaps and one name under three prefixes. Where that driver leaves the parameters of a gap
// NULL, the engine wants an argument for each.
func TestNamedParameters(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	s, err := pool.Prepare("SELECT ?, ?5, :AAA, @AAA, $AAA")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Now()
	var first bool
	var fifth string
	var colon, sign, dollar float64
	if _, err := s.Query(true, sql.Named("AAA", math.Pi), nil, nil, at); !errors.Is(err, engine.ErrArgs) {
		t.Errorf("no argument for parameter 2: %v", err)
	}
	if err := s.QueryRow(true, nil, nil, nil, at, sql.Named("AAA", math.Pi)).Scan(&first, &fifth, &colon, &sign, &dollar); err != nil {
		t.Fatal(err)
	}
	if !first || colon != math.Pi || sign != math.Pi || dollar != math.Pi {
		t.Errorf("%v %v %v %v", first, colon, sign, dollar)
	}
	if got, err := time.Parse(time.RFC3339Nano, fifth); err != nil || !got.Equal(at) {
		t.Errorf("%q, %v", fifth, err)
	}
}

// The SQLite driver, blobs and NULL as raw bytes.
func TestRawBytes(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	rows, err := pool.Query("SELECT NULL UNION ALL SELECT x'cafe' UNION ALL SELECT x'babe' UNION ALL SELECT NULL")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var raw sql.RawBytes
		if err := rows.Scan(&raw); err != nil {
			t.Fatal(err)
		}
		if raw == nil {
			got = append(got, "NULL")
		} else {
			got = append(got, string(raw))
		}
	}
	if s := strings.Join(got, " "); s != "NULL \xca\xfe \xba\xbe NULL" || rows.Err() != nil {
		t.Errorf("%q, %v", s, rows.Err())
	}
}

// The SQLite driver, times: what is bound as a time.Time comes back as one from a column that is declared so.
func TestTime(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	must(t, pool, "CREATE TABLE test (at DATETIME)")
	at := time.Date(2022, 2, 22, 22, 22, 22, 222_222_222, time.FixedZone("", -3600))
	if _, err := pool.Exec("INSERT INTO test VALUES (?)", at); err != nil {
		t.Fatal(err)
	}
	var got time.Time
	var text string
	if err := pool.QueryRow("SELECT at, strftime('%Y-%m-%d %H:%M:%f', at) FROM test").Scan(&got, &text); err != nil || !got.Equal(at) || text != "2022-02-22 23:22:22.222" {
		t.Errorf("%v, %q, %v", got, text, err)
	}
}

// The SQLite driver, scanning what is not there.
func TestScanNull(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	if err := pool.QueryRow("SELECT NULL").Scan(new(time.Time)); err == nil {
		t.Error("NULL is a time")
	}
	var none sql.NullTime
	if err := pool.QueryRow("SELECT NULL").Scan(&none); err != nil || none.Valid {
		t.Errorf("%+v, %v", none, err)
	}
	var generic sql.Null[int64]
	if err := pool.QueryRow("SELECT 5").Scan(&generic); err != nil || generic.V != 5 {
		t.Errorf("%+v, %v", generic, err)
	}
}

// The SQLite driver, scan types: every value that fits a column's declaration can be scanned into the type that the column names.
func TestScanTypes(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	must(t, pool, `CREATE TABLE test (i INTEGER, r REAL, t TEXT, b BLOB, f BOOLEAN, at DATETIME, d DECIMAL);
		INSERT INTO test VALUES (1, 1.5, 'x', x'00', TRUE, '2006-01-02T15:04:05Z', 1.25), (NULL, NULL, NULL, NULL, NULL, NULL, NULL),
			(-9223372036854775808, -1, '', x'', FALSE, 0, 'anything')`)
	rows, err := pool.Query("SELECT * FROM test")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		dest := make([]any, len(types))
		for i, ct := range types {
			dest[i] = reflect.New(ct.ScanType()).Interface()
		}
		if err := rows.Scan(dest...); err != nil {
			t.Errorf("row %d: %v", n, err)
		}
		n++
	}
	if n != 3 || rows.Err() != nil {
		t.Errorf("%d rows, %v", n, rows.Err())
	}
}
