package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/trace"
)

// What a running server has done is seen with waits and without values, can be frozen, and let go.
func TestTraceDumpOfServer(t *testing.T) {
	t.Parallel()
	find, url, token := startServer(t)
	for _, sql := range []string{`{"sql":"INSERT INTO t (v) VALUES ('a secret')"}`, `{"sql":"INSERT INTO t (id) VALUES ('no number')"}`} {
		ask(t, "POST", url+"/v1/exec", token, sql)
	}
	ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT v FROM t WHERE v <> 'a secret'"}`)
	o := must(t, append([]string{"trace", "dump", "--last", "10m"}, find...)...)
	for _, want := range []string{"INSERT t", "writer/normal", "SELECT t", "TRANSACTION", "mismatch 20", "COMMIT"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in\n%s", want, o.stdout)
		}
	}
	j := must(t, append([]string{"trace", "dump", "--json"}, find...)...)
	if strings.Contains(o.stdout+j.stdout, "secret") || strings.Contains(j.stdout, "no number") {
		t.Errorf("a value is shown:\n%s", j.stdout)
	}
	failed := 0
	for line := range strings.Lines(j.stdout) {
		var op trace.Operation
		if err := json.Unmarshal([]byte(line), &op); err != nil {
			t.Fatal(err)
		}
		if op.Name == "INSERT t" && op.Error != "" && op.Text == "INSERT INTO t (id) VALUES (?)" && op.Took > 0 && !op.Start.IsZero() {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("%d failed inserts, want 1:\n%s", failed, j.stdout)
	}
	if o := program(t, append([]string{"trace", "dump", "--frozen"}, find...)...); o.code != exitError || !strings.Contains(o.stderr, "nothing is frozen") {
		t.Errorf("code %d, %s", o.code, o.stderr)
	}
	must(t, append([]string{"trace", "freeze", "--reason", "a test"}, find...)...)
	if o := program(t, append([]string{"trace", "freeze"}, find...)...); o.code != exitError || !strings.Contains(o.stderr, "was made by hand already") {
		t.Errorf("code %d, %s", o.code, o.stderr)
	}
	ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT id FROM t LIMIT 1"}`)
	if o := must(t, append([]string{"trace", "dump", "--frozen", "--json"}, find...)...); !strings.Contains(o.stdout, "mismatch") || strings.Contains(o.stdout, "LIMIT") {
		t.Errorf("the copy is not that of its moment:\n%s", o.stdout)
	}
	if o := must(t, append([]string{"trace", "list"}, find...)...); !strings.Contains(o.stdout, "by-hand") || !strings.Contains(o.stdout, "a test") {
		t.Errorf("the list of copies: %s", o.stdout)
	}
	if o := must(t, append([]string{"trace", "dump", "--frozen", "by-hand", "--json"}, find...)...); !strings.Contains(o.stdout, "mismatch") {
		t.Errorf("the copy by its name: %s", o.stdout)
	}
	if o := program(t, append([]string{"trace", "dump", "--frozen", "WriterBusy-1"}, find...)...); o.code != exitError || !strings.Contains(o.stderr, `"by-hand"`) {
		t.Errorf("code %d, %s", o.code, o.stderr)
	}
	for _, wrong := range [][]string{{"trace", "dump", "by-hand"}, {"trace", "freeze", "me"}, {"trace", "thaw", "a", "b"}, {"trace"}} {
		if o := program(t, append(wrong, find...)...); o.code != exitUsage {
			t.Errorf("%v: code %d, %s", wrong, o.code, o.stderr)
		}
	}
	if o := program(t, append([]string{"trace", "thaw", "WriterBusy-1"}, find...)...); o.code != exitError {
		t.Errorf("code %d", o.code)
	}
	must(t, append([]string{"trace", "thaw", "by-hand"}, find...)...)
	if o := program(t, append([]string{"trace", "thaw"}, find...)...); o.code != exitError {
		t.Errorf("code %d", o.code)
	}
	if o := must(t, append([]string{"trace", "dump", "--limit", "1", "--json"}, find...)...); strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("--limit 1: %s", o.stdout)
	}
}

// A demo leaves its flight recorder in a file.
func TestTraceDumpOfDemo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ops.jsonl")
	must(t, "demo", "--sessions", "3", "--duration", "300ms", "--flight", file)
	o := must(t, "trace", "dump", "--file", file)
	for _, want := range []string{"TRANSACTION", "\n", "COMMIT", "committed"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in %d bytes", want, len(o.stdout))
		}
	}
	if o := program(t, "trace", "dump", "--file", filepath.Join(t.TempDir(), "none")); o.code != exitError {
		t.Errorf("code %d", o.code)
	}
	if o := must(t, "trace", "dump", "--file", file, "--limit", "2", "--json"); strings.Count(o.stdout, "\n") != 2 {
		t.Errorf("the newest two: %s", o.stdout)
	}
	for _, args := range [][]string{{"trace"}, {"trace", "melt"}, {"trace", "dump", "--last", "0s"}, {"trace", "dump", "--file", file, "--last", "1s"}, {"trace", "dump", "--file", file, "--frozen"}} {
		if o := program(t, args...); o.code != exitUsage {
			t.Errorf("%v: code %d", args, o.code)
		}
	}
}
