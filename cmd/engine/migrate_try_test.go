package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func tryAll(t *testing.T, stdout string) []tried {
	t.Helper()
	var out []tried
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return out
}

// The real program kills real processes of itself.
func TestMigrateTestKills(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile, indexFile)
	binary := build(t, t.TempDir())
	said, err := exec.Command(binary, "migrate", "test", "--dir", s.dir, "--rows", "3", "--json").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	out := tryAll(t, string(said))
	if len(out) != 2 || out[0].Statements != 2 || out[1].Statements != 1 || out[1].Rows != 2 || out[1].TakenBack != "exact" || len(out[0].Problems)+len(out[1].Problems) > 0 {
		t.Errorf("%+v", out)
	}
}

func TestMigrateTestFindsProblems(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile, "-- migration: no way back\n-- +up\nUPDATE orders SET note = 'gone';\n-- +down\nSELECT 1;\n")
	o := program(t, "migrate", "test", "--dir", s.dir, "--no-kill", "--json", "--version", "2")
	if out := tryAll(t, o.stdout); o.code != exitOK || len(out) != 1 || !strings.Contains(out[0].TakenBack, "table orders: ") || out[0].Rows == 0 {
		t.Errorf("exit code %d, %+v", o.code, out)
	}
	s.write(2, "-- migration: fails on data\n-- +up\nCREATE UNIQUE INDEX one ON orders (price IS NULL);\n-- +down\nDROP INDEX one;\n")
	o = program(t, "migrate", "test", "--dir", s.dir, "--no-kill")
	if o.code != exitError || !strings.Contains(o.stdout, "PROBLEM: it cannot be applied") || !strings.Contains(o.stdout, "0001 orders: 0 rows, failed and killed at 2 statements, taken back: exact") {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	// A process that was to be killed and was not is a problem, too: here it is the test's own program, which knows no such verb.
	o = program(t, "migrate", "test", "--dir", s.dir, "--die-at", "99", "--die-on", s.path, "--version", "1")
	if o.code != exitError || !strings.Contains(o.stderr, "no such statement") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

func TestSameContent(t *testing.T) {
	t.Parallel()
	a, b := map[string]string{"t": "1 rows x"}, map[string]string{"t": "1 rows y"}
	for want, got := range map[string]string{
		"": sameContent("s", "s", a, a), "the schema is another one": sameContent("s", "r", a, a), "table t: 1 rows y, not 1 rows x": sameContent("s", "s", a, b),
		"there are other tables": sameContent("s", "s", nil, a),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What only looks needs no leave to write; what would change something says so, and does not begin.
func TestMigrateReadOnly(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile, indexFile)
	s.migrate(exitOK, "up", "--create")
	s.write(3, columnFile)
	writable := s.url
	s.url = "file:" + filepath.ToSlash(s.path) + "?mode=ro"
	for verb, code := range map[string]int{"status": exitPending, "plan": exitPending, "diff": exitOK, "verify": exitOK, "history": exitOK, "snapshots": exitOK} {
		s.migrate(code, verb)
	}
	for _, args := range [][]string{{"up"}, {"down", "--to", "1"}, {"repair", "--rechain"}} {
		if o := s.migrate(exitError, args...); !strings.Contains(o.stderr, "is open read only: open it for writing") {
			t.Errorf("%v: %s", args, o.stderr)
		}
	}
	if _, err := os.Stat(s.path + ".snapshots"); !os.IsNotExist(err) {
		t.Errorf("a folder for copies: %v", err)
	}
	s.url = writable
	s.migrate(exitOK, "up")
}
