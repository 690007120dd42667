package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)")
	o := must(t, "health", "--db", url)
	for _, check := range []string{"read", "write", "file", "wal", "queue", "connections"} {
		if !strings.Contains(o.stdout, "\n"+check+" ") {
			t.Errorf("no check %s in\n%s", check, o.stdout)
		}
	}
	if strings.Contains(o.stdout, "FAILED") {
		t.Errorf("a sound database fails:\n%s", o.stdout)
	}
	var r report
	if err := json.Unmarshal([]byte(must(t, "health", "--db", url, "--json").stdout), &r); err != nil || !r.OK || len(r.Checks) < 6 {
		t.Errorf("JSON: %v, %+v", err, r)
	}
}

func TestHealthOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.db")
	if err := os.WriteFile(broken, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{broken, filepath.Join(dir, "missing.db"), dir} {
		o := program(t, "health", "--db", "sqlite:///"+filepath.ToSlash(path))
		if o.code != exitError || !strings.HasPrefix(o.stderr, "engine health: ") || o.stdout != "" {
			t.Errorf("%s: code %d, stdout %q, stderr %q", filepath.Base(path), o.code, o.stdout, o.stderr)
		}
	}
}

func TestHealthPrintsRemedies(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	h := engine.Health{Checks: []engine.Check{{Name: "read", OK: true, Detail: "fine"}, {Name: "wal", Detail: "too large", Remedy: "find the long reader"}}}
	if err := printHealth(&b, h, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"read   ok      fine", "wal    FAILED  too large  find the long reader"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
