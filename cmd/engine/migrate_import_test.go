package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMigrateImport(t *testing.T) {
	t.Parallel()
	s := newSchema(t)
	source := t.TempDir()
	for name, content := range map[string]string{
		"00001_a.sql": "-- +goose Up\nCREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT);\n-- +goose Down\nDROP TABLE a;\n",
		"00002_b.sql": "-- +goose Up\nCREATE INDEX i ON a (x);\n-- +goose Down\nDROP INDEX i;\n",
	} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "exec", "--create", "--db", s.url, "CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT)", "INSERT INTO a VALUES (1, 'kept')",
		"CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1)")
	edit(t, s, "PRAGMA application_id = 0")
	s.migrate(exitError, "import", "--from", "golang-migrate", "--source", source)
	o := s.migrate(exitOK, "import", "--from", "goose", "--source", source)
	if !strings.Contains(o.stdout, "0001_a.sql from 00001_a.sql") || !strings.Contains(o.stdout, "version 0002") {
		t.Errorf("import: %s", o.stdout)
	}
	if o := s.migrate(exitPending, "status"); !strings.Contains(o.stdout, "pending  0003 b") {
		t.Errorf("status: %s", o.stdout)
	}
	s.migrate(exitOK, "up")
	s.migrate(exitOK, "verify")
	if got := s.query("SELECT x FROM a"); got != `{"x":"kept"}` {
		t.Error(got)
	}
	if o := s.migrate(exitError, "import", "--from", "goose", "--source", source); !strings.Contains(o.stderr, "not empty") {
		t.Errorf("twice: %s", o.stderr)
	}
}

func TestMigrateBaseline(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile, indexFile)
	must(t, "exec", "--create", "--db", s.url, "CREATE TABLE orders (id INTEGER PRIMARY KEY, price TEXT, note TEXT)", "INSERT INTO orders VALUES (7, 'x', 'y')")
	edit(t, s, "PRAGMA application_id = 0")
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.migrate(exitConflict, "up")
	if o := s.migrate(exitError, "baseline", "--at", "2"); !strings.Contains(o.stderr, "by_note") {
		t.Errorf("a schema that does not fit: %s", o.stderr)
	}
	s.migrate(exitOK, "baseline", "--at", "1")
	copied, err := os.ReadFile(s.path + ".before-adoption")
	if err != nil || len(copied) != len(before) {
		t.Errorf("the copy has %d bytes of %d, %v", len(copied), len(before), err)
	}
	s.migrate(exitPending, "status")
	s.migrate(exitOK, "up")
	if got := s.query("SELECT id, price FROM orders"); got != `{"id":7,"price":"x"}` {
		t.Error(got)
	}
}

func TestMigrateSquash(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile, indexFile, columnFile)
	s.migrate(exitOK, "up", "--create")
	must(t, "migrate", "squash", "--dir", s.dir, "--to", "2")
	if names, _ := filepath.Glob(filepath.Join(s.dir, "*.sql")); len(names) != 2 {
		t.Errorf("files: %v", names)
	}
	s.migrate(exitOK, "status")
	s.migrate(exitOK, "verify")
	fresh := &schema{t: t, dir: s.dir, path: s.path + ".new", url: s.url + ".new"}
	fresh.migrate(exitOK, "up", "--create")
	const all = "SELECT group_concat(sql, ';' ORDER BY name) AS x, (SELECT group_concat(note) FROM orders) AS n FROM sqlite_schema WHERE name NOT LIKE '_tg%' AND name NOT LIKE 'sqlite%' AND tbl_name = 'orders'"
	if a, b := s.query(all), fresh.query(all); a != b || !strings.Contains(a, `"n":"a"`) {
		t.Errorf("a new database is\n%s, an old one\n%s", b, a)
	}
}

func TestMigrateFiles(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile)
	if o := must(t, "migrate", "new", "--dir", s.dir, "Trade price, as micros!"); !strings.HasSuffix(strings.TrimSpace(o.stdout), "0002_trade_price_as_micros.sql") {
		t.Errorf("new: %s", o.stdout)
	}
	if o := program(t, "migrate", "lint", "--dir", s.dir); o.code != exitError || !strings.Contains(o.stdout, "L00") {
		t.Errorf("lint of an empty file: exit code %d: %s", o.code, o.stdout)
	}
	remove(t, s, "0002_trade_price_as_micros.sql")
	must(t, "migrate", "lint", "--dir", s.dir)
	must(t, "migrate", "sum", "--dir", s.dir, "--check")
	s.write(2, columnFile)
	if err := os.WriteFile(filepath.Join(s.dir, "0002_x.sql"), []byte(columnFile+"-- more\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if o := program(t, "migrate", "sum", "--dir", s.dir, "--check"); o.code != exitConflict || !strings.Contains(o.stderr, "E07") {
		t.Errorf("a sum that does not fit: exit code %d: %s", o.code, o.stderr)
	}
	s.write(2, "-- migration: bad\n-- +up\nDROP TABLE orders;\n-- +down\nSELECT 1;\n")
	if o := program(t, "migrate", "lint", "--dir", s.dir); o.code != exitError || !strings.Contains(o.stdout, "0002_x.sql:3: L01") {
		t.Errorf("lint: exit code %d: %s", o.code, o.stdout)
	}
	if o := must(t, "migrate", "lint", "--rules"); strings.Count(o.stdout, "\n") < 20 {
		t.Errorf("rules: %s", o.stdout)
	}
}
