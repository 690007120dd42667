package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

// connect opens a connection as a start of the engine does.
func connect(t *testing.T, path string) *sqlite.Conn {
	t.Helper()
	loc, err := sqlite.ParseURL(path)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), loc, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetGuard(sqlite.Guard{Migration: true})
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "trading.db") }

func load(t *testing.T, fsys fs.FS) *migrate.Set {
	t.Helper()
	set, err := migrate.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// step is a migration that can be told apart.
func step(n int, up, down, verify string) (string, string) {
	return fmt.Sprintf("%04d_step.sql", n), fmt.Sprintf("-- migration: step %d\n-- compat: 0001\n-- +up\n%s\n-- +down\n%s\n-- +verify\n%s\n", n, up, down, verify)
}

const one = "CREATE TABLE t (id INTEGER PRIMARY KEY, bal INTEGER NOT NULL) STRICT; INSERT INTO t VALUES (1, 7);"

// steps makes a set whose first file is one and whose others are given.
func steps(t *testing.T, ups ...string) fstest.MapFS {
	t.Helper()
	files := map[string]string{}
	name, text := step(1, one, "DROP TABLE t;", "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t);")
	files[name] = text
	for i, up := range ups {
		name, text := step(i+2, up, "SELECT 1;", "")
		files[name] = text
	}
	return set(t, files)
}

func apply(t *testing.T, s *migrate.Set, c *sqlite.Conn) migrate.Report {
	t.Helper()
	rep, err := s.Apply(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func integer(t *testing.T, c *sqlite.Conn, sql string) int64 {
	t.Helper()
	n, err := c.QueryInt(sql)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// everything is what a migration must not change when it fails.
func everything(t *testing.T, c *sqlite.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, sql := range []string{
		"SELECT coalesce(group_concat(name || ' ' || coalesce(sql, '') , char(10)), '') FROM (SELECT * FROM sqlite_schema ORDER BY name)",
		"SELECT user_version || '' FROM pragma_user_version", "SELECT application_id || '' FROM pragma_application_id",
	} {
		text, err := c.QueryText(sql)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(text + "\n")
	}
	if n := integer(t, c, "SELECT count(*) FROM sqlite_schema WHERE name = 't'"); n == 1 {
		fmt.Fprintln(&b, integer(t, c, "SELECT sum(bal) FROM t"))
	}
	return b.String()
}

func TestOnceWithManyStartingTogether(t *testing.T) {
	t.Parallel()
	path := file(t)
	apply(t, load(t, steps(t)), connect(t, path))
	s := load(t, steps(t, "UPDATE t SET bal = bal * 10;", "UPDATE t SET bal = bal * 10;"))
	const processes = 8
	conns := make([]*sqlite.Conn, processes)
	for i := range conns {
		conns[i] = connect(t, path)
	}
	var wg sync.WaitGroup
	var applied atomic.Int32
	start := make(chan struct{})
	for _, c := range conns {
		wg.Go(func() {
			<-start
			rep, err := s.Apply(t.Context(), c, nil)
			if err != nil {
				t.Error(err)
			}
			applied.Add(int32(len(rep.Applied)))
		})
	}
	close(start)
	wg.Wait()
	if applied.Load() != 2 || integer(t, conns[0], "SELECT bal FROM t") != 700 {
		t.Errorf("%d migrations applied, balance %d", applied.Load(), integer(t, conns[0], "SELECT bal FROM t"))
	}
}

func TestFailureAtEveryStatementLeavesNothing(t *testing.T) {
	t.Parallel()
	good := []string{"CREATE TABLE u (x)", "UPDATE t SET bal = bal * 10", "CREATE INDEX tb ON t (bal)", "DELETE FROM t"}
	for at := range len(good) + 1 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			c := connect(t, file(t))
			apply(t, load(t, steps(t)), c)
			before := everything(t, c)
			up := append(append(append([]string{}, good[:at]...), "INSERT INTO nowhere VALUES (1)"), good[at:]...)
			s := load(t, steps(t, "UPDATE t SET bal = 1;", strings.Join(up, ";\n")+";"))
			rep, err := s.Apply(t.Context(), c, func() error { t.Error("marked"); return nil })
			var me *migrate.Error
			if !errors.As(err, &me) || me.Version != 3 {
				t.Fatalf("got %v", err)
			}
			if after := everything(t, c); after != before || !c.Autocommit() || len(rep.Applied) != 0 || rep.To != 1 {
				t.Errorf("%+v left\n%s\nof\n%s", rep, after, before)
			}
		})
	}
}

func TestWhatAMigrationMayNotDo(t *testing.T) {
	t.Parallel()
	for up, says := range map[string]string{
		"UPDATE t SET bal = 1; COMMIT;": "COMMIT is ",
		"/* x */ -- y\n rollback;":      "ROLLBACK is ",
		"SAVEPOINT a;":                  "SAVEPOINT is not allowed",
		"ATTACH ':memory:' AS m;":       "ATTACH",
		"PRAGMA foreign_keys = ON;":     "PRAGMA is not allowed",
		"CREATE TABLE c (p INTEGER REFERENCES t); INSERT INTO c VALUES (1); DELETE FROM t;": "foreign keys point nowhere",
		"INSERT INTO t VALUES (1, 8);": "UNIQUE",
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			c := connect(t, file(t))
			apply(t, load(t, steps(t)), c)
			before := everything(t, c)
			if _, err := load(t, steps(t, up)).Apply(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v, want %q", err, says)
			}
			if after := everything(t, c); after != before {
				t.Errorf("left\n%s\nof\n%s", after, before)
			}
		})
	}
}

