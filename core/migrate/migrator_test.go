package migrate_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

// base is a database file and a store on it.
type base struct {
	t     testing.TB
	path  string
	store *sqlite.Store
}

func openBase(t testing.TB, path string, faults sqlite.Faults) *base {
	t.Helper()
	loc, err := sqlite.ParseURL(path)
	if err != nil {
		t.Fatal(err)
	}
	opt := sqlite.DefaultOptions()
	opt.Faults = faults
	opt.Adopt = true
	opt.Extensions = []sqlite.Extension{sqlite.FTS5()}
	store, err := sqlite.Open(t.Context(), loc, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &base{t, path, store}
}

func newBase(t testing.TB) *base {
	t.Helper()
	return openBase(t, filepath.Join(t.TempDir(), "trading.db"), nil)
}

// migrator makes a migrator whose rehearsals are off, since most tests are not about them.
func (b *base) migrator(sets ...*migrate.Set) *migrate.Migrator {
	b.t.Helper()
	return b.configured(func(*migrate.Config) {}, sets...)
}

func (b *base) configured(change func(*migrate.Config), sets ...*migrate.Set) *migrate.Migrator {
	b.t.Helper()
	cfg := migrate.DefaultConfig()
	cfg.Sets, cfg.Rehearse, cfg.Logger = sets, false, slog.New(slog.DiscardHandler)
	change(&cfg)
	m, err := migrate.New(b.store, cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// conn runs fn on a connection of its own.
func (b *base) conn(fn func(*sqlite.Conn) error) {
	b.t.Helper()
	c, err := b.store.Connect(b.t.Context(), sqlite.Maintenance)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := errors.Join(fn(c), c.Close()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *base) exec(sql string) {
	b.t.Helper()
	b.conn(func(c *sqlite.Conn) error { return c.Exec(sql) })
}

func (b *base) integer(sql string) (n int64) {
	b.t.Helper()
	b.conn(func(c *sqlite.Conn) (err error) { n, err = c.QueryInt(sql); return err })
	return n
}

func (b *base) text(sql string) (s string) {
	b.t.Helper()
	b.conn(func(c *sqlite.Conn) (err error) { s, err = c.QueryText(sql); return err })
	return s
}

// content is the user's schema and every row of it, with storage classes.
func (b *base) content() string {
	b.t.Helper()
	var out strings.Builder
	b.conn(func(c *sqlite.Conn) error {
		out.WriteString(dump(b.t, c))
		return nil
	})
	return out.String()
}

func dump(t testing.TB, c *sqlite.Conn) string {
	t.Helper()
	text := func(sql string) string {
		s, err := c.QueryText(sql)
		if err != nil {
			t.Fatalf("%v in %s", err, sql)
		}
		return s
	}
	const ours = `name NOT LIKE '\_tg\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`
	var out strings.Builder
	out.WriteString(text(`SELECT coalesce(group_concat(type || ' ' || name || ' ' || coalesce(sql, ''), char(10) ORDER BY type, name), '') FROM sqlite_schema WHERE tbl_` + ours))
	tables := strings.Split(text("SELECT coalesce(group_concat(name, char(10) ORDER BY name), '') FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND "+ours), "\n")
	for _, table := range tables {
		if table == "" {
			continue
		}
		columns := text(fmt.Sprintf(`SELECT group_concat('quote("' || replace(name, '"', '""') || '")', ' || ''|'' || ' ORDER BY cid) FROM pragma_table_xinfo('%s') WHERE hidden <> 1`, table))
		rows := text(fmt.Sprintf(`SELECT coalesce(group_concat(r, char(10) ORDER BY r), '') FROM (SELECT %s AS r FROM "%s")`, columns, table))
		fmt.Fprintf(&out, "\n%s\n%s", table, rows)
	}
	return out.String()
}

func load(t testing.TB, fsys fs.FS, options ...migrate.LoadOption) *migrate.Set {
	t.Helper()
	set, err := migrate.Load(fsys, options...)
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

// header puts a line into a file of a set and writes its sums again.
func header(t *testing.T, fsys fstest.MapFS, file, line string) fstest.MapFS {
	t.Helper()
	files := map[string]string{}
	for name, f := range fsys {
		if name != migrate.SumFile {
			files[name] = string(f.Data)
		}
	}
	first, rest, _ := strings.Cut(files[file], "\n")
	files[file] = first + "\n" + line + "\n" + rest
	return set(t, files)
}

func up(t *testing.T, m *migrate.Migrator) migrate.Report {
	t.Helper()
	rep, err := m.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rep
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
