package shell_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/shell"
)

func TestCommandsOfTheSchema(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(_ *engine.Config, c *shell.Config) { c.Settings.Mode = "table"; c.Width = func() int { return 20 } })
	b.must(t, "CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT, mail TEXT UNIQUE);", "CREATE TABLE orders (a, b, c);",
		"CREATE UNIQUE INDEX by_name ON accounts (name DESC, lower(mail)) WHERE id > 1;", "CREATE VIEW v AS SELECT 1 AS one;",
		"CREATE TRIGGER tr AFTER INSERT ON orders BEGIN SELECT 1; END;", "CREATE TABLE \"bell \x07 and\x1b[2J\" (a);")
	for _, c := range []struct{ line, want string }{
		{".tables acc%", "accounts\n"},
		{".tables o%", "orders\n"},
		{".tables nothing", ""},
		{".schema orders", "CREATE TABLE orders (a, b, c);\nCREATE TRIGGER tr AFTER INSERT ON orders BEGIN SELECT 1; END;\n"},
		{".schema v;", "CREATE VIEW v AS SELECT 1 AS one;\n"},
		{".indexes accounts", `table 20 index|table|unique|partial|columns
["by_name","accounts","yes","yes","name DESC, (expression)"]
["sqlite_autoindex_accounts_1","accounts","yes","no","mail"]
`},
		{".tables bell%", "bell \uFFFD and\uFFFD[2J\n"},
	} {
		if got := b.must(t, c.line); got != c.want {
			t.Errorf("%s:\n%q, want\n%q", c.line, got, c.want)
		}
	}
	b.cfg.Width = func() int { return 60 } // room for two names on a line
	if got, want := b.must(t, "DROP TABLE \"bell \x07 and\x1b[2J\";", ".tables"), "accounts  orders    v\n"; got != want {
		t.Errorf(".tables: %q, want %q", got, want)
	}
	b.cfg.Width = func() int { return 19 }
	if got, want := b.must(t, ".tables"), "accounts  v\norders\n"; got != want {
		t.Errorf(".tables in a narrow terminal: %q, want %q", got, want)
	}
}

