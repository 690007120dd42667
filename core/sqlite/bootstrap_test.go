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
