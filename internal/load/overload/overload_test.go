package overload_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/load/overload"
)

func open(t *testing.T, work time.Duration) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "overload.db"))
	overload.Prepare(&cfg, work)
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func config(times float64) overload.Config {
	return overload.Config{Times: times, Callers: 16, Duration: time.Second, Settle: 1500 * time.Millisecond, Seed: 3}
}

// TestRun offers five times what both lanes can do. The bars of a quiet machine are the benchmark's; here only the kind of what happens.
func TestRun(t *testing.T) {
	// Once more where the machine has stopped us, or had too little time for us: what is really wrong is so every time.
	for began := time.Now(); ; {
		bad := runOnce(t)
		if len(bad) == 0 || t.Failed() {
			return
		}
		t.Log(strings.Join(bad, "\n"))
		if time.Since(began) > time.Minute {
			t.Fatal("never as it should be")
		}
	}
}

// runOnce returns what was not as it should be, and may be the machine's doing. What never may fails the test.
func runOnce(t *testing.T) (bad []string) {
	db := open(t, 4*time.Millisecond)
	r, err := overload.Run(t.Context(), db, config(5))
	if err != nil {
		t.Fatal(err)
	}
	complain := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if err := r.Failed(); err != nil || len(r.Breakers) > 0 {
		t.Errorf("failed with %v, opened %q", err, r.Breakers)
	}
	for name, l := range map[string]overload.Lane{"writer": r.Writer, "readers": r.Readers} {
		if l.Unloaded < 4 || l.Saturated <= 0 || l.Offered < 2*l.Saturated || l.Done <= 0 || l.Accepted.P95 < l.Accepted.P50 || l.Accepted.P50 < 4 {
			complain("%s: %+v", name, l)
		}
		if l.Refused.Calls == 0 || l.RetryAfter.P50 < 1 || len(l.Reasons) == 0 {
			complain("%s: refused %+v, told %+v, reasons %v", name, l.Refused, l.RetryAfter, l.Reasons)
		}
		if l.RetryAfter.Calls != l.Refused.Calls || l.Speechless != 0 {
			t.Errorf("%s: refused %+v, told %+v, %d told nothing, reasons %v", name, l.Refused, l.RetryAfter, l.Speechless, l.Reasons)
		}
		sum := int64(0)
		for _, n := range l.Reasons {
			sum += n
		}
		if sum != l.Refused.Calls || l.Throughput < 0.9*l.Done/l.Saturated || l.Throughput > 1.1*l.Done/l.Saturated {
			t.Errorf("%s: %d refused, %d by reason; throughput %v of %v/s done and %v/s saturated", name, l.Refused.Calls, sum, l.Throughput, l.Done, l.Saturated)
		}
	}
	if got, want := r.Readers.Saturated/r.Writer.Saturated, 1.5; got < want {
		complain("the readers do %.1f times what the writer does; they have several slots", got)
	}
	return bad
}

// TestRunFindsLosses: a store that loses what it has acknowledged does not pass, and one that fails for another reason says so.
func TestRunFindsLosses(t *testing.T) {
	t.Parallel()
	db := open(t, time.Millisecond)
	c := config(2)
	c.Duration, c.Settle = 100*time.Millisecond, 50*time.Millisecond
	for _, sql := range []string{"CREATE TABLE overload_jobs (id INTEGER PRIMARY KEY, worked INTEGER NOT NULL) STRICT",
		"CREATE TRIGGER loses AFTER INSERT ON overload_jobs WHEN NEW.id % 7 = 0 BEGIN DELETE FROM overload_jobs WHERE id = NEW.id - 1; END"} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := overload.Run(t.Context(), db, c); err == nil || !strings.Contains(err.Error(), "acknowledged") {
		t.Errorf("a store that loses rows: %v", err)
	}
	if _, err := db.Exec(t.Context(), "CREATE TRIGGER vetoes BEFORE INSERT ON overload_jobs BEGIN SELECT RAISE(ABORT, 'vetoed'); END"); err != nil {
		t.Fatal(err)
	}
	if _, err := overload.Run(t.Context(), db, c); !errors.Is(err, engine.ErrConstraint) {
		t.Errorf("writes that fail: %v", err)
	}
}

// TestReportMissed holds the bars at their edges.
func TestReportMissed(t *testing.T) {
	t.Parallel()
	lane := overload.Lane{Unloaded: 2, Throughput: 0.9, Accepted: overload.Took{P95: 11}, Refused: overload.Took{Calls: 9, P95: 10}}
	good := overload.Report{Writer: lane, Readers: lane}
	if missed := good.Missed(); missed != nil {
		t.Errorf("a good run missed %q", missed)
	}
	for says, spoil := range map[string]func(*overload.Report){
		"writer: accepted p95":   func(r *overload.Report) { r.Writer.Accepted.P95 = 11.1 },
		"readers: accepted p95":  func(r *overload.Report) { r.Readers.Accepted.P95 = 11.1 },
		"of the saturated rate":  func(r *overload.Report) { r.Writer.Throughput = 0.89 },
		"nothing was refused":    func(r *overload.Report) { r.Readers.Refused.Calls = 0 },
		"being turned away":      func(r *overload.Report) { r.Readers.Refused.P95 = 10.1 },
		"without RetryAfter":     func(r *overload.Report) { r.Writer.Speechless = 1 },
		"load opened the breake": func(r *overload.Report) { r.Breakers = []string{"storage"} },
	} {
		bad := good
		spoil(&bad)
		if missed := bad.Missed(); len(missed) != 1 || !strings.Contains(missed[0], says) {
			t.Errorf("%s: missed %q", says, missed)
		}
	}
}

// TestReportKeys holds the JSON keys, which other programs read.
func TestReportKeys(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(&overload.Report{})
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	for _, lane := range []string{"writer", "readers"} {
		l, _ := tree[lane].(map[string]any)
		for _, key := range []string{"unloaded_p95_ms", "saturated_per_s", "offered_per_s", "done_per_s", "throughput_ratio", "accepted", "refused", "retry_after", "errors"} {
			if _, there := l[key]; !there {
				t.Errorf("no %s.%s in %s", lane, key, text)
			}
		}
	}
}
