package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scripted runs engine shell with a script on its standard input.
func scripted(t *testing.T, script string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := shellFrom(t.Context(), strings.NewReader(script), args, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestShellScript(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (id INTEGER, b TEXT)")
	o := scripted(t, "BEGIN;\n.param set :b 'it''s'\nINSERT INTO t VALUES (1, :b), (2, NULL);\nCOMMIT;\nSELECT * FROM t ORDER BY id;\n", "--db", url)
	if want := "id b\n1 it's\n2 NULL"; o.code != exitOK || o.stderr != "" || flat(o.stdout) != flat(want) {
		t.Errorf("code %d, stderr %q, stdout\n%s\nwant\n%s", o.code, o.stderr, o.stdout, want)
	}
	o = scripted(t, "SELECT count(*) AS n FROM t;\nSELECT nope;\nSELECT 'not run';\n", "--db", url)
	if o.code != exitError || !strings.HasPrefix(o.stderr, "engine shell: line 2: ") || strings.Contains(o.stdout, "not run") {
		t.Errorf("an error: code %d, stderr %q, stdout %q", o.code, o.stderr, o.stdout)
	}
	o = scripted(t, "SELECT nope;\nSELECT 'run';\n", "--db", url, "--continue")
	if o.code != exitError || !strings.Contains(o.stdout, "run") {
		t.Errorf("--continue: code %d, stdout %q", o.code, o.stdout)
	}
	o = scripted(t, "DELETE FROM t;", "--db", url, "--read-only")
	if o.code != exitError || !strings.Contains(o.stderr, "--read-only") {
		t.Errorf("--read-only: code %d, stderr %q", o.code, o.stderr)
	}
	o = scripted(t, "SELECT 1;", "--db", url, "--timer")
	if o.code != exitOK || !strings.HasPrefix(o.stderr, "1 row (") {
		t.Errorf("--timer: code %d, stderr %q", o.code, o.stderr)
	}
	o = scripted(t, ".class\n.durability", "--db", url, "--class", "trade", "--durability", "relaxed")
	if o.code != exitOK || o.stderr != "trade\nrelaxed\n" {
		t.Errorf("code %d, stderr %q", o.code, o.stderr)
	}
	missing := filepath.ToSlash(filepath.Join(t.TempDir(), "missing.db"))
	if o = scripted(t, "CREATE TABLE t (a);", "--db", "sqlite:///"+missing); o.code != exitError || !strings.Contains(o.stderr, "engine exec --create") {
		t.Errorf("a database that is missing: code %d, stderr %q", o.code, o.stderr)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the shell made the database that was missing")
	}
}

func TestShellMisuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"SELECT", "no arguments"}, {"--mode fancy", "--mode takes"}, {"--class first", "--class"}, {"--durability some", "--durability"}, {"--hold 0s", "--hold"}, {"--idle -1s", "--idle"},
	} {
		if o := scripted(t, "SELECT 1;", append([]string{"--db", "sqlite://"}, strings.Fields(c.args)...)...); o.code != exitUsage || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("%s: code %d, stderr %q", c.args, o.code, o.stderr)
		}
	}
}

// A value of .param may be a secret: no message repeats it.
func TestShellKeepsValuesOutOfMessages(t *testing.T) {
	t.Parallel()
	for _, script := range []string{".param set :x x'hunter2'", ".param set :x hunter2\nSELECT nope(:x);", ".param set :x hunter2\nSELECT json(:x);", ".param set hunter"} {
		if o := scripted(t, script, "--db", "sqlite://"); o.code != exitError || strings.Contains(o.stderr, "hunter2") {
			t.Errorf("%s: code %d, stderr %q", script, o.code, o.stderr)
		}
	}
}