// Rebuilding a parent table deletes its children by cascade where foreign keys
// are on.
func TestRebuildOfAParentKeepsItsChildren(t *testing.T) {
	t.Parallel()
	c := connect(t, file(t))
	apply(t, load(t, steps(t, "CREATE TABLE c (p INTEGER NOT NULL REFERENCES t ON DELETE CASCADE); INSERT INTO c VALUES (1);")), c)
	s := load(t, steps(t, "CREATE TABLE c (p INTEGER NOT NULL REFERENCES t ON DELETE CASCADE); INSERT INTO c VALUES (1);",
		"CREATE TABLE n (id INTEGER PRIMARY KEY, bal INTEGER NOT NULL, x TEXT) STRICT; INSERT INTO n SELECT id, bal, 'x' FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;"))
	apply(t, s, c)
	if n := integer(t, c, "SELECT count(*) FROM c"); n != 1 {
		t.Errorf("%d children left of 1", n)
	}
}

func TestVerifyAndMarkFailuresRollBack(t *testing.T) {
	t.Parallel()
	name, text := step(1, one, "DROP TABLE t;", "SELECT 1 WHERE 0; SELECT bal FROM t WHERE bal = 7 -- seven")
	s := load(t, set(t, map[string]string{name: text}))
	c := connect(t, file(t))
	before := everything(t, c)
	if _, err := s.Apply(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "verify query 2") {
		t.Errorf("got %v", err)
	}
	mark := errors.New("no mark")
	if _, err := load(t, steps(t)).Apply(t.Context(), c, func() error { return mark }); !errors.Is(err, mark) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(mark)
	if _, err := load(t, steps(t)).Apply(ctx, c, nil); !errors.Is(err, mark) {
		t.Errorf("got %v", err)
	}
	if after := everything(t, c); after != before || !c.Autocommit() {
		t.Errorf("left\n%s\nof\n%s", after, before)
	}
}

func TestWaitingForTheLockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	path := file(t)
	holder, c := connect(t, path), connect(t, path)
	if err := holder.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s := load(t, steps(t))
	if _, err := s.Apply(ctx, c, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := holder.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	apply(t, s, c)
}

func codes(err error) (out []migrate.Code) {
	var ce *migrate.ConflictError
	if errors.As(err, &ce) {
		for _, c := range ce.Conflicts {
			out = append(out, c.Code)
		}
	}
	return out
}

func TestConflictsRefuseTheStart(t *testing.T) {
	t.Parallel()
	long := []string{"ALTER TABLE t ADD COLUMN a TEXT;", "ALTER TABLE t ADD COLUMN b TEXT;"}
	edited := func(t *testing.T) fs.FS {
		f := steps(t, "ALTER TABLE t ADD COLUMN z TEXT;", long[1])
		return f
	}
	demanding := func(t *testing.T) fs.FS { // step 3 can be opened only by who knows it
		files := map[string]string{}
		for name, f := range steps(t, long...) {
			files[name] = string(f.Data)
		}
		delete(files, migrate.SumFile)
		files["0003_step.sql"] = strings.Replace(files["0003_step.sql"], "compat: 0001", "compat: 0003", 1)
		return set(t, files)
	}
	cases := []struct {
		name    string
		first   func(*testing.T) fs.FS
		between string
		second  func(*testing.T) fs.FS
		want    []migrate.Code
	}{
		{"edited file", func(t *testing.T) fs.FS { return steps(t, long...) }, "", edited, []migrate.Code{migrate.Changed}},
		{"older program, additive change", func(t *testing.T) fs.FS { return steps(t, long...) }, "", func(t *testing.T) fs.FS { return steps(t, long[0]) }, nil},
		{"older program, demanding change", demanding, "", func(t *testing.T) fs.FS { return steps(t, long[0]) }, []migrate.Code{migrate.Newer}},
		{"row lost from the history", func(t *testing.T) fs.FS { return steps(t, long...) }, "DELETE FROM _tg_migration WHERE version = 2",
			func(t *testing.T) fs.FS { return steps(t, long...) }, []migrate.Code{migrate.BadHistory, migrate.OutOfOrder}},
		{"history edited, file edited too", func(t *testing.T) fs.FS { return steps(t, long...) }, "UPDATE _tg_migration SET down_sql = '' WHERE version = 3",
			edited, []migrate.Code{migrate.BadHistory, migrate.Changed}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, file(t))
			apply(t, load(t, c.first(t)), conn)
			if c.between != "" {
				if err := conn.Exec(c.between); err != nil {
					t.Fatal(err)
				}
			}
			before := everything(t, conn)
			_, err := load(t, c.second(t)).Apply(t.Context(), conn, nil)
			if got := codes(err); fmt.Sprint(got) != fmt.Sprint(c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("got %v %v, want %v", got, err, c.want)
			}
			var one *migrate.Conflict
			if err != nil && (!errors.As(err, &one) || one.Remedy == "" || !errors.Is(err, migrate.ErrConflict)) {
				t.Errorf("no remedy in %v", err)
			}
			if everything(t, conn) != before {
				t.Error("a refused start changed the database")
			}
		})
	}
}

func TestUnmanagedDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	c := connect(t, file(t))
	if err := errors.Join(c.Exec("PRAGMA application_id = 0"), c.Exec("CREATE TABLE customers (id INTEGER)")); err != nil {
		t.Fatal(err)
	}
	before := everything(t, c)
	_, err := load(t, steps(t)).Apply(t.Context(), c, nil)
	if got := codes(err); len(got) != 1 || got[0] != migrate.Unmanaged {
		t.Errorf("got %v", err)
	}
	if everything(t, c) != before {
		t.Error("a refused start changed the database")
	}
}