func TestCommandParam(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	got := b.must(t, ".param set :name 'with a blank'", ".param set @n x", ".param set 1 first", ".param set bare y", ".param",
		"SELECT :name, @n, :bare;", "SELECT ?", ";", ".param unset @n", ".param clear", ".param")
	want := `json 0 parameter|value
[":bare","y"]
[":name","with a blank"]
["?1","first"]
["@n","x"]
json 0 :name|@n|:bare
["with a blank","x","y"]
json 0 ?
["first"]
json 0 parameter|value
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, c := range []struct{ line, says string }{
		{".param set :x", "a name and a value"},
		{".param set", "a name and a value"},
		{".param set ? 1", "a name and a value"},
		{".param set :a:b 1", "a name and a value"},
		{".param unset :x", "has no value"},
		{".param nonsense", "takes set"},
		{"SELECT :x;", ".param set :x VALUE"},
	} {
		if ok, _, said := b.script(t, c.line); ok || !strings.Contains(said, c.says) {
			t.Errorf("%s: ok %v, said %q; want %q", c.line, ok, said, c.says)
		}
	}
	if ok, _, said := b.script(t, ".param set :secret wrong"); ok || strings.Contains(said, "wrong\"") || !strings.Contains(said, "the value is wrong") {
		t.Errorf("ok %v, said %q", ok, said)
	}
}

func TestCommandPlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);", "CREATE INDEX by_a ON t (a);", "INSERT INTO t VALUES (1, 2, 3);")
	const tree = "└─ SEARCH t USING INDEX by_a (a=?)\n"
	for _, lines := range [][]string{
		{".plan SELECT * FROM t WHERE a = :unbound;"},
		{".param set :x 1", ".explain SELECT * FROM t WHERE a = :x"},
		{"EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = 1;"},
	} {
		if got := b.must(t, lines...); got != tree {
			t.Errorf("%q: %q, want %q", lines, got, tree)
		}
	}
	if got := b.must(t, "SELECT * FROM t WHERE a = 99;", ".plan"); !strings.HasSuffix(got, "\n"+tree) {
		t.Errorf("the plan of the last statement: %q", got)
	}
	got := b.must(t, ".plan SELECT a FROM t UNION ALL SELECT x.b FROM t x JOIN t y ON y.id = x.a")
	want := `└─ COMPOUND QUERY
   ├─ LEFT-MOST SUBQUERY
   │  └─ SCAN t USING COVERING INDEX by_a
   └─ UNION ALL
      ├─ SCAN x
      └─ SEARCH y USING INTEGER PRIMARY KEY (rowid=?)
`
	if got != want {
		t.Errorf("a tree: got\n%s\nwant\n%s", got, want)
	}
	if got := b.must(t, ".plan DELETE FROM t WHERE id = 1", "SELECT count(*) FROM t;"); !strings.Contains(got, "SEARCH t") || !strings.HasSuffix(got, "[1]\n") {
		t.Errorf("the plan of a DELETE: %q", got)
	}
	for _, c := range []struct{ line, says string }{{".plan", "no statement has run"}, {".plan BEGIN", "have no plan"}, {".plan SELECT nope", "no such column"}} {
		if ok, _, said := b.script(t, c.line); ok || !strings.Contains(said, c.says) {
			t.Errorf("%s: ok %v, said %q; want %q", c.line, ok, said, c.says)
		}
	}
}

// Where the class's lane lets a plan depend on values (analytics does), the one shown is that of the value: a LIKE that begins with a
// wildcard has no use for the index.
func TestCommandPlanDependsOnTheValue(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(t, "CREATE TABLE t (a TEXT COLLATE NOCASE, b);", "CREATE INDEX by_a ON t (a);")
	for _, c := range []struct{ class, value, want string }{
		{"analytics", "abc%", "SEARCH t USING INDEX by_a"}, {"analytics", "%abc", "SCAN t"}, {"normal", "abc%", "SCAN t"},
	} {
		if got := b.must(t, ".class "+c.class, ".param set :p "+c.value, ".plan SELECT * FROM t WHERE a LIKE :p"); !strings.Contains(got, c.want) {
			t.Errorf("%s, %s: %s, want %s", c.class, c.value, got, c.want)
		}
	}
}

func TestCommandSettings(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ok, out, said := b.script(t, ".mode csv", ".mode", "SELECT 1;", ".timer on", "SELECT 1;", ".timer off", ".timer", "SELECT 1;",
		".class", ".class analytics", ".class", ".durability relaxed", ".durability", ".CLASS Trade", ".class")
	if !ok || strings.Count(out, "csv 0 1\n") != 3 {
		t.Errorf("ok %v, out %q", ok, out)
	}
	if lines := strings.Split(said, "\n"); len(lines) != 8 || lines[0] != "csv" || !strings.HasPrefix(lines[1], "1 row (") ||
		strings.Join(lines[2:], ",") != "off,normal,analytics,relaxed,trade," {
		t.Errorf("said %q", said)
	}
	for _, c := range []struct{ line, says string }{
		{".mode fancy", "table, csv, json, line"}, {".timer maybe", "off, on"}, {".class first", "trade, signal"}, {".durability some", "durable, relaxed"},
		{".", "there is no command"}, {".p", ".plan, .param, .ps"}, {".help nope", "no command"}, {".read", "name of a file"}, {".kill", "number"}, {".kill x", "number"},
		{".kill 99999", "no session 99999"}, {"BEGIN;\n.health", "COMMIT or ROLLBACK first"},
	} {
		if ok, _, said := b.script(t, c.line); ok || !strings.Contains(said, c.says) {
			t.Errorf("%s: ok %v, said %q; want %q", c.line, ok, said, c.says)
		}
	}
}

// The class says which lane reads, and who asks can see it.
func TestCommandPs(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	got := b.must(t, "CREATE TABLE t (a);", ".class analytics", "BEGIN READ ONLY;", "SELECT 'secret' FROM t;", ".ps", "COMMIT;", ".class signal", "BEGIN;", ".ps", "COMMIT;")
	if !strings.Contains(got, `"analytics","analytics","engine shell","idle"`) || !strings.Contains(got, `"writer","signal","engine shell","idle"`) ||
		!strings.Contains(got, "SELECT ? FROM t") || strings.Contains(strings.ReplaceAll(got, "'secret'\n", ""), "secret") {
		t.Errorf("got %s", got)
	}
}

func TestCommandKill(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(t, "CREATE TABLE t (a);")
	rows, err := b.db.Query(t.Context(), "SELECT 1 UNION ALL SELECT 2", engine.WithName("victim"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	under := b.db.Sessions()
	if len(under) != 1 || under[0].Name != "victim" {
		t.Fatalf("%+v", under)
	}
	if ok, _, said := b.script(t, fmt.Sprintf(".kill %d", under[0].ID)); !ok || !strings.Contains(said, "killed") {
		t.Errorf("ok %v, said %q", ok, said)
	}
	for rows.Next() {
	}
	if rows.Err() == nil {
		t.Error("the rows were read to their end")
	}
}

func TestCommandReadAndOutput(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	inner := write("the inner.sql", "INSERT INTO t VALUES (2);\n.quit\nINSERT INTO t VALUES (99);")
	outer := write("outer.sql", "CREATE TABLE t (a);\nINSERT INTO t VALUES (1);\n.read \""+inner+"\"\nINSERT INTO t VALUES (98)")
	b.must(t, ".read "+outer)
	rows := filepath.Join(dir, "rows")
	if got := b.must(t, ".output "+rows, "SELECT a FROM t ORDER BY a;", ".output", "SELECT 'back';"); !strings.HasSuffix(got, "[\"back\"]\n") || strings.Contains(got, "[1]") {
		t.Errorf("got %q", got)
	}
	text, err := os.ReadFile(rows)
	if want := "json 0 a\n[1]\n[2]\n"; err != nil || string(text) != want {
		t.Errorf("%q, %v; want %q: .quit leaves every file", text, err, want)
	}
	if info, err := os.Stat(rows); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	itself := filepath.Join(dir, "itself.sql")
	write("itself.sql", "SELECT 1;\n.read "+itself)
	bad := write("bad.sql", "SELECT 1;\nSELECT nope;\nINSERT INTO t VALUES (97);")
	for _, c := range []struct{ line, says string }{
		{".read " + itself, "read itself"},
		{".read " + bad, bad + ": line 2: "},
		{".read " + filepath.Join(dir, "nothing"), "nothing"},
		{".output " + filepath.Join(dir, "no", "folder"), "folder"},
	} {
		if ok, _, said := b.script(t, c.line, "INSERT INTO t VALUES (96);"); ok || !strings.Contains(said, c.says) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: ok %v, said %q; want %q once", c.line, ok, said, c.says)
		}
	}
	if got := b.must(t, "SELECT group_concat(a) FROM t;"); !strings.HasSuffix(got, "[\"1,2\"]\n") {
		t.Errorf("got %s", got)
	}
}

func TestCommandStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	got := b.must(t, "CREATE TABLE t (a);", "INSERT INTO t VALUES (1);", ".stats", ".health")
	if !strings.Contains(got, `["transactions committed",2]`) || !strings.Contains(got, `["write","ok",`) {
		t.Errorf("got %s", got)
	}
	ok, _, said := b.script(t, ".help", "help", ".help kill")
	if !ok || strings.Count(said, "\n.kill ID") != 3 || !strings.Contains(said, "BEGIN READ ONLY") {
		t.Errorf("ok %v, said %s", ok, said)
	}
}

// What cannot be written ends a script: a full disk must not look like success.
func TestScriptWhoseOutputFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(_ *engine.Config, c *shell.Config) {
		r, w := io.Pipe()
		r.Close()
		c.Out = w
	})
	if ok, _, said := b.script(t, "SELECT 1;"); ok || !strings.Contains(said, "closed pipe") {
		t.Errorf("ok %v, said %q", ok, said)
	}
}

// Rows that are written to a file must not cost the database.
func TestOutputSparesTheDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	db, err := engine.Open(t.Context(), engine.DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	sh := shell.New(db, shell.Config{Out: &out, Err: &said, Settings: shell.Settings{Mode: "table"}, Hold: time.Second, Idle: time.Second,
		Format: func(string, io.Writer, []string, int) (shell.RowWriter, error) {
			return nil, errors.New("no rows are written")
		}})
	script := "CREATE TABLE t (a);\nINSERT INTO t VALUES (1);\n"
	if !sh.Script(t.Context(), strings.NewReader(script), "test") {
		t.Fatal(said.String())
	}
	for _, name := range []string{path, path + "-wal"} {
		before, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if sh.Script(t.Context(), strings.NewReader(".output "+name+"\n"), "test") || !strings.Contains(said.String(), "name another file") {
			t.Errorf("%s: %s", name, said.String())
		}
		if now, err := os.Stat(name); err != nil || now.Size() != before.Size() {
			t.Errorf("%s is of another size, %v", name, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
