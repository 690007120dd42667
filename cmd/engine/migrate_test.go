package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/testconn"
)

const (
	ordersFile = "-- migration: orders\n-- compat: 0001\n-- +up\nCREATE TABLE orders (id INTEGER PRIMARY KEY, price TEXT, note TEXT);\nINSERT INTO orders VALUES (1, '1.50', 'a');\n-- +down\nDROP TABLE orders;\n"
	indexFile  = "-- migration: by note\n-- compat: 0001\n-- +up\nCREATE INDEX by_note ON orders (note);\n-- +down\nDROP INDEX by_note;\n"
	columnFile = "-- migration: more\n-- +up\nALTER TABLE orders ADD COLUMN more TEXT;\n-- +down\nALTER TABLE orders DROP COLUMN more;\n"
)

// schema is a database and a folder of migrations.
type schema struct {
	t        *testing.T
	dir, url string
	path     string
}

func newSchema(t *testing.T, files ...string) *schema {
	t.Helper()
	base := t.TempDir()
	s := &schema{t: t, dir: filepath.Join(base, "m"), path: filepath.Join(base, "it's.db")}
	s.url = "sqlite:///" + filepath.ToSlash(s.path)
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		s.write(i+1, f)
	}
	return s
}

func (s *schema) write(n int, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "000"+string(rune('0'+n))+"_x.sql"), []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if o := program(s.t, "migrate", "sum", "--dir", s.dir); o.code != exitOK {
		s.t.Fatal(o.stderr)
	}
}

// locked does something while another program has the database for writing.
func (s *schema) locked(do func()) {
	s.t.Helper()
	testconn.Use(s.t, s.path, func(c *sqlite.Conn) {
		testconn.Exec(s.t, c, "BEGIN IMMEDIATE")
		do()
		testconn.Exec(s.t, c, "ROLLBACK")
	})
}

// migrate runs a part of engine migrate and wants an exit code.
func (s *schema) migrate(want int, args ...string) outcome {
	s.t.Helper()
	args = append([]string{"migrate", args[0], "--dir", s.dir, "--db", s.url, "--quiet"}, args[1:]...)
	o := program(s.t, args...)
	if o.code != want {
		s.t.Fatalf("engine %q: exit code %d, want %d\n%s%s", args, o.code, want, o.stdout, o.stderr)
	}
	return o
}

func (s *schema) query(sql string) string {
	s.t.Helper()
	return strings.TrimSpace(must(s.t, "query", "--db", s.url, "--json", sql).stdout)
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile, indexFile)
	if o := s.migrate(exitError, "up"); !strings.Contains(o.stderr, "--create") {
		t.Errorf("no remedy for a missing database: %s", o.stderr)
	}
	var run schemaRun
	if err := json.Unmarshal([]byte(s.migrate(exitOK, "up", "--create", "--json").stdout), &run); err != nil || run.To != 2 || len(run.Applied) != 2 || run.Run == "" {
		t.Errorf("up: %+v, %v", run, err)
	}
	s.migrate(exitOK, "status")
	s.migrate(exitOK, "verify")
	s.migrate(exitOK, "diff")
	s.write(3, columnFile)
	if o := s.migrate(exitPending, "status"); !strings.Contains(o.stdout, "pending  0003 more") {
		t.Errorf("status: %s", o.stdout)
	}
	var plan schemaPlan
	if err := json.Unmarshal([]byte(s.migrate(exitPending, "plan", "--rehearse", "--json").stdout), &plan); err != nil || len(plan.Migrations) != 1 || plan.Rehearsal == nil || plan.Rehearsal.DownErr != "" || plan.DiskNeeded == 0 {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	if got := s.query("SELECT count(*) AS n FROM pragma_table_info('orders')"); got != `{"n":3}` {
		t.Errorf("plan changed the database: %s", got)
	}
	if o := s.migrate(exitPending, "plan", "--rehearse"); !strings.Contains(o.stdout, "the writer was locked for") || !strings.Contains(o.stdout, "ALTER TABLE orders ADD COLUMN more") {
		t.Errorf("plan: %s", o.stdout)
	}
	s.migrate(exitOK, "up")
	must(t, "exec", "--db", s.url, "UPDATE orders SET more = 'kept'")
	if o := s.migrate(exitRolledBack, "down", "--to", "2"); !strings.Contains(o.stderr, "1 values of orders.more") {
		t.Errorf("down: %s", o.stderr)
	}
	s.migrate(exitOK, "down", "--to", "2", "--allow-data-loss")
	if o := s.migrate(exitOK, "snapshots"); strings.Count(o.stdout, "\n") < 2 {
		t.Errorf("snapshots: %s", o.stdout)
	}
	s.migrate(exitMigrateUsage, "restore")
	s.migrate(exitOK, "restore", "--yes")
	if got := s.query("SELECT more FROM orders"); got != `{"more":"kept"}` {
		t.Errorf("restored: %s", got)
	}
	if o := s.migrate(exitOK, "history"); !strings.Contains(o.stdout, "0003 more") || !strings.Contains(o.stdout, "restore") {
		t.Errorf("history: %s", o.stdout)
	}
}

