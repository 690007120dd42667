package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

// schema is a set of migrations with n files.
func schema(t testing.TB, n int) fstest.MapFS {
	t.Helper()
	set := fstest.MapFS{}
	for i := 1; i <= n; i++ {
		set[fmt.Sprintf("%04d_t%d.sql", i, i)] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"-- migration: table %d\n-- compat: %04d\n-- +up\nCREATE TABLE t%d (a INTEGER PRIMARY KEY, b TEXT NOT NULL) STRICT;\n-- +down\nDROP TABLE t%d;\n", i, i, i, i)}
	}
	return summed(t, set)
}

// summed has the engine.sum of its files.
func summed(t testing.TB, set fstest.MapFS) fstest.MapFS {
	t.Helper()
	sum, err := migrate.Sum(set)
	if err != nil {
		t.Fatal(err)
	}
	set[migrate.SumFile] = &fstest.MapFile{Data: sum}
	return set
}

// appended has a line more in the first migration.
func appended(set fstest.MapFS) fstest.MapFS {
	set["0001_t1.sql"].Data = append(set["0001_t1.sql"].Data, "-- and more\n"...)
	return set
}

// made returns the path of a closed database of the engine's own, with a row in a table where no migrations make others.
func made(t testing.TB, change ...func(*engine.Config)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	cfg := config(path)
	for _, c := range change {
		c(&cfg)
	}
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Migrations == nil {
		exec(t, db, "CREATE TABLE kept (a, b)", "INSERT INTO kept VALUES (1, 'one')")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// edited returns the path of a database some bytes of which were changed.
func edited(t testing.TB, change func([]byte) []byte) string {
	t.Helper()
	path := made(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, change(data))
	return path
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	cases := []struct {
		name string
		path func(t *testing.T) string
		set  func(t *testing.T, c *engine.Config)
		ctx  context.Context
		want error
		says []string
	}{
		{name: "missing directory", path: func(t *testing.T) string { return filepath.Join(t.TempDir(), "no", "x.db") },
			want: engine.ErrCannotOpen, says: []string{"no", "create it"}},
		{name: "directory", path: func(t *testing.T) string { return t.TempDir() },
			want: engine.ErrCannotOpen, says: []string{"is a directory", "name a file"}},
		{name: "missing file not to be created", path: func(t *testing.T) string { return filepath.Join(t.TempDir(), "x.db") },
			set:  func(_ *testing.T, c *engine.Config) { c.Create = false },
			want: engine.ErrCannotOpen, says: []string{"x.db", "does not exist", "allow it to be created"}},
		{name: "missing file to be read only", path: func(t *testing.T) string { return filepath.Join(t.TempDir(), "x.db") },
			set:  func(_ *testing.T, c *engine.Config) { c.ReadOnly = true },
			want: engine.ErrCannotOpen, says: []string{"does not exist", "check the path"}},
		{name: "text file", path: func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "notes.txt")
			write(t, path, []byte(strings.Repeat("these are notes\n", 400)))
			return path
		}, want: engine.ErrNotDatabase, says: []string{"notes.txt", "check the path"}},
		{name: "short file", path: func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "short.db")
			write(t, path, []byte("SQLite for"))
			return path
		}, want: engine.ErrNotDatabase, says: []string{"short.db", "check the path"}},
		{name: "newer file format", path: func(t *testing.T) string {
			return edited(t, func(b []byte) []byte { b[18], b[19] = 3, 3; return b })
		}, want: engine.ErrNotDatabase, says: []string{"made.db", "upgrade the engine"}},
		{name: "damaged pages", path: func(t *testing.T) string {
			return edited(t, func(b []byte) []byte { copy(b[100:], strings.Repeat("\xee", 64)); return b })
		}, want: engine.ErrCorrupt, says: []string{"restore a backup"}},
		{name: "newer schema", path: func(t *testing.T) string {
			return made(t, func(c *engine.Config) { c.Migrations = schema(t, 2) })
		}, set: func(t *testing.T, c *engine.Config) { c.Migrations = schema(t, 1) },
			want: engine.ErrMigration, says: []string{"E04", "0002"}},
		{name: "edited migration", path: func(t *testing.T) string {
			return made(t, func(c *engine.Config) { c.Migrations = schema(t, 1) })
		}, set: func(t *testing.T, c *engine.Config) {
			c.Migrations = summed(t, appended(schema(t, 1)))
		}, want: engine.ErrMigration, says: []string{"E03", "0001"}},
		{name: "edited migration, old sum", path: func(t *testing.T) string {
			return made(t, func(c *engine.Config) { c.Migrations = schema(t, 1) })
		}, set: func(t *testing.T, c *engine.Config) { c.Migrations = appended(schema(t, 1)) },
			want: engine.ErrMigration, says: []string{"E07", "0001"}},
		{name: "malformed migration", path: func(t *testing.T) string { return filepath.Join(t.TempDir(), "x.db") },
			set: func(_ *testing.T, c *engine.Config) {
				c.Migrations = fstest.MapFS{"0001_x.sql": {Data: []byte("CREATE TABLE x (a);")}}
			},
			want: engine.ErrMigration, says: []string{"0001_x.sql"}},
		{name: "migration for a foreign database", path: func(t *testing.T) string {
			return edited(t, func(b []byte) []byte { copy(b[68:72], "othr"); return b })
		}, set: func(t *testing.T, c *engine.Config) { c.Migrations = schema(t, 1) },
			want: engine.ErrNotAdopted, says: []string{"made.db", "Config.Adopt"}},
		{name: "pending migration read only", path: func(t *testing.T) string {
			return made(t, func(c *engine.Config) { c.Migrations = schema(t, 1) })
		}, set: func(t *testing.T, c *engine.Config) { c.ReadOnly, c.Migrations = true, schema(t, 2) },
			want: engine.ErrMigration, says: []string{"1 migrations are pending", "open it once for writing"}},
		{name: "cancelled context", path: func(t *testing.T) string { return filepath.Join(t.TempDir(), "x.db") },
			ctx: cancelled, want: context.Canceled},
		{name: "cancelled context, present file", path: func(t *testing.T) string { return made(t) },
			ctx: cancelled, want: context.Canceled},
		{name: "URL of another database", path: func(t *testing.T) string { return "postgres://joe:hunter2@db/prod" },
			want: engine.ErrConfig, says: []string{"postgres", "sqlite:///relative.db"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := c.path(t)
			dir := filepath.Dir(path)
			for strings.HasPrefix(path, "/") && !present(dir) {
				dir = filepath.Dir(dir)
			}
			before := ""
			if filepath.IsAbs(path) {
				before = files(t, dir)
			}
			cfg := config(path)
			if c.set != nil {
				c.set(t, &cfg)
			}
			ctx := c.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			db, err := engine.Open(ctx, cfg)
			if err == nil {
				db.Close()
				t.Fatal("Open succeeded")
			}
			wantOnly(t, err, c.want)
			wantText(t, err, c.says...)
			wantNoSecret(t, err, "hunter2")
			if before != "" {
				if after := files(t, dir); after != before {
					t.Errorf("the folder has changed.\nbefore:\n%s\nafter:\n%s", before, after)
				}
			}
		})
	}
}

