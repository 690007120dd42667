package sqlite_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

type cents int64
type label string
type raw []byte
type money struct{ units int64 }

func (m money) Value() (driver.Value, error) {
	if m.units < 0 {
		return nil, errors.New("negative")
	}
	return m.units, nil
}

type panicky struct{}

func (panicky) Value() (driver.Value, error) { panic("in Value") }

type loop struct{}

func (l loop) Value() (driver.Value, error) { return l, nil }

func ptr[T any](v T) *T { return &v }

func TestBind(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := connect(t, s, sqlite.Reader)
	st, err := r.Prepare("SELECT ?, typeof(?1)")
	must(t, err)
	defer st.Release()
	when := time.Date(2026, 1, 2, 3, 4, 5, 60, time.FixedZone("x", 3600))
	for _, c := range []struct {
		in   any
		want any
		kind string
	}{
		{nil, nil, "null"}, {true, int64(1), "integer"}, {false, int64(0), "integer"},
		{7, int64(7), "integer"}, {int8(-7), int64(-7), "integer"}, {int64(math.MinInt64), int64(math.MinInt64), "integer"},
		{uint(7), int64(7), "integer"}, {uint64(math.MaxInt64), int64(math.MaxInt64), "integer"}, {uint16(9), int64(9), "integer"},
		{1.5, 1.5, "real"}, {float32(0.25), 0.25, "real"}, {math.Inf(1), math.Inf(1), "real"},
		{"", "", "text"}, {"ä\x00b", "ä\x00b", "text"}, {[]byte(nil), nil, "null"}, {[]byte{}, []byte{}, "blob"}, {[]byte{0, 1}, []byte{0, 1}, "blob"},
		{when, "2026-01-02T02:04:05.00000006Z", "text"}, {cents(5), int64(5), "integer"}, {label("x"), "x", "text"}, {raw("y"), []byte("y"), "blob"},
		{money{9}, int64(9), "integer"}, {&money{8}, int64(8), "integer"}, {(*money)(nil), nil, "null"}, {ptr(3), int64(3), "integer"},
		{(*string)(nil), nil, "null"}, {ptr(ptr("deep")), "deep", "text"}, {sql.NullString{}, nil, "null"}, {sql.NullInt64{Int64: 4, Valid: true}, int64(4), "integer"},
		{sqlite.Value{Type: sqlite.Text, Bytes: []byte("v")}, "v", "text"}, {sqlite.Value{Type: sqlite.Blob}, []byte{}, "blob"}, {sqlite.Value{}, nil, "null"},
		{strings.Repeat("long", 5000), strings.Repeat("long", 5000), "text"},
	} {
		must(t, st.Bind([]any{c.in}))
		row, err := st.Step()
		must(t, err)
		if !row {
			t.Fatal("no row")
		}
		var got sqlite.Row
		must(t, st.Row(&got))
		if fmt.Sprintf("%T %v", got.Values[0].Any(), got.Values[0].Any()) != fmt.Sprintf("%T %v", c.want, c.want) || string(got.Values[1].Bytes) != c.kind {
			t.Errorf("%T: got %#v (%s), want %#v (%s)", c.in, got.Values[0].Any(), got.Values[1].Bytes, c.want, c.kind)
		}
	}
	const secret = "4929-SECRET"
	for _, c := range []struct {
		args []any
		want string
	}{
		{nil, "has 1 parameters, 0 arguments"}, {[]any{secret, secret}, "has 1 parameters, 2 arguments"},
		{[]any{uint64(math.MaxInt64) + 1}, "argument 1 (uint64) is beyond the range"}, {[]any{math.NaN()}, "NaN"},
		{[]any{struct{ s string }{secret}}, "argument 1 has type struct"}, {[]any{map[string]string{secret: secret}}, "argument 1 has type map"},
		{[]any{[]int{1}}, "[]int"}, {[]any{panicky{}}, "Value of sqlite_test.panicky failed"}, {[]any{money{-1}}, "negative"}, {[]any{loop{}}, "more than 8 times"},
		{[]any{sql.Named("a", secret)}, `no parameter named "a"`},
	} {
		err := st.Bind(c.args)
		wantClass(t, err, sqlite.Args)
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%v does not say %q, or tells the value", err, c.want)
		}
	}
	wantClass(t, st.Bind([]any{strings.Repeat("x", 17<<20)}), sqlite.TooBig)
	must(t, r.Broken())
}

