package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

func smallMemory(o *sqlite.Options) {
	for i := range o.Memory {
		o.Memory[i], o.CacheKiB[i] = 8<<20, 256
	}
}

// runBounded runs sql as a user would and insists that it comes back, typed.
func runBounded(t *testing.T, c *sqlite.Conn, sql string, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c.SetContext(ctx)
	defer c.SetContext(nil)
	start := time.Now()
	err := c.Script(sql, nil)
	if late := time.Since(start) - limit; late > 2*time.Second {
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
		"PRAGMA writable_schema=ON; DELETE FROM sqlite_schema", "ATTACH 'file:/etc/passwd' AS p", "VACUUM INTO '/tmp/x'",
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

// FuzzHostileFile flips bytes of a database.
func FuzzHostileFile(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "seed.db")
	loc := sqlite.Location{Path: path}
	s, err := sqlite.Open(context.Background(), loc, sqlite.DefaultOptions())
	must(f, err)
	c, err := s.Connect(context.Background(), sqlite.Writer)
	must(f, err)
	must(f, c.Exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b UNIQUE); CREATE INDEX i ON t(a, b);
		CREATE VIEW v AS SELECT a, count(*) FROM t GROUP BY a; CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 'x' WHERE id < new.id; END;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200) INSERT INTO t SELECT i, 'name' || i, i FROM n`))
	must(f, c.Close())
	must(f, s.Close())
	seed, err := os.ReadFile(path)
	must(f, err)
	for _, at := range []uint32{16, 20, 28, 44, 100, 103, 105, 200, 4096, 4100, 8192, 9000} {
		f.Add(at, byte(0xff), at*7, byte(0x80))
	}
	f.Fuzz(func(t *testing.T, at1 uint32, x1 byte, at2 uint32, x2 byte) {
		data := append([]byte{}, seed...)
		data[int(at1)%len(data)] ^= x1
		data[int(at2)%len(data)] ^= x2
		path := filepath.Join(t.TempDir(), "bad.db")
		must(t, os.WriteFile(path, data, 0o600))
		s, err := tryOpen(sqlite.Location{Path: path}, smallMemory)
		if err != nil {
			if _, ok := errors.AsType[*sqlite.Error](err); !ok {
				t.Fatalf("untyped error %T %v", err, err)
			}
			return
		}
		c := mustOrTyped(t, s)
		if c != nil {
			for _, sql := range []string{"SELECT * FROM v", "SELECT * FROM t ORDER BY b DESC", "INSERT INTO t(a, b) VALUES('new', -1)", "DELETE FROM t WHERE a = 'name5'", "PRAGMA integrity_check"} {
				runBounded(t, c, sql, time.Second)
			}
			must(t, c.Close())
		}
		must(t, s.Close())
	})
}

func mustOrTyped(t *testing.T, s *sqlite.Store) *sqlite.Conn {
	t.Helper()
	c, err := s.Connect(context.Background(), sqlite.Maintenance)
	if err == nil {
		return c
	}
	if _, ok := errors.AsType[*sqlite.Error](err); !ok {
		t.Fatalf("untyped error %T %v", err, err)
	}
	return nil
}