func present(path string) bool { _, err := os.Stat(path); return err == nil }

func TestOpenListsEveryMistake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := config("mysql://x/y")
	cfg.Writer.Hold, cfg.Writer.Queue, cfg.Writer.GroupTime, cfg.Writer.Durability = 0, -1, -time.Second, 7
	cfg.Readers.Slots, cfg.Readers.CacheKiB = 0, 1<<30
	cfg.Analytics.Memory, cfg.Maintenance.IdleTimeout = 0, 0
	cfg.WAL.Hard, cfg.WAL.SnapshotAge = 1, 0
	cfg.Extend.Functions = []engine.Function{{Name: "f"}}
	cfg.Extend.Collations = []engine.Collation{{}}
	_, err := engine.Open(t.Context(), cfg)
	wantOnly(t, err, engine.ErrConfig)
	var list *engine.ConfigError
	if !errors.As(err, &list) {
		t.Fatalf("%T is no ConfigError", err)
	}
	wantText(t, err, "url: ", "writer.hold", "writer.queue:", "writer.group_time", "writer.durability", "readers.slots", "readers.cache_kib",
		"analytics.memory", "maintenance.idle_timeout", "wal: soft ≤ hard ≤ cap", "wal.snapshot_age", "extend.functions[0]", "extend.collations[0]")
	if n := len(list.Mistakes); n < 13 {
		t.Errorf("%d mistakes listed, want 13 or more: %q", n, list.Mistakes)
	}
	cfg.URL = filepath.Join(dir, "x.db")
	_, err = engine.Open(t.Context(), cfg)
	wantOnly(t, err, engine.ErrConfig)
	if present(cfg.URL) {
		t.Error("a refused configuration has left a file behind")
	}
}