func TestShellModes(t *testing.T) {
	t.Parallel()
	const row = `SELECT 1 AS a, 'x,"y"' || char(10) || 'z' AS "long name", NULL AS n, x'000102030405060708090a0b0c0d0e0f1011' AS blob, 2.0 AS r, '' AS empty, 9007199254740993 AS big`
	o := scripted(t, row+";", "--db", "sqlite://", "--mode", "csv")
	got, err := csv.NewReader(strings.NewReader(o.stdout)).ReadAll()
	if err != nil || len(got) != 2 || strings.Join(got[0], "|") != "a|long name|n|blob|r|empty|big" ||
		strings.Join(got[1], "|") != "1|x,\"y\"\nz||000102030405060708090a0b0c0d0e0f1011|2.0||9007199254740993" {
		t.Errorf("csv: %q, %v", got, err)
	}
	o = scripted(t, row+";", "--db", "sqlite://", "--mode", "json")
	var object map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &object); err != nil || object["big"] != "9007199254740993" || object["n"] != nil || object["long name"] != "x,\"y\"\nz" {
		t.Errorf("json: %v, %v", object, err)
	}
	o = scripted(t, row+" UNION ALL SELECT 1, 2, 3, 4, 5, 6, 7;", "--db", "sqlite://", "--mode", "line")
	want := "        a = 1\nlong name = x,\"y\"\\nz\n        n = NULL\n     blob = x'000102030405060708090a0b0c0d0e0f1011'\n        r = 2.0\n    empty = ''\n      big = 9007199254740993\n\n" +
		"        a = 1\nlong name = 2\n"
	if !strings.HasPrefix(o.stdout, want) {
		t.Errorf("line:\n%s\nwant\n%s", o.stdout, want)
	}
	for mode, want := range map[string]string{"csv": "a\n", "json": "", "line": "", "table": "a\n-\n"} {
		if o = scripted(t, "SELECT 1 AS a WHERE false;", "--db", "sqlite://", "--mode", mode); o.stdout != want || o.code != exitOK {
			t.Errorf("no rows in mode %s: %q, want %q", mode, o.stdout, want)
		}
	}
}

// Rows go out as they come: the result of a query is not held in memory.
func TestShellStreams(t *testing.T) {
	t.Parallel()
	const many = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 200000) SELECT i, CASE WHEN i = 200000 THEN abs(-9223372036854775808) END AS x FROM c;"
	for _, mode := range []string{"table", "csv", "json", "line"} {
		var stderr bytes.Buffer
		var out counter
		code := shellFrom(t.Context(), strings.NewReader(many), []string{"--db", "sqlite://", "--mode", mode}, &out, &stderr)
		if code != exitError || !strings.Contains(stderr.String(), "overflow") || out.bytes < 1_000_000 {
			t.Errorf("%s: code %d, %d bytes before the error of the last row, stderr %q", mode, code, out.bytes, stderr.String())
		}
	}
}

// counter counts what is written.
type counter struct{ bytes int }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return len(p), nil
}

func TestGridFitsTheTerminal(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("wörd ", 30)
	for _, c := range []struct {
		name   string
		width  int
		values []any
		widths []int
		cut    bool
	}{
		{"room for all", 80, []any{int64(1), "short"}, []int{4, 5}, false},
		{"exactly", 11, []any{int64(1), "short"}, []int{4, 5}, false},
		{"the widest gives way", 40, []any{int64(123456), long}, []int{6, 32}, true},
		{"two that are wide share", 42, []any{long, long}, []int{20, 20}, true},
		{"one is left as it is", 60, []any{long, "twenty characters___"}, []int{38, 20}, true},
		{"what is left over", 43, []any{long, long}, []int{21, 20}, true},
		{"never narrower than this", 10, []any{long, long}, []int{narrowest, narrowest}, true},
	} {
		var out bytes.Buffer
		w, err := formatRows("table", &out, []string{"col1", "col2"}, c.width)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Row(c.values); err != nil {
			t.Fatal(err)
		}
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(out.String(), "\n")
		rules := strings.Fields(lines[1])
		if len(rules) != len(c.widths) {
			t.Fatalf("%s: %q below the names of two columns", c.name, lines[1])
		}
		for i, rule := range rules {
			if len(rule) != c.widths[i] {
				t.Errorf("%s: column %d is %d wide, want %d", c.name, i+1, len(rule), c.widths[i])
			}
		}
		if cut := w.(*grid).Cut(); cut != c.cut || strings.Contains(out.String(), "…") != cut {
			t.Errorf("%s: cut %v, want %v:\n%s", c.name, cut, c.cut, out.String())
		}
		for _, l := range lines {
			if n := len([]rune(l)); n > max(c.width, 2*narrowest+2) {
				t.Errorf("%s: a line of %d columns", c.name, n)
			}
		}
	}
}

// The first rows settle the widths; a later value that is wider is cut, and the rows stay in line.
func TestGridAfterItsSample(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := &grid{w: &out, columns: []string{"a", "b"}, width: 40}
	for range sample {
		if err := g.Row([]any{"x", "y"}); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(out.String(), "\n") != sample+2 {
		t.Errorf("%d lines after the sample, want %d: it does not stream", strings.Count(out.String(), "\n"), sample+2)
	}
	if err := g.Row([]any{"wide", "y"}); err != nil {
		t.Fatal(err)
	}
	if err := g.End(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "…  y\n") || !g.Cut() {
		t.Errorf("the last line: %q", out.String()[len(out.String())-20:])
	}
}
