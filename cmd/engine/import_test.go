package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/bulk"
)

// file writes a file into a folder of the test's own.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImport(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE bars (ts TEXT PRIMARY KEY, close INTEGER CHECK (close > 0), note TEXT) STRICT")
	path := file(t, "bars.csv", "time,close,note,junk\n2026-01-01,1.5,a,1\n2026-01-02,-2,,1\n2026-01-03,0.123,\"\",1\n2026-01-03,2,x,1\n")
	refused := filepath.Join(t.TempDir(), "refused.jsonl")
	words := []string{"import", "--db", url, "--table", "bars", "--map", "time=ts", "--map", "junk=", "--scale", "close=2", "--on-error", "skip", "--rejects", refused, "--json", path}
	var r bulk.ImportReport
	if err := json.Unmarshal([]byte(must(t, words...).stdout), &r); err != nil || r.Inserted != 2 || r.Rejected != 2 || !r.Done || !r.Resumable {
		t.Fatalf("%v, %+v", err, r)
	}
	if out := must(t, "query", "--db", url, "--json", "SELECT * FROM bars ORDER BY ts").stdout; out != `{"ts":"2026-01-01","close":150,"note":"a"}`+"\n"+`{"ts":"2026-01-03","close":200,"note":"x"}`+"\n" {
		t.Errorf("stored: %s", out)
	}
	text, err := os.ReadFile(refused)
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"record":"2026-01-02,-2,,1"`) || !strings.Contains(string(text), "CHECK") {
		t.Errorf("refused: %s, %v", text, err)
	}
	if o := program(t, words...); o.code != exitError || !strings.Contains(o.stderr, "--restart") {
		t.Errorf("imported again: code %d, %s", o.code, o.stderr)
	}
	if o := must(t, append(words, "--restart")...); o.code != exitOK || !strings.Contains(o.stdout, `"rejected": 4`) {
		t.Errorf("restarted: %s", o.stdout)
	}
	jsonl := file(t, "b.jsonl", `{"ts":"2026-02-01","close":7}`+"\n"+`{"ts":"2026-02-01","close":7}`+"\n")
	o := program(t, "import", "--db", url, "--table", "bars", jsonl)
	if o.code != exitError || !strings.Contains(o.stderr, "line 2: UNIQUE") || !strings.Contains(o.stdout, "1 row imported into bars") {
		t.Errorf("a row that is there: code %d, %s, %s", o.code, o.stdout, o.stderr)
	}
}

func TestImportMisuse(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE a (id INTEGER)")
	for _, c := range []struct {
		args []string
		says string
		code int
	}{
		{[]string{"import", "x.csv"}, "--table", exitUsage},
		{[]string{"import", "--table", "a"}, "one file", exitUsage},
		{[]string{"import", "--table", "a", "x.txt"}, "--format", exitUsage},
		{[]string{"import", "--table", "a", "--format", "xls", "x"}, "xls", exitUsage},
		{[]string{"import", "--table", "a", "--map", "x", "x.csv"}, "name=value", exitUsage},
		{[]string{"import", "--table", "a", "--scale", "a=b", "x.csv"}, "--scale", exitUsage},
		{[]string{"import", "--table", "a", "--on-error", "cry", "x.csv"}, "abort or skip", exitUsage},
		{[]string{"import", "--table", "a", "--max-rejects", "3", "x.csv"}, "--on-error skip", exitUsage},
		{[]string{"import", "--table", "a", "--delimiter", "||", "x.csv"}, "--delimiter", exitUsage},
		{[]string{"import", "--table", "a", "--db", url, "missing.csv"}, "missing.csv", exitError},
		{[]string{"import", "--table", "b", "--db", url, file(t, "b.csv", "id\n1\n")}, "no such table", exitError},
		{[]string{"import", "--table", "a", "--db", url, file(t, "p.parquet", "no parquet")}, "Parquet", exitError},
		{[]string{"export"}, "--table or --query", exitUsage},
		{[]string{"export", "--table", "a"}, "--format", exitUsage},
		{[]string{"export", "--table", "a", "--out", "x.csv", "y"}, "--out", exitUsage},
		{[]string{"export", "--table", "a", "--format", "csv", "--arg", "1"}, "--query", exitUsage},
		{[]string{"export", "--db", url, "--format", "csv", "--query", "DELETE FROM a"}, "only reads", exitError},
		{[]string{"export", "--db", url, "--format", "csv", "--table", "none"}, "no such table", exitError},
	} {
		if o := program(t, c.args...); o.code != c.code || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("engine %q: code %d, stdout %q, stderr %q; want code %d and %q", c.args, o.code, o.stdout, o.stderr, c.code, c.says)
		}
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, s TEXT, b BLOB)", "INSERT INTO a VALUES (1, 'x,y', x'00'), (2, NULL, NULL)", "CREATE TABLE copy (id INTEGER PRIMARY KEY, s TEXT, b BLOB)")
	dir := t.TempDir()
	for _, name := range []string{"a.csv", "a.tsv", "a.jsonl", "a.parquet"} {
		out := filepath.Join(dir, name)
		if o := must(t, "export", "--db", url, "--table", "a", "--out", out); !strings.HasPrefix(o.stdout, "2 rows and ") {
			t.Errorf("%s: %s", name, o.stdout)
		}
		must(t, "import", "--db", url, "--table", "copy", out)
		const differ = "SELECT count(*) AS n FROM (SELECT * FROM a EXCEPT SELECT * FROM copy)"
		if o := must(t, "query", "--db", url, "--json", differ); o.stdout != "{\"n\":0}\n" {
			t.Errorf("%s: %s", name, o.stdout)
		}
		must(t, "exec", "--db", url, "DELETE FROM copy")
	}
	o := must(t, "export", "--db", url, "--query", "SELECT s FROM a WHERE id = ?", "--arg", "1", "--format", "csv", "--no-header", "--delimiter", ";", "--json")
	if o.stdout != "x,y\r\n" || !strings.Contains(o.stderr, `"rows":1`) {
		t.Errorf("stdout %q, stderr %q", o.stdout, o.stderr)
	}
	path := filepath.Join(dir, "a.csv")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	must(t, "exec", "--db", url, "INSERT INTO a (id, s) VALUES (3, CAST(x'ff' AS TEXT))")
	if o := program(t, "export", "--db", url, "--table", "a", "--out", path); o.code != exitError || !strings.Contains(o.stderr, "row 3") {
		t.Errorf("text that is not UTF-8: code %d, %s", o.code, o.stderr)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("a failed export changed the file: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("a failed export left %v, %v", left, err)
	}
}

func Example_progressLine() {
	fmt.Println(progressLine(bulk.Progress{Rows: 1200, PerSecond: 600, Total: 10, Part: 0.5, Rejected: 2}))
	// Output:    0 s       1200 rows      600 rows/s   50 %  2 refused
}
