package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestQueryTable(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, x REAL, b BLOB) STRICT",
		"INSERT INTO t VALUES (1, 'Ann', 1.5, x'00ff'), (20, 'NULL', 2, NULL), (300, NULL, NULL, x'000102030405060708090a0b0c0d0e0f10'), (4, '', -1e300, x'')")
	o := must(t, "query", "--db", url, "SELECT * FROM t ORDER BY id")
	want := `
 id  name        x  b
---  ------  --------  ------------------------------------------------
  1  Ann          1.5  x'00ff'
  4  ''       -1e+300  x''
 20  'NULL'       2.0  NULL
300  NULL        NULL  x'000102030405060708090a0b0c0d0e0f…' (17 bytes)
`
	if flat(o.stdout) != flat(want) {
		t.Errorf("got\n%s\nwant\n%s", o.stdout, want)
	}
	if !strings.HasPrefix(o.stderr, "4 rows in ") {
		t.Errorf("stderr %q, want the number of rows", o.stderr)
	}
}

// flat makes tables comparable where only the widths of rules and gaps differ.
func flat(s string) string {
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(s), "\n") {
		if !strings.HasPrefix(strings.TrimSpace(l), "--") {
			lines = append(lines, strings.Join(strings.Fields(l), " "))
		}
	}
	return strings.Join(lines, "\n")
}

func TestQueryJSON(t *testing.T) {
	t.Parallel()
	o := must(t, "query", "--db", "sqlite://", "--json", `SELECT 1 AS a, 9007199254740993 AS big, 'x"y' AS "k""q", NULL AS n, x'0f' AS b, 2.5 AS a, 9e999 AS inf`)
	want := `{"a":1,"big":"9007199254740993","k\"q":"x\"y","n":null,"b":{"hex":"0f"},"a_2":2.5,"inf":"+Inf"}` + "\n"
	if o.stdout != want || o.stderr != "" {
		t.Errorf("stdout %q, stderr %q; want %q", o.stdout, o.stderr, want)
	}
}

func TestQueryArguments(t *testing.T) {
	t.Parallel()
	o := must(t, "query", "--db", "sqlite://", "--json", "--arg", "7", "--arg", "'7'", "--arg", "null", "--arg", "x'61'", "--arg", "1.0",
		"SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d, typeof(?) AS e")
	if want := `{"a":"integer","b":"text","c":"null","d":"blob","e":"real"}` + "\n"; o.stdout != want {
		t.Errorf("got %s, want %s", o.stdout, want)
	}
	o = must(t, "query", "--db", "sqlite://", "--json", "--arg", ":day=20240102", "SELECT :day + 1 AS next")
	if want := `{"next":20240103}` + "\n"; o.stdout != want {
		t.Errorf("by name: got %s, want %s", o.stdout, want)
	}
	if o := program(t, "query", "--db", "sqlite://", "SELECT ?"); o.code != exitError || !strings.Contains(o.stderr, "1 parameters, 0 arguments") {
		t.Errorf("a missing argument: code %d, stderr %q", o.code, o.stderr)
	}
}

func TestQueryRefusesWrites(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	for _, sql := range []string{"INSERT INTO t VALUES (2)", "DELETE FROM t", "INSERT INTO t VALUES (3) RETURNING a", "DROP TABLE t", "WITH x AS (SELECT 1) UPDATE t SET a = 9"} {
		if o := program(t, "query", "--db", url, sql); o.code != exitError || !strings.Contains(o.stderr, "engine exec") || o.stdout != "" {
			t.Errorf("%s: code %d, stdout %q, stderr %q; want a refusal that names exec", sql, o.code, o.stdout, o.stderr)
		}
	}
	if got := must(t, "query", "--db", url, "--json", "SELECT count(*) AS n, max(a) AS a FROM t").stdout; got != "{\"n\":1,\"a\":1}\n" {
		t.Errorf("after the refusals: %s", got)
	}
}

