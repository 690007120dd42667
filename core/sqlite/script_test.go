package sqlite_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

func smallMemory(o *sqlite.Options) {
	for i := range o.Memory {
		o.Memory[i], o.CacheKiB[i] = 8<<20, 256
	}
}

// bounded runs sql, and returns how long after its limit it is back.
func bounded(c *sqlite.Conn, sql string, limit time.Duration) (late time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c.SetContext(ctx)
	defer c.SetContext(nil)
	start := time.Now()
	err = c.Script(sql, nil)
	return time.Since(start) - limit, err
}

// runBounded runs sql as a user would and insists that it comes back, typed.
func runBounded(t *testing.T, c *sqlite.Conn, sql string, limit time.Duration) {
	t.Helper()
	late, err := bounded(c, sql, limit)
	for try := 1; try < 3 && late > 2*time.Second; try++ { // a machine that stops us is no script that does not end
		late, err = bounded(c, sql, limit)
	}
	if late > 2*time.Second {
		t.Fatalf("came back %v after its deadline: %.200q", late, sql)
	}
	if err == nil {
		return
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		t.Fatalf("untyped error %T %v", err, err)
	}
	if e.Class == sqlite.Misuse {
		t.Fatalf("our own misuse: %v for %.200q", err, sql)
	}
}

func FuzzHostileSQL(f *testing.F) {
	for _, sql := range []string{
		"SELECT hex(zeroblob(200000000))", "SELECT randomblob(1000000000)", "SELECT printf('%.*c', 100000000, 'x')",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n, n, n",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT group_concat(i) FROM n",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT json_group_array(randomblob(100000)) FROM n",
		"SELECT replace(hex(zeroblob(100000)), '0', hex(zeroblob(100000)))", "SELECT json_extract('" + "[[[[[[[[[[" + "', '$')",
		"CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO t VALUES(1); END; INSERT INTO t VALUES(1)",
		"PRAGMA writable_schema=ON; DELETE FROM sqlite_schema", "ATTACH 'file:/etc/passwd' AS p", "VACUUM INTO 'x.db'",
		"SELECT 'a' LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a'", "BEGIN; SAVEPOINT a; ROLLBACK", "EXPLAIN SELECT 1",
		"SELECT * FROM pragma_integrity_check, pragma_function_list", "SELECT load_extension('x')", "CREATE TEMP TABLE x(a)",
		"SELECT json('" + "{\"a\":[1,2,{\"b\":null}]}" + "')", "SELECT strftime('%Y', -1e308)", "VALUES(1e999), (-9223372036854775808 / -1)",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		s := openAt(t, "sqlite://", smallMemory)
		w := mustConnect(t, s, sqlite.Writer)
		runBounded(t, w, sql, 50*time.Millisecond)
		must(t, w.Close())
		next := connect(t, s, sqlite.Writer)
		wantInt(t, next, "SELECT 1", 1)
	})
}