func TestMigrateExitCodes(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile)
	s.migrate(exitOK, "up", "--create")
	s.write(2, "-- migration: bad\n-- +up\nCREATE TABLE x (a);\nINSERT INTO nowhere VALUES (1);\n-- +down\nDROP TABLE x;\n")
	if o := s.migrate(exitRolledBack, "up"); !strings.Contains(o.stderr, "rolled back") {
		t.Errorf("failed: %s", o.stderr)
	}
	s.write(2, columnFile)
	s.locked(func() {
		if o := s.migrate(exitLockTimeout, "up", "--lock-wait", "50ms"); !strings.Contains(o.stderr, "E10") {
			t.Errorf("locked: %s", o.stderr)
		}
	})
	for err, want := range map[error]int{
		&migrate.ProbeError{Restored: true}: exitRestored, &migrate.ProbeError{}: exitError, &migrate.Error{}: exitRolledBack, errors.New("x"): exitError,
		&migrate.ConflictError{Conflicts: []*migrate.Conflict{{Code: migrate.LockBusy}, {Code: migrate.Changed}}}: exitConflict,
	} {
		if got := migrateCode(err); got != want {
			t.Errorf("%T: exit code %d, want %d", err, got, want)
		}
	}
	for _, args := range [][]string{{}, {"nothing"}, {"up", "--nope"}, {"up", "now"}, {"up", "--dir", "no such folder"}, {"up", "--plugin", "a=no such folder"}, {"restore", "--run", "a", "--path", "b"}, {"down"}, {"down", "--to", "-1"}, {"repair"}, {"repair", "--rechain", "--adopt-drift"}, {"squash", "--dir", "x"}, {"new", "x"}, {"import", "--dir", "x"}, {"test", "--rows", "-1"}} {
		if o := program(t, append([]string{"migrate"}, args...)...); o.code != exitMigrateUsage || o.stderr == "" {
			t.Errorf("engine migrate %q: exit code %d, %s", args, o.code, o.stderr)
		}
	}
}

func TestMigrateHelp(t *testing.T) {
	t.Parallel()
	overview := must(t, "migrate", "--help").stdout
	for _, v := range migrateVerbs() {
		help := must(t, "migrate", v.name, "--help").stdout
		if !strings.Contains(overview, "\n  "+v.name+" ") || !strings.Contains(help, "engine migrate "+v.name) || !strings.Contains(help, "Examples:") {
			t.Errorf("help of %s:\n%s", v.name, help)
		}
	}
}

// words takes a printed command line apart as a shell would.
func words(line string) []string {
	var out []string
	word, quoted, begun := "", false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted, begun = !quoted, true
		case c == '\\' && !quoted:
			i++
			word, begun = word+string(line[i]), true
		case c == ' ' && !quoted:
			if begun || word != "" {
				out = append(out, word)
			}
			word, begun = "", false
		default:
			word += string(c)
		}
	}
	return append(out, word)
}

// Every conflict that a command resolves: what is printed, typed as it is printed, resolves it.
func TestMigrateRemediesAsPrinted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code  string
		upset func(t *testing.T, s *schema)
	}{
		"edited file": {"E03", func(t *testing.T, s *schema) { s.write(1, strings.Replace(ordersFile, "'a'", "'b'", 1)) }},
		"old program": {"E04", func(t *testing.T, s *schema) {
			s.write(3, columnFile)
			s.migrate(exitOK, "up")
			remove(t, s, "0003_x.sql")
		}},
		"two branches": {"E05", func(t *testing.T, s *schema) { s.write(2, columnFile) }},
		"renumbered": {"E06", func(t *testing.T, s *schema) {
			s.write(3, indexFile)
			s.write(2, columnFile)
		}},
		"drift": {"E08", func(t *testing.T, s *schema) {
			must(t, "exec", "--db", s.url, "CREATE INDEX by_hand ON orders (price)")
		}},
		"history": {"E09", func(t *testing.T, s *schema) {
			edit(t, s, "UPDATE _tg_migration SET down_sql = 'SELECT 1;' WHERE version = 2")
		}},
		"foreign": {"E01", func(t *testing.T, s *schema) {
			edit(t, s, "DROP TABLE _tg_migration", "DROP TABLE _tg_migration_run", "PRAGMA application_id = 0")
			remove(t, s, "0001_x.sql")
			remove(t, s, "0002_x.sql")
			s.write(1, columnFile)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchema(t, ordersFile, indexFile)
			s.migrate(exitOK, "up", "--create")
			c.upset(t, s)
			o := s.migrate(exitConflict, "status")
			if !strings.Contains(o.stdout, c.code+" ") && !strings.Contains(o.stdout, c.code+":") {
				t.Fatalf("want %s: %s", c.code, o.stdout)
			}
			typed := ""
			for line := range strings.Lines(o.stdout) {
				if strings.HasPrefix(line, "     engine migrate ") && typed == "" {
					typed = strings.TrimSpace(line)
				}
			}
			if typed == "" {
				t.Fatalf("no command is printed: %s", o.stdout)
			}
			fixed := program(t, words(typed)[1:]...)
			if fixed.code != exitOK {
				t.Fatalf("%s: exit code %d: %s", typed, fixed.code, fixed.stderr)
			}
			o = program(t, "migrate", "status", "--dir", s.dir, "--db", s.url)
			if o.code != exitOK && o.code != exitPending {
				t.Errorf("%s did not resolve it: exit code %d\n%s", typed, o.code, o.stdout)
			}
			s.migrate(exitOK, "up")
		})
	}
}

func remove(t *testing.T, s *schema, file string) {
	t.Helper()
	if err := os.Remove(filepath.Join(s.dir, file)); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Join(s.dir, "*.sql")); len(names) > 0 {
		must(t, "migrate", "sum", "--dir", s.dir)
	}
}

// edit changes what no statement of a user may.
func edit(t *testing.T, s *schema, statements ...string) {
	t.Helper()
	testconn.Use(t, s.path, func(c *sqlite.Conn) { testconn.Exec(t, c, statements...) })
}