const secret = "s3cret-4711-value"

// TestStatementRefuses gives every way to run SQL the same wrong input.
func TestStatementRefuses(t *testing.T) {
	t.Parallel()
	db := open(t, func(c *engine.Config) { c.Extend.Modules = []engine.Module{engine.FTS5()} })
	exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (length(name) < 20), n INTEGER) STRICT",
		"INSERT INTO acc VALUES (1, '"+secret+"', 1)", "CREATE VIRTUAL TABLE ft USING fts5(body)",
		"CREATE TRIGGER no_delete BEFORE DELETE ON acc BEGIN SELECT RAISE(ABORT, 'accounts are closed, not deleted'); END")
	cases := []struct {
		name, sql string
		args      []any
		want      error
		says      []string
	}{
		{"typing error", "SELEKT 1", nil, engine.ErrSQL, []string{"SELEKT", "syntax error"}},
		{"missing table", "SELECT * FROM nowhere WHERE a = ?", []any{secret}, engine.ErrSQL, []string{"no such table: nowhere"}},
		{"missing column", "UPDATE acc SET nope = ?", []any{secret}, engine.ErrSQL, []string{"no such column: nope"}},
		{"two statements", "DELETE FROM acc; DELETE FROM acc", nil, engine.ErrSQL, []string{"one statement at a time", "Update"}},
		{"no statement", " -- nothing\n", nil, engine.ErrArgs, []string{"no statement"}},
		{"NUL in the text", "SELECT '\x00'", nil, engine.ErrArgs, []string{"NUL byte"}},
		{"too few arguments", "UPDATE acc SET name = ? WHERE id = ?", []any{secret}, engine.ErrArgs, []string{"2 parameters, 1 arguments"}},
		{"too many arguments", "UPDATE acc SET name = ?", []any{"x", secret}, engine.ErrArgs, []string{"1 parameters, 2 arguments"}},
		{"wrong name", "UPDATE acc SET name = :name", []any{sql.Named("nmae", secret)}, engine.ErrArgs, []string{`no parameter named "nmae"`}},
		{"missing name", "UPDATE acc SET name = :name, n = :n", []any{sql.Named("name", secret)}, engine.ErrArgs, []string{":n", "has no argument"}},
		{"NaN", "UPDATE acc SET n = ?", []any{math.NaN()}, engine.ErrArgs, []string{"argument 1 is NaN", "nil"}},
		{"type that cannot be bound", "UPDATE acc SET n = ?", []any{struct{ A string }{secret}}, engine.ErrArgs, []string{"argument 1", "struct", "driver.Valuer"}},
		{"unique", "INSERT INTO acc VALUES (2, ?, 1)", []any{secret}, engine.ErrConstraint, []string{"UNIQUE", "acc.name"}},
		{"not null", "INSERT INTO acc VALUES (2, NULL, ?)", []any{1}, engine.ErrConstraint, []string{"NOT NULL", "acc.name"}},
		{"check", "UPDATE acc SET name = ?", []any{secret + secret}, engine.ErrConstraint, []string{"CHECK", "length(name)"}},
		{"type of a strict table", "UPDATE acc SET n = ?", []any{secret}, engine.ErrConstraint, []string{"acc.n"}},
		{"row id of the wrong type", "UPDATE acc SET id = ?", []any{secret}, engine.ErrConstraint, nil},
		{"refusing trigger", "DELETE FROM acc WHERE name = ?", []any{secret}, engine.ErrConstraint, []string{"accounts are closed"}},
		{"match expression", "INSERT INTO acc SELECT 9, body, 9 FROM ft WHERE ft MATCH ?", []any{`"` + secret}, engine.ErrSQL, nil},
		{"match column", "INSERT INTO acc SELECT 9, body, 9 FROM ft WHERE ft MATCH ?", []any{secret[:6] + ":x"}, engine.ErrSQL, nil},
		{"JSON path", "UPDATE acc SET n = json_extract('{}', ?)", []any{secret}, engine.ErrSQL, []string{"JSON path"}},
		{"JSON", "UPDATE acc SET n = json_extract(?, '$.a')", []any{secret}, engine.ErrSQL, []string{"malformed JSON"}},
		{"integer overflow", "UPDATE acc SET n = abs(?)", []any{math.MinInt64}, engine.ErrSQL, []string{"integer overflow"}},
		{"pattern too long", "UPDATE acc SET n = 'x' LIKE ?", []any{strings.Repeat(secret, 20)}, engine.ErrTooBig, nil},
		{"value too big", "UPDATE acc SET n = length(?)", []any{strings.Repeat(secret, 2<<20)}, engine.ErrTooBig, nil},
		{"begin", "BEGIN", nil, engine.ErrForbidden, []string{"BEGIN", "use a transaction of the engine"}},
		{"attach", "ATTACH ? AS x", []any{secret}, engine.ErrForbidden, []string{"ATTACH", "use a second engine"}},
	}
	before := digest(t, db)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for how, err := range everyWay(t, db, c.sql, c.args) {
				t.Run(how, func(t *testing.T) {
					wantOnly(t, err, c.want)
					wantText(t, err, c.says...)
					wantNoSecret(t, err, secret)
					wantNoSecret(t, err, secret[:6])
				})
			}
			if digest(t, db) != before {
				t.Error("the refused statement has changed the database")
			}
		})
	}
}

