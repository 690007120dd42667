package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/load/overload"
	"github.com/tidegate/engine/internal/load/signals"
)

// benchmark runs the verb as main would, with a load that any machine can do.
func benchmark(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := runBench(t.Context(), append([]string{"signals", "--sessions", "10", "--writes", "50", "--reads", "100", "--duration", "200ms"}, args...), &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestBenchSignals(t *testing.T) {
	t.Parallel()
	o := benchmark(t, "--versus", "naive, single,naive")
	if o.code != exitOK {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	for _, says := range []string{"writes ", "reads ", "p99 ms", "fairness", "per fsync", "resident", "\nengine ", "\nnaive ", "\nsingle ", "fsyncs/s"} {
		if !strings.Contains(o.stdout, says) {
			t.Errorf("no %q in the report:\n%s", says, o.stdout)
		}
	}
	if !strings.Contains(o.stderr, "open loop") || !strings.Contains(o.stderr, "saturation of single") {
		t.Errorf("no progress on stderr: %s", o.stderr)
	}
}

// The database that is named stays, with what was acknowledged in it.
func TestBenchSignalsKeepsANamedDatabase(t *testing.T) {
	t.Parallel()
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "bench.db"))
	o := benchmark(t, "--db", url, "--json", "--seed", "9", "--arrivals", "even", "--durability", "relaxed")
	var r signals.Report
	if err := json.Unmarshal([]byte(o.stdout), &r); o.code != exitOK || err != nil {
		t.Fatalf("code %d, %v: %s%s", o.code, err, o.stdout, o.stderr)
	}
	if r.Seed != 9 || r.Arrivals != "even" || r.Durability != "relaxed" || r.Sessions != 10 || r.Writes.Offered < 40 || r.Writes.Offered > 50 {
		t.Errorf("%+v", r)
	}
	rows := must(t, "query", "--db", url, "--json", "SELECT count(*) AS n FROM signals WHERE ts_event > 1000000000000").stdout
	var found struct{ N float64 }
	if err := json.Unmarshal([]byte(rows), &found); err != nil || found.N < 10 {
		t.Errorf("%v signals in the database, %v", found.N, err)
	}
}

// What is asked of the engine and not done is what the exit code is for.
func TestBenchSignalsFails(t *testing.T) {
	t.Parallel()
	o := benchmark(t, "--check", "--sessions", "1", "--writes", "20000", "--reads", "0")
	if o.code != exitError || !strings.Contains(o.stderr, "write p95") && !strings.Contains(o.stderr, "calls failed") {
		t.Errorf("20,000 writes a second by one session: code %d, %s", o.code, o.stderr)
	}
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "bench.db"))
	if o := benchmark(t, "--db", url); o.code != exitOK {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	must(t, "exec", "--db", url, "CREATE TRIGGER no BEFORE INSERT ON signals BEGIN SELECT RAISE(ABORT, 'not today'); END")
	must(t, "migrate", "repair", "--adopt-drift", "--db", url) // else the next start refuses a schema that was changed by hand
	if o := benchmark(t, "--db", url); o.code != exitError || !strings.Contains(o.stderr, "not today") || !strings.Contains(o.stdout, "writes") {
		t.Errorf("writes that fail: code %d, %s%s", o.code, o.stdout, o.stderr)
	}
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "Benchmarks:\n  signals "},
		{[]string{"everything"}, `no "everything": `},
		{[]string{"signals", "now"}, "no arguments"},
		{[]string{"signals", "--sessions", "0"}, "--sessions"},
		{[]string{"signals", "--duration", "-1s"}, "--duration"},
		{[]string{"signals", "--writes", "-1"}, "--writes"},
		{[]string{"signals", "--writes", "NaN"}, "--writes"},
		{[]string{"signals", "--writes", "0", "--reads", "0"}, "--reads"},
		{[]string{"signals", "--durability", "eternal"}, "full or relaxed"},
		{[]string{"signals", "--arrivals", "never"}, "poisson or even"},
		{[]string{"signals", "--versus", "naive,oracle"}, `"oracle"`},
		{[]string{"signals", "--db", "sqlite://"}, "must be a file"},
		{[]string{"signals", "--db", "http://localhost"}, "scheme"},
		{[]string{"signals", "--nope"}, "engine bench signals --help"},
	} {
		o := program(t, append([]string{"bench"}, c.args...)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("engine bench %q: code %d, stdout %q, stderr %q; want code 2 and %q", c.args, o.code, o.stdout, o.stderr, c.says)
		}
	}
	if o := program(t, "bench", "signals", "--db", "sqlite:///no/such/folder/x.db"); o.code != exitError || !strings.Contains(o.stderr, "folder") {
		t.Errorf("a folder that is not there: code %d, %s", o.code, o.stderr)
	}
}

func TestBenchOverload(t *testing.T) {
	t.Parallel()
	short := []string{"overload", "--duration", "300ms", "--settle", "100ms", "--callers", "8", "--dir", t.TempDir()}
	run := func(args ...string) outcome {
		var stdout, stderr bytes.Buffer
		code := runBench(t.Context(), append(short, args...), &stdout, &stderr)
		return outcome{code, stdout.String(), stderr.String()}
	}
	o := run()
	if o.code != exitOK {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	for _, says := range []string{"unloaded p95", "saturated/s", "writer accepted", "readers refused", "told RetryAfter", "refused for"} {
		if !strings.Contains(o.stdout, says) {
			t.Errorf("no %q in the report:\n%s", says, o.stdout)
		}
	}
	o = run("--json", "--times", "1.1", "--settle", "1ms", "--check") // hardly an overload, which --check wants
	var r overload.Report
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || o.code != exitError || r.Times != 1.1 || r.Work != 2 || !strings.Contains(o.stderr, "was no overload") {
		t.Errorf("code %d, %v, %+v: %s", o.code, err, r, o.stderr)
	}
	for _, wrong := range [][]string{{"now"}, {"--times", "1"}, {"--times", "NaN"}, {"--callers", "0"}, {"--work", "1us"}, {"--duration", "0"}, {"--settle", "-1s"}} {
		if o := run(wrong...); o.code != exitUsage || o.stdout != "" {
			t.Errorf("%q: code %d, %q", wrong, o.code, o.stdout)
		}
	}
}
