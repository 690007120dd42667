package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A slip of the hand must not cost the file that rows come from, nor the database.
func TestFilesThatMustNotBeWrittenOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "t.db")
	url := "sqlite:///" + filepath.ToSlash(path)
	must(t, "exec", "--create", "--db", url, "CREATE TABLE t (a INTEGER) STRICT")
	rows, link := filepath.Join(dir, "rows.jsonl"), filepath.Join(dir, "link")
	if err := os.WriteFile(rows, []byte("{\"a\": 1}\n{\"a\": \"x\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no links here: ", err)
	}
	for _, args := range [][]string{
		{"import", "--db", url, "--table", "t", "--on-error", "skip", "--rejects", rows, rows},
		{"import", "--db", url, "--table", "t", "--on-error", "skip", "--rejects", path, rows},
		{"import", "--db", url, "--table", "t", "--on-error", "skip", "--rejects", link, rows},
		{"export", "--db", url, "--table", "t", "--format", "csv", "--out", path},
		{"export", "--db", url, "--table", "t", "--format", "csv", "--out", link},
		{"export", "--db", url, "--table", "t", "--format", "csv", "--out", path + "-wal"},
	} {
		before, err := os.ReadFile(rows)
		if err != nil {
			t.Fatal(err)
		}
		if o := program(t, args...); o.code != exitUsage || !strings.Contains(o.stderr, "name another file") {
			t.Errorf("%v: code %d, %s", args, o.code, o.stderr)
		}
		if now, err := os.ReadFile(rows); err != nil || string(now) != string(before) {
			t.Fatalf("%v: the rows are %q, %v", args, now, err)
		}
		must(t, "query", "--db", url, "SELECT a FROM t")
	}
}
