package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/quarantine"
	"github.com/tidegate/engine/internal/server"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)")
	o := must(t, "health", "--db", url)
	for _, check := range []string{"read", "write", "file", "wal", "queue", "connections", "breakers", "quarantine", "migration"} {
		if !strings.Contains(o.stdout, "\n"+check+" ") {
			t.Errorf("no check %s in\n%s", check, o.stdout)
		}
	}
	if strings.Contains(o.stdout, "FAILED") {
		t.Errorf("a sound database fails:\n%s", o.stdout)
	}
	var r healthReport
	if err := json.Unmarshal([]byte(must(t, "health", "--db", url, "--json").stdout), &r); err != nil || !r.OK || r.Level != "ok" || len(r.Checks) < 8 || len(r.Breakers) != 3 || r.Breakers[0].State != "closed" {
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
		if o.code != exitDown || !strings.HasPrefix(o.stderr, "engine health: ") || o.stdout != "" {
			t.Errorf("%s: code %d, stdout %q, stderr %q", filepath.Base(path), o.code, o.stdout, o.stderr)
		}
	}
}

func TestHealthPrintsRemedies(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	h := engine.Health{Checks: []engine.Check{{Name: "read", OK: true, Ready: true, Detail: "fine"}, {Name: "queue", Detail: "too long", Remedy: "ask for less"},
		{Name: "wal", Ready: true, Detail: "too large", Remedy: "find the long reader"}}}
	if err := printHealth(&b, &healthReport{HealthReport: server.ReportOf(&h, true), By: "a test"}, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"read   ok       fine       -", "queue  FAILED   too long   ask for less", "wal    WARNING  too large  find the long reader", "degraded, says a test"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestHealthReset takes a database through quarantine: whole, then damaged.
func TestHealthReset(t *testing.T) {
	t.Parallel()
	url := newDatabase(t, "CREATE TABLE t (a)")
	path := strings.TrimPrefix(url, "sqlite:///")
	if o := must(t, "health", "--db", url, "--reset"); !strings.Contains(o.stdout, "not in quarantine") {
		t.Errorf("%+v", o)
	}
	quarantined := func() {
		t.Helper()
		if err := (&quarantine.Record{Since: time.Now(), Reason: "database disk image is malformed", Class: "corrupt"}).Save(path); err != nil {
			t.Fatal(err)
		}
	}
	quarantined()
	if o := program(t, "health", "--db", url); o.code != exitError || !strings.Contains(o.stdout, "quarantine   FAILED") {
		t.Errorf("health: %+v", o)
	}
	if o := program(t, "exec", "--db", url, "INSERT INTO t VALUES (1)"); o.code != exitError || !strings.Contains(o.stderr, "engine health --reset") {
		t.Errorf("a write: %+v", o)
	}
	o := program(t, "health", "--db", url, "--reset")
	if o.code != exitError || !strings.Contains(o.stdout, "malformed") || !strings.Contains(o.stdout, "--reset --yes") || quarantine.Load(path) == nil {
		t.Errorf("asked: %+v", o)
	}
	if o := must(t, "health", "--db", url, "--reset", "--yes"); !strings.Contains(o.stdout, "is over") || quarantine.Load(path) != nil {
		t.Errorf("released: %+v", o)
	}
	must(t, "exec", "--db", url, "INSERT INTO t VALUES (1)")
	if o := program(t, "health", "--db", url, "--yes"); o.code != exitUsage {
		t.Errorf("--yes alone: %+v", o)
	}

	must(t, "exec", "--db", url, "CREATE INDEX t_a ON t (a)")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(raw) - 4096; i < len(raw); i++ {
		raw[i] = 0xa5
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	quarantined()
	if o := program(t, "health", "--db", url, "--reset", "--yes"); o.code != exitError || !strings.Contains(o.stdout, "restore a backup") || quarantine.Load(path) == nil {
		t.Errorf("damaged: %+v", o)
	}
}
