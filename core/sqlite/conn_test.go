package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

// open returns a store on a new file (or in memory) and closes it at the end of the test.
func open(t testing.TB, opts ...func(*sqlite.Options)) *sqlite.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "test.db"), opts...)
}

func openAt(t testing.TB, url string, opts ...func(*sqlite.Options)) *sqlite.Store {
	t.Helper()
	loc, err := sqlite.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opt := sqlite.DefaultOptions()
	for _, o := range opts {
		o(&opt)
	}
	s, err := sqlite.Open(context.Background(), loc, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t testing.TB, s *sqlite.Store, role sqlite.Role) *sqlite.Conn {
	t.Helper()
	c, err := s.Connect(context.Background(), role)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// run runs one statement of a user.
func run(c *sqlite.Conn, sql string, args ...any) error {
	s, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.Release()
	if err := s.Bind(args); err != nil {
		return err
	}
	for row := true; row; {
		if row, err = s.Step(); err != nil {
			return err
		}
	}
	return nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantClass(t testing.TB, err error, class sqlite.ErrorClass) {
	t.Helper()
	if err == nil || sqlite.ClassOf(err) != class {
		t.Fatalf("got error %v (class %v), want class %v", err, sqlite.ClassOf(err), class)
	}
}

func wantInt(t testing.TB, c *sqlite.Conn, sql string, want int64) {
	t.Helper()
	got, err := c.QueryInt(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if got != want {
		t.Fatalf("%s = %d, want %d", sql, got, want)
	}
}

func TestReadWrite(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "sqlite://"} {
		name := "file"
		if url != "" {
			name = "memory"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *sqlite.Store
			if url == "" {
				s = open(t)
			} else {
				s = openAt(t, url)
			}
			if s.State() != sqlite.Empty || s.ReadOnly() {
				t.Fatalf("state %v, read only %v", s.State(), s.ReadOnly())
			}
			w, r := connect(t, s, sqlite.Writer), connect(t, s, sqlite.Reader)
			wantInt(t, w, "PRAGMA application_id", sqlite.ApplicationID)
			wantInt(t, w, "PRAGMA auto_vacuum", 2)
			wantInt(t, w, "PRAGMA synchronous", 2)
			must(t, run(w, "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB)"))
			must(t, run(w, "INSERT INTO t VALUES(?,?,?,?)", 1, "one", 1.5, []byte{1, 2}))
			if w.LastInsertRowID() != 1 || w.Changes() != 1 {
				t.Fatalf("rowid %d, changes %d", w.LastInsertRowID(), w.Changes())
			}
			must(t, w.Exec("BEGIN IMMEDIATE"))
			must(t, run(w, "INSERT INTO t VALUES(2,NULL,NULL,NULL)"))
			wantInt(t, r, "SELECT count(*) FROM t", 1)
			must(t, w.Exec("COMMIT"))
			wantInt(t, r, "SELECT count(*) FROM t", 2)

			q, err := r.Prepare("SELECT id, a, b, c FROM t WHERE id = :id -- a comment")
			must(t, err)
			defer q.Release()
			must(t, q.Bind([]any{1}))
			row, err := q.Step()
			must(t, err)
			if !row {
				t.Fatal("no row")
			}
			var got sqlite.Row
			must(t, q.Row(&got))
			if v := got.Values; v[0].Int != 1 || string(v[1].Bytes) != "one" || v[2].Float != 1.5 || len(v[3].Bytes) != 2 {
				t.Fatalf("row is %+v", got.Values)
			}
			wantClass(t, run(r, "INSERT INTO t VALUES(3,NULL,NULL,NULL)"), sqlite.ReadOnly)
		})
	}
}
