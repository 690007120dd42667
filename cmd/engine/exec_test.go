package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/migrations"
)

func TestExec(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
	if got := must(t, "exec", "--db", url, "INSERT INTO t (a) VALUES (1), (2)").stdout; got != "2 rows affected\n" {
		t.Errorf("insert: %q", got)
	}
	if got := must(t, "exec", "--db", url, "--arg", "9", "UPDATE t SET a = ? WHERE id = 1").stdout; got != "1 row affected\n" {
		t.Errorf("update: %q", got)
	}
	if got := must(t, "exec", "--db", url, "--json", "INSERT INTO t (a) VALUES (5)", "DELETE FROM t WHERE a = 2").stdout; !strings.HasPrefix(got, `{"rows_affected":1,"last_insert_id":3}`+"\n"+`{"rows_affected":1,`) {
		t.Errorf("two statements: %q", got)
	}
	if got := must(t, "query", "--db", url, "--json", "SELECT id, a FROM t ORDER BY id").stdout; got != "{\"id\":1,\"a\":9}\n{\"id\":3,\"a\":5}\n" {
		t.Errorf("afterwards: %q", got)
	}
}

// The examples of the help are tried by everybody who reads it: those on the shipped schema must run.
func TestExecExamples(t *testing.T) {
	t.Parallel()
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "trading.db"))
	cfg := engine.DefaultConfig(url)
	cfg.Migrations = migrations.FS
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(execExamples) {
		line, _, _ = strings.Cut(line, "#")
		words, ours := strings.CutPrefix(strings.TrimSpace(line), "engine exec ")
		if !ours || strings.Contains(line, "--create") {
			continue
		}
		args := []string{"exec", "--db", url}
		for _, w := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(words, -1) {
			args = append(args, strings.Trim(w, `"`))
		}
		must(t, args...)
		tried++
	}
	if tried == 0 {
		t.Error("the help shows no example")
	}
}

func TestExecAllOrNothing(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES (1)")
	o := program(t, "exec", "--db", url, "INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (3)")
	if o.code != exitError || o.stdout != "" || !strings.Contains(o.stderr, "statement 2 of 3 failed, nothing was changed") || !strings.Contains(o.stderr, "UNIQUE") {
		t.Errorf("code %d, stdout %q, stderr %q", o.code, o.stdout, o.stderr)
	}
	if got := must(t, "query", "--db", url, "--json", "SELECT count(*) AS n FROM t").stdout; got != "{\"n\":1}\n" {
		t.Errorf("rows afterwards: %s", got)
	}
}

func TestExecCreatesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new.db")
	url := "sqlite:///" + filepath.ToSlash(path)
	if o := program(t, "exec", "--db", url, "CREATE TABLE t (a)"); o.code != exitError || !strings.Contains(o.stderr, "--create") {
		t.Errorf("without --create: code %d, stderr %q; want a remedy", o.code, o.stderr)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the database was made without --create")
	}
	must(t, "exec", "--db", url, "--create", "CREATE TABLE t (a)")
	nowhere := strings.Replace(url, "new.db", "folder/new.db", 1)
	if o := program(t, "exec", "--db", nowhere, "CREATE TABLE t (a)"); o.code != exitError || strings.Contains(o.stderr, "--create") || !strings.Contains(o.stderr, "directory") {
		t.Errorf("in a missing directory: code %d, stderr %q; want a word about the directory, and no flag that does not help", o.code, o.stderr)
	}
}

func TestExecAdopts(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)")
	path := foreign(t, url)
	if o := program(t, "exec", "--db", url, "INSERT INTO t VALUES (1)"); o.code != exitError || !strings.Contains(o.stderr, "--adopt") {
		t.Errorf("without --adopt: code %d, stderr %q; want a remedy", o.code, o.stderr)
	}
	must(t, "exec", "--db", url, "--adopt", "INSERT INTO t VALUES (1)")
	must(t, "exec", "--db", url, "INSERT INTO t VALUES (2)")
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	copies := 0
	for _, e := range entries {
		if e.Name() != "test.db" && e.Name() != "test.db-wal" && e.Name() != "test.db-shm" {
			copies++
		}
	}
	if copies == 0 {
		t.Errorf("no copy was kept: %v", entries)
	}
}

func TestExecRefused(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)")
	for _, sql := range []string{"BEGIN", "ATTACH 'x.db' AS x", "PRAGMA journal_mode = DELETE", "CREATE TEMP TABLE x (a)"} {
		if o := program(t, "exec", "--db", url, sql); o.code != exitError || o.stderr == "" {
			t.Errorf("%s: code %d, stderr %q; want a refusal", sql, o.code, o.stderr)
		}
	}
	for sql, want := range map[string]string{"INSERT INTO t VALUES (1); SELECT 2": "quotes of its own", "-- all of it\nvacuum": "outside of any transaction"} {
		if o := program(t, "exec", "--db", url, "DELETE FROM t", sql); o.code != exitUsage || !strings.Contains(o.stderr, "statement 2: ") || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: code %d, stderr %q", sql, o.code, o.stderr)
		}
	}
	must(t, "exec", "--db", url, "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = 1; DELETE FROM t WHERE a = 2; END;")
}

func TestExecPrintsWhatIsReturned(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", "INSERT INTO t VALUES (1, 'x')")
	o := must(t, "exec", "--db", url, "-- two rows\nINSERT INTO t (b) VALUES ('y'), ('z') RETURNING a, b", "UPDATE t SET b = upper(b)", "SELECT b FROM t", "CREATE TABLE u (a)")
	for _, want := range []string{"2  y", "3  z", "2 rows affected", "3 rows affected", "X\nY\nZ", "0 rows affected"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is missing in %q", want, o.stdout)
		}
	}
	o = must(t, "exec", "--db", url, "--json", "DELETE FROM t WHERE a = 1 RETURNING b", "SELECT 1 WHERE 0")
	if want := `{"rows_affected":1,"last_insert_id":0,"columns":["b"],"rows":[["X"]]}` + "\n" + `{"rows_affected":0,"last_insert_id":null,"columns":["1"]}` + "\n"; o.stdout != want {
		t.Errorf("got %s want %s", o.stdout, want)
	}
}