func TestQueryErrors(t *testing.T) {
	t.Parallel()
	missing := filepath.ToSlash(filepath.Join(t.TempDir(), "missing.db"))
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, sql, says string }{
		{"sqlite:///" + missing, "SELECT 1", "does not exist"},
		{"sqlite:///" + filepath.ToSlash(text), "SELECT 1", "is not a SQLite database"},
		{"postgres://x/y", "SELECT 1", "url"},
		{"sqlite://", "SELEC 1", "syntax error"},
		{"sqlite://", "SELECT * FROM missing_table", "no such table"},
		{"sqlite://", "SELECT * FROM \"\x1b[2J\"", "no such table: \uFFFD[2J"},
		{"sqlite://", "SELECT 1; SELECT 2", "one statement"},
	} {
		o := program(t, "query", "--db", c.url, c.sql)
		if o.code != exitError || !strings.Contains(o.stderr, c.says) || !strings.HasPrefix(o.stderr, "engine query: ") {
			t.Errorf("%s on %s: code %d, stderr %q; want code 1 and %q", c.sql, c.url, o.code, o.stderr, c.says)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("query made the database that was missing")
	}
}

// A failure in the middle of the rows must not look like the end of the rows.
func TestQueryFailsInMidst(t *testing.T) {
	t.Parallel()
	o := program(t, "query", "--db", "sqlite://", "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 500) SELECT i, abs(CASE i WHEN 400 THEN -9223372036854775808 ELSE i END) AS a FROM c")
	if o.code != exitError || !strings.Contains(o.stderr, "integer overflow") || strings.Contains(o.stderr, "rows in") || !strings.Contains(o.stdout, "399") {
		t.Errorf("code %d, stderr %q, last of stdout %q", o.code, o.stderr, o.stdout[max(0, len(o.stdout)-40):])
	}
}

func TestQueryTimeout(t *testing.T) {
	t.Parallel()
	o := program(t, "query", "--db", "sqlite://", "--timeout", "50ms", "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c")
	if o.code != exitError || !strings.Contains(o.stderr, "--timeout") {
		t.Errorf("code %d, stderr %q", o.code, o.stderr)
	}
}

// foreign makes the database look like that of another program: its application id is not ours.
func foreign(t *testing.T, url string) string {
	t.Helper()
	path := filepath.FromSlash(strings.TrimPrefix(url, "sqlite:///"))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	const applicationID = 68 // offset in the header of the file
	if _, err := f.WriteAt(binary.BigEndian.AppendUint32(nil, 0), applicationID); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestQueryLeavesForeignDatabaseAlone(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	path := foreign(t, url)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := must(t, "query", "--db", url, "--json", "SELECT a FROM t").stdout; got != "{\"a\":1}\n" {
		t.Errorf("got %q", got)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("query changed a database of another program")
	}
}

func TestQueryStreams(t *testing.T) {
	t.Parallel()
	const n = 20000
	o := must(t, "query", "--db", "sqlite://", fmt.Sprintf("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < %d) SELECT i FROM c", n))
	if lines := strings.Count(o.stdout, "\n"); lines != n+2 {
		t.Errorf("%d lines, want %d rows, a head and a rule", lines, n)
	}
}

func TestQueryOfASetting(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)")
	for _, sql := range []string{"PRAGMA journal_mode", " pragma main . journal_mode; "} {
		if o := must(t, "query", "--json", "--db", url, sql); o.stdout != "{\"journal_mode\":\"wal\"}\n" {
			t.Errorf("%s: %+v", sql, o)
		}
	}
	for _, sql := range []string{"PRAGMA journal_mode = DELETE", "PRAGMA wal_checkpoint", "PRAGMA nosuch"} {
		if o := program(t, "query", "--db", url, sql); o.code != exitError || !strings.Contains(o.stderr, "refused") {
			t.Errorf("%s: %+v", sql, o)
		}
	}
	if o := must(t, "query", "--db", url, "-- as that says\nSELECT * FROM pragma_journal_mode"); !strings.Contains(o.stdout, "wal") {
		t.Errorf("%+v", o)
	}
}
