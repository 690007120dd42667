package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/desk/floor"
)

// demonstrate runs the verb; its market is simulated unless args name a folder.
func demonstrate(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := runDemo(t.Context(), append([]string{"--sessions", "20", "--duration", "1500ms"}, args...), &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	o := demonstrate(t)
	if o.code != exitOK {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	for _, says := range []string{"transactions/s", "WAL"} {
		if !strings.Contains(o.stderr, says) {
			t.Errorf("no progress (%q) on stderr: %s", says, o.stderr)
		}
	}
	for _, says := range []string{"durable transactions per fsync", "place", "portfolio", "history", "analytics", "ok      I01", "ok      I15"} {
		if !strings.Contains(o.stdout, says) {
			t.Errorf("no %q in the report:\n%s", says, o.stdout)
		}
	}
}

func TestDemoGoesOnWithADatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(dir, "desk.db"))
	ledger := filepath.Join(dir, "ledger")
	var fills int64
	for run := range 2 {
		o := demonstrate(t, "--db", url, "--ledger", ledger, "--json", "--seed", "5")
		var r floor.Report
		if err := json.Unmarshal([]byte(o.stdout), &r); o.code != exitOK || err != nil {
			t.Fatalf("run %d: code %d, %v: %s%s", run, o.code, err, o.stdout, o.stderr)
		}
		if r.Counts.Fills == 0 || !r.Sound || len(r.Invariants) != 15 || r.Writer.DurablePerFsync <= 1 {
			t.Errorf("run %d: %+v", run, r)
		}
		fills += r.Counts.Fills + r.Counts.Busts
	}
	content, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(bytes.Count(content, []byte("\n"))); n != fills {
		t.Errorf("%d lines in the ledger of %d executions", n, fills)
	}
	o := must(t, "query", "--db", url, "--json", "SELECT count(*) AS N FROM executions")
	var row struct{ N int64 }
	if err := json.Unmarshal([]byte(o.stdout), &row); err != nil || row.N != fills {
		t.Errorf("%d executions in the database, %d booked, %v", row.N, fills, err)
	}
}

// A broken invariant is what the exit code is for.
func TestDemoReportsBrokenBooks(t *testing.T) {
	t.Parallel()
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "desk.db"))
	if o := demonstrate(t, "--db", url); o.code != exitOK {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	must(t, "exec", "--db", url, "UPDATE ledger_accounts SET debits = debits + 1 WHERE ledger_id = (SELECT min(ledger_id) FROM ledger_accounts WHERE role = 'cash')")
	o := demonstrate(t, "--db", url)
	if o.code != exitError || !strings.Contains(o.stdout, "BROKEN  I02") || !strings.Contains(o.stderr, "broken") {
		t.Errorf("code %d, stdout %s, stderr %s", o.code, o.stdout, o.stderr)
	}
}

func TestDemoRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--sessions", "0"}, exitUsage, "--sessions"},
		{[]string{"--duration", "0s"}, exitUsage, "--duration"},
		{[]string{"now"}, exitUsage, "no arguments"},
		{[]string{"--data", filepath.Join("no", "such", "folder")}, exitError, "--data"},
		{[]string{"--db", "sqlite:///no/such/folder/x.db"}, exitError, "folder"},
		{[]string{"--ledger", filepath.Join("no", "such", "file")}, exitError, "no such file"},
	} {
		if o := demonstrate(t, c.args...); o.code != c.code || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("%q: code %d, stdout %q, stderr %q; want code %d and %q", c.args, o.code, o.stdout, o.stderr, c.code, c.says)
		}
	}
}