func TestBindNamed(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := connect(t, s, sqlite.Reader)
	st, err := r.Prepare("SELECT :a || @b || $a || ?")
	must(t, err)
	defer st.Release()
	for _, args := range [][]any{
		{sql.Named("a", "1"), sql.Named("b", "2"), "3", "4"}, // positional arguments count from the first parameter
		{"1", "2", "1", "4"},
	} {
		if err := st.Bind(args); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	err = st.Bind([]any{sql.Named("a", "1"), sql.Named("b", "2")})
	wantClass(t, err, sqlite.Args)
	if !strings.Contains(err.Error(), "parameter 4") {
		t.Fatalf("%v does not name the parameter without argument", err)
	}
	err = st.Bind([]any{sql.Named("a", "1")})
	if err == nil || !strings.Contains(err.Error(), "parameter 2 (@b)") {
		t.Fatalf("%v does not name the parameter without argument", err)
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	for _, sql := range []string{"SELECT 1;", "SELECT 1 ; -- end", "/* a */ ; SELECT 1 /* b */ ;; \n", "\ufeffSELECT 1", "SELECT 1; /* open"} {
		st, err := w.Prepare(sql)
		if err != nil {
			t.Errorf("%q: %v", sql, err)
			continue
		}
		st.Release()
	}
	for sql, class := range map[string]sqlite.ErrorClass{
		"SELECT 1; SELECT 2": sqlite.Misuse, "SELECT 1; x": sqlite.Misuse, "": sqlite.Args, " -- nothing": sqlite.Args, ";": sqlite.Args,
		"SELECT 1\x00; DROP TABLE t": sqlite.Args, "SELEC 1": sqlite.SQL, "SELECT * FROM missing": sqlite.SQL,
	} {
		_, err := w.Prepare(sql)
		wantClass(t, err, class)
	}

	// While its cursor is open a statement is not shared.
	const q = "SELECT value FROM json_each('[1,2,3]')"
	a, err := w.Prepare(q)
	must(t, err)
	if row, err := a.Step(); !row || err != nil {
		t.Fatal(row, err)
	}
	b, err := w.Prepare(q)
	must(t, err)
	if a == b {
		t.Fatal("one statement was given out twice")
	}
	var rows int
	for {
		row, err := b.Step()
		must(t, err)
		if !row {
			break
		}
		rows++
		if row, err := a.Step(); rows < 3 && (!row || err != nil) {
			t.Fatal("the cursors disturb each other", row, err)
		}
	}
	b.Release()
	a.Release()
	c, err := w.Prepare(q)
	must(t, err)
	if c != a {
		t.Fatal("a released statement does not come back from the cache")
	}
	c.Release()
}

func TestStatementCache(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4} {
		s := open(t, func(o *sqlite.Options) { o.StatementCache = size })
		c := connect(t, s, sqlite.Reader)
		held, err := c.Prepare("SELECT 'held'")
		must(t, err)
		for i := range 20 {
			must(t, run(c, fmt.Sprintf("SELECT %d", i)))
		}
		if row, err := held.Step(); !row || err != nil {
			t.Fatalf("cache of %d: a statement in use was finalised: %v %v", size, row, err)
		}
		held.Release()
		first, err := c.Prepare("SELECT 19")
		must(t, err)
		first.Release()
		again, err := c.Prepare("SELECT 19")
		must(t, err)
		if cached := first == again; cached != (size > 0) {
			t.Fatalf("cache of %d: reused %v", size, cached)
		}
		again.Release()
		must(t, c.Close())
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	var seen []string
	must(t, w.Script(`
		-- schema
		CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = a+1; SELECT 1; END;
		INSERT INTO t VALUES(';'), (2);; /* end */ `, func(sql string) error {
		seen = append(seen, sql)
		return nil
	}))
	if len(seen) != 3 || !strings.HasPrefix(seen[1], "CREATE TRIGGER") || !strings.HasSuffix(seen[1], "END;") {
		t.Fatalf("statements: %q", seen)
	}
	stop := errors.New("stop")
	err := w.Script("DELETE FROM t; DROP TABLE t", func(sql string) error {
		if strings.HasPrefix(sql, "DROP") {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatalf("the script returned %v", err)
	}
	wantInt(t, w, "SELECT count(*) FROM t", 0)
	wantClass(t, w.Script("INSERT INTO t VALUES(1); COMMIT; DROP TABLE t", nil), sqlite.Auth)
	wantInt(t, w, "SELECT count(*) FROM t", 1)
	must(t, w.Script("", nil))
}

// TestSchemaChangeUnderStatement: SELECT * has other columns after another connection changed the table.
func TestSchemaChangeUnderStatement(t *testing.T) {
	t.Parallel()
	s := open(t)
	w, r := connect(t, s, sqlite.Writer), connect(t, s, sqlite.Reader)
	must(t, run(w, "CREATE TABLE t(a INTEGER)"))
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	q, err := r.Prepare("SELECT * FROM t")
	must(t, err)
	defer q.Release()
	if n := len(q.Class().Columns); n != 1 {
		t.Fatal(n, "columns")
	}
	must(t, run(w, "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x'"))
	row, err := q.Step()
	must(t, err)
	var got sqlite.Row
	must(t, q.Row(&got))
	if !row || len(got.Values) != 2 || string(got.Values[1].Bytes) != "x" {
		t.Fatalf("row %v %+v", row, got.Values)
	}
	if c := q.Class().Columns; len(c) != 2 || c[1] != "b" {
		t.Fatalf("columns %v", c)
	}
	if d := q.DeclTypes(); len(d) != 2 || d[0] != "INTEGER" || d[1] != "TEXT" {
		t.Fatalf("declared types %v", d)
	}
}

func TestConcurrentUseIsRefused(t *testing.T) {
	t.Parallel()
	st := newStall()
	s := open(t, func(o *sqlite.Options) { o.Functions = []sqlite.Function{st.function()} })
	c := connect(t, s, sqlite.Writer)
	done := make(chan error)
	go func() { done <- run(c, "SELECT stall(150)") }()
	<-st.entered
	wantClass(t, c.Exec("SELECT 1"), sqlite.Misuse)
	wantClass(t, c.Close(), sqlite.Misuse)
	st.release <- nil
	must(t, <-done)
	must(t, c.Exec("SELECT 1"))
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	fns := []sqlite.Function{
		{Name: "twice", Args: 1, Deterministic: true, Schema: true, Scalar: func(a []sqlite.Value) (any, error) { return a[0].Int * 2, nil }},
		{Name: "echo", Args: -1, Scalar: func(a []sqlite.Value) (any, error) { return a[len(a)-1], nil }},
		{Name: "boom", Args: 0, Scalar: func([]sqlite.Value) (any, error) { panic("secret") }},
		{Name: "fails", Args: 0, Scalar: func([]sqlite.Value) (any, error) { return nil, errors.New("no luck") }},
		{Name: "odd", Args: 0, Scalar: func([]sqlite.Value) (any, error) { return []int{1}, nil }},
		{Name: "private", Args: 0, Scalar: func([]sqlite.Value) (any, error) { return 1, nil }},
	}
	backwards := func(a, b []byte) int { return strings.Compare(string(b), string(a)) }
	s := open(t, func(o *sqlite.Options) {
		o.Functions = fns
		o.Collations = []sqlite.Collation{{Name: "backwards", Compare: backwards}}
		o.Extensions = []sqlite.Extension{sqlite.FTS5(), sqlite.RTree()}
	})
	w := connect(t, s, sqlite.Writer)
	wantInt(t, w, "SELECT twice(21)", 42)
	for _, v := range []string{"NULL", "1", "1.5", "'text'", "x'00ff'", "x''", "''"} {
		wantInt(t, w, fmt.Sprintf("SELECT echo(9, %[1]s) IS %[1]s AND typeof(echo(%[1]s)) = typeof(%[1]s)", v), 1)
	}
	err := run(w, "SELECT boom()")
	wantClass(t, err, sqlite.SQL)
	if p, ok := errors.AsType[*sqlite.PanicError](err); !ok || p.Value != "secret" || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "boom()") {
		t.Fatalf("a panic in a function is told as %v", err)
	}
	for sql, want := range map[string]string{"SELECT fails()": "fails(): no luck", "SELECT odd()": "odd(): returned a []int"} {
		if err := run(w, sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	must(t, w.Broken())
	must(t, run(w, "CREATE TABLE t(a TEXT COLLATE backwards, n INT AS (twice(length(a))))"))
	must(t, run(w, "INSERT INTO t VALUES('a'),('bb')"))
	if first, err := w.QueryText("SELECT a FROM t ORDER BY a"); err != nil || first != "bb" {
		t.Fatal(first, err)
	}
	wantInt(t, w, "SELECT sum(n) FROM t", 6)
	must(t, run(w, "CREATE VIEW v AS SELECT private()"))
	if err := run(w, "SELECT * FROM v"); err == nil {
		t.Fatal("a view called a function that is not for schemas")
	}
	must(t, run(w, "CREATE VIRTUAL TABLE f USING fts5(x)"))
	must(t, run(w, "INSERT INTO f VALUES('green eggs'),('ham')"))
	wantInt(t, w, "SELECT count(*) FROM f('eggs')", 1)
	must(t, run(w, "CREATE VIRTUAL TABLE b USING rtree(id, lo, hi)"))
	must(t, run(w, "INSERT INTO b VALUES(1, 0, 5),(2, 7, 9)"))
	wantInt(t, w, "SELECT id FROM b WHERE lo >= 6", 2)

	if _, err := tryOpen(sqlite.Location{Memory: true}, func(o *sqlite.Options) { o.Extensions = []sqlite.Extension{{}} }); sqlite.ClassOf(err) != sqlite.Args {
		t.Fatalf("an empty extension: %v", err)
	}
}

// TestGoexitInFunction: runtime.Goexit, as t.FailNow does it, unwinds SQLite without a panic that could be recovered.
func TestGoexitInFunction(t *testing.T) {
	t.Parallel()
	exit := sqlite.Function{Name: "leave", Scalar: func([]sqlite.Value) (any, error) { runtime.Goexit(); return nil, nil }}
	s := open(t, func(o *sqlite.Options) { o.Functions = []sqlite.Function{exit} })
	w := mustConnect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		_ = run(w, "INSERT INTO t VALUES(leave())")
		t.Error("came back from Goexit")
	}()
	wg.Wait()
	wantClass(t, w.Broken(), sqlite.Poisoned)
	must(t, w.Close())
	next := connect(t, s, sqlite.Writer)
	must(t, run(next, "INSERT INTO t VALUES(2)"))
	wantInt(t, next, "SELECT sum(a) FROM t", 2)
}
