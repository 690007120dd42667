package sqldb_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRowsValuesByDeclaredType(t *testing.T) {
	t.Parallel()
	r := build(t)
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)
	for _, c := range []struct {
		decl, value string
		want        any
	}{
		{"DATETIME", "'2024-05-06T07:08:09.123456789Z'", at},
		{"timestamp", "'2024-05-06T07:08:09.123456789Z'", at},
		{"DateTime(6)", "'2024-05-06T07:08:09.123456789Z'", at},
		{"TIMESTAMP WITH TIME ZONE", "'2024-05-06T07:08:09.123456789Z'", at},
		{"TIMESTAMP", "1714979289", at.Truncate(time.Second)},
		{"DATE", "'2024-05-06'", at.Truncate(24 * time.Hour)},
		{"DATE", "20240506", int64(20240506)}, // a day written as a number is no point in time
		{"DATETIME", "'tomorrow'", "tomorrow"},
		{"DATETIME", "2460436.5", 2460436.5},
		{"DATETIME", "NULL", nil},
		{"TEXT", "'2024-05-06'", "2024-05-06"},
		{"TIME", "'07:08:09'", "07:08:09"},
		{"BOOLEAN", "1", true},
		{"bool", "0", false},
		{"BOOLEAN", "2", int64(2)},
		{"BOOLEAN", "'yes'", "yes"},
		{"BOOLEAN", "NULL", nil},
		{"INTEGER", "1", int64(1)},
		{"DECIMAL(10,2)", "1.5", 1.5},
		{"REAL", "1", 1.0},
		{"BLOB", "x'0102'", []byte{1, 2}},
		{"BLOB", "x''", []byte{}},
		{"", "'plain'", "plain"},
	} {
		r.must(t, "DROP TABLE IF EXISTS v", "CREATE TABLE v (a "+c.decl+")", "INSERT INTO v VALUES ("+c.value+")")
		var got any
		if err := r.QueryRow("SELECT a FROM v").Scan(&got); err != nil {
			t.Errorf("%s %s: %v", c.decl, c.value, err)
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s: %T %v, want %T %v", c.decl, c.value, got, got, c.want, c.want)
		}
	}
	var s string // an expression has no declared type
	r.must(t, "CREATE TABLE e (at DATETIME)", "INSERT INTO e VALUES ('2024-05-06 07:08:09')")
	if err := r.QueryRow("SELECT max(at) FROM e").Scan(&s); err != nil || s != "2024-05-06 07:08:09" {
		t.Errorf("max(at) is %q, %v", s, err)
	}
}

func TestRowsColumnTypes(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE c (a INTEGER, b VARCHAR(32), c REAL, d BLOB, e BOOLEAN, f DATETIME, g DATE, h DECIMAL(10, 2), i bigint, j DOUBLE PRECISION)")
	rows, err := r.Query("SELECT *, a + 1 AS k FROM c") // no row, and the types all the same
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ct := range types {
		got = append(got, fmt.Sprintf("%s %s %s", ct.Name(), ct.DatabaseTypeName(), ct.ScanType()))
		if _, ok := ct.Nullable(); ok {
			t.Errorf("%s: nobody knows whether it may be NULL", ct.Name())
		}
	}
	want := `a INTEGER sql.NullInt64
b VARCHAR sql.NullString
c REAL sql.NullFloat64
d BLOB []uint8
e BOOLEAN sql.NullBool
f DATETIME sql.NullTime
g DATE sql.NullTime
h DECIMAL interface {}
i BIGINT sql.NullInt64
j DOUBLE PRECISION sql.NullFloat64
k  interface {}`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

// The names of the columns are shared by all who run the statement; what a caller does to his copy is nobody else's business.
func TestRowsColumnsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	r := build(t)
	for range 3 {
		rows, err := r.Query("SELECT 1 AS one, 2 AS two")
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil || strings.Join(names, " ") != "one two" {
			t.Errorf("columns %v, %v", names, err)
		}
		for i := range names {
			names[i] = "spoilt"
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRowsFailInTheMiddle(t *testing.T) {
	t.Parallel()
	r := build(t)
	rows, err := r.Query("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 200) SELECT x, json(CASE WHEN x = 150 THEN '{' ELSE '{}' END) FROM c")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if n != 149 || classOf(rows.Err()) != "sql" {
		t.Errorf("%d rows, then %v", n, rows.Err())
	}
	records, _ := r.host.taken()
	if len(records) != 1 || records[0].Err == nil || records[0].Result.Rows != 149 {
		t.Errorf("recorded as %+v", records)
	}
	if err := r.QueryRow("SELECT json('{')").Scan(new(string)); classOf(err) != "sql" {
		t.Errorf("the first row: %v", err)
	}
	if err := r.QueryRow("SELECT 1 WHERE 0").Scan(new(int)); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
}

// Who has closed rows may close them again, whoever uses their memory by then.
func TestRowsClosedTwice(t *testing.T) {
	t.Parallel()
	r := build(t)
	c, err := r.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(dc any) error {
		q := dc.(driver.QueryerContext)
		first, err := q.QueryContext(t.Context(), "SELECT 'first'", nil)
		if err != nil {
			return err
		}
		if err := first.Close(); err != nil {
			return err
		}
		second, err := q.QueryContext(t.Context(), "SELECT 'second'", nil)
		if err != nil {
			return err
		}
		if err := first.Close(); err != nil {
			return err
		}
		dest := make([]driver.Value, 1)
		if err := first.Next(dest); err != io.EOF || first.Columns() != nil {
			t.Errorf("closed rows: %v %v", dest, err)
		}
		if err := second.Next(dest); err != nil || dest[0] != "second" {
			t.Errorf("the other rows: %v, %v", dest[0], err)
		}
		return second.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Rows use memory again. Whatever a row holds, it must be that of its own query.
func TestRowsKeepApart(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE b (id INTEGER PRIMARY KEY, v BLOB, s TEXT)",
		"INSERT INTO b WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 300) SELECT x, CAST(printf('%0*d', x, x) AS BLOB), printf('%0*d', x, x) FROM c")
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 40 {
				id := (g*40+i)%280 + 1
				rows, err := r.Query("SELECT id, v, s FROM b WHERE id >= ? ORDER BY id LIMIT 20", id)
				if err != nil {
					t.Error(err)
					return
				}
				for n := id; rows.Next(); n++ {
					var got int
					var v sql.RawBytes
					var s any
					if err := rows.Scan(&got, &v, &s); err != nil {
						t.Error(err)
						break
					}
					if want := fmt.Sprintf("%0*d", n, n); got != n || string(v) != want || s != want {
						t.Errorf("row %d: %d %q %q", n, got, v, s)
						break
					}
				}
				if err := errors.Join(rows.Err(), rows.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