// everyWay runs a statement that must fail by each call that takes one.
func everyWay(t *testing.T, db *engine.DB, sql string, args []any) map[string]error {
	t.Helper()
	out := map[string]error{}
	ctx := t.Context()
	_, out["Exec"] = db.Exec(ctx, sql, args...)
	rows, err := db.Query(ctx, sql, args...)
	out["Query"] = drained(rows, err)
	out["QueryRow"] = db.QueryRow(ctx, sql, args...).Scan(new(any))
	out["Tx.Exec"] = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
	out["Tx.Query"] = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		return drained(tx.Query(ctx, sql, args...))
	})
	return out
}

// drained reads rows to their end and returns what went wrong.
func drained(rows *engine.Rows, err error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err())
}

func TestCallWithDeadContext(t *testing.T) {
	t.Parallel()
	db := open(t)
	exec(t, db, "CREATE TABLE a (x)")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithTimeout(t.Context(), -time.Second)
	defer stop()
	ran := false
	fn := func(context.Context, *engine.Tx) error { ran = true; return nil }
	for ctx, want := range map[context.Context]error{cancelled: context.Canceled, late: context.DeadlineExceeded} {
		for how, err := range everyWayWith(ctx, db, fn) {
			t.Run(how+" "+want.Error(), func(t *testing.T) {
				wantOnly(t, err, want)
			})
		}
	}
	if ran {
		t.Error("a closure ran under a context that was over")
	}
	if n := one(t, db, "SELECT count(*) FROM a"); n != 0 {
		t.Errorf("%d rows were written under a context that was over", n)
	}
}

// everyWayWith makes each call of a DB with ctx.
func everyWayWith(ctx context.Context, db *engine.DB, fn func(context.Context, *engine.Tx) error) map[string]error {
	out := map[string]error{}
	_, out["Exec"] = db.Exec(ctx, "INSERT INTO a VALUES (1)")
	rows, err := db.Query(ctx, "SELECT * FROM a")
	out["Query"] = drained(rows, err)
	rows, err = db.Query(ctx, "INSERT INTO a VALUES (2) RETURNING x")
	out["Query that writes"] = drained(rows, err)
	out["QueryRow"] = db.QueryRow(ctx, "SELECT 1").Scan(new(int))
	out["Update"] = db.Update(ctx, fn)
	out["View"] = db.View(ctx, fn)
	out["analytics View"] = db.View(ctx, fn, engine.WithClass(engine.ClassAnalytics))
	return out
}

func TestClosedEngine(t *testing.T) {
	t.Parallel()
	path := made(t)
	for name, change := range map[string]func(*engine.Config){
		"writable":  func(*engine.Config) {},
		"read only": func(c *engine.Config) { c.ReadOnly = true },
	} {
		t.Run(name, func(t *testing.T) {
			db := openAt(t, path, change)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			for how, err := range everyWayWith(t.Context(), db, func(context.Context, *engine.Tx) error { t.Error("the closure ran"); return nil }) {
				t.Run(how, func(t *testing.T) {
					wantOnly(t, err, engine.ErrClosed)
				})
			}
			if h := db.Health(t.Context()); h.OK {
				t.Error("a closed database says that it is well")
			}
			_ = db.Stats()
		})
	}
}
