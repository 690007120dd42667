package diagnose_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/diagnose"
	"github.com/tidegate/engine/internal/histogram"
)

const second = time.Second

func commits(n int, took time.Duration) histogram.Snapshot {
	var h histogram.Histogram
	for range n {
		h.Add(int64(took))
	}
	return h.Snapshot()
}

// work is n calls, each of which works for so long and takes so many steps.
func work(class string, n int64, busy time.Duration, steps int64) diagnose.Work {
	return diagnose.Work{Summary: "SELECT orders", Class: class, Calls: n, Took: time.Duration(n) * busy, Steps: n * steps, Rows: n}
}

// quiet is evidence of a database that does what it always does.
func quiet(rule string) *diagnose.Evidence {
	day := func(n int64) *diagnose.Digest {
		return &diagnose.Digest{Span: time.Duration(n) * 10 * second, Intervals: int(n), Commits: commits(int(50*n), time.Millisecond),
			Statements: map[string]diagnose.Work{"a1": work("signal", 100*n, time.Millisecond, 2000), "b2": work("analytics", 10*n, 10*time.Millisecond, 50_000),
				"c3": work("normal", 100*n, time.Millisecond, 3000)},
			Holds:  map[string]diagnose.Hold{"book": {Calls: 50 * n, Statements: 100 * n, Held: time.Duration(n) * 100 * time.Millisecond, Working: time.Duration(n) * 95 * time.Millisecond, Longest: 3 * time.Millisecond}},
			Counts: map[string]float64{"writer/busy": 0.2 * float64(n), "plugin/calls": float64(100 * n), "plugin/time": 0.01 * float64(n)},
			Levels: map[string]diagnose.Level{"disk/free": diagnose.Of(1 << 34)}}
	}
	return &diagnose.Evidence{Alert: alert.Alert{Rule: rule, ID: 7}, Now: day(10), Usual: day(300), Store: diagnose.Store{WALUsed: 1 << 20, WALSoft: 16 << 20, WALCap: 256 << 20, DiskFree: 1 << 34},
		Pools: []diagnose.Pool{{Name: "reader", InUse: 1, Most: 128}}, Frozen: rule + "-7"}
}

// The causes, each as a change of the evidence. An innocent one is also there in all of them.
var faults = []struct {
	name, rule, cause string
	inject            func(*diagnose.Evidence)
	says              string
}{
	{"slow disk", "SignalLatencyHigh", "disk_slow", func(e *diagnose.Evidence) {
		e.Now.Commits = commits(500, 80*time.Millisecond)
		w := e.Now.Statements["a1"]
		w.Writes, w.Commit, w.Took = w.Calls, 80*time.Millisecond*1000, w.Took+80*time.Millisecond*1000
		e.Now.Statements["a1"] = w
	}, "times the usual"},
	{"held writer", "WriterBusy", "writer_held", func(e *diagnose.Evidence) {
		e.Now.Holds["fetch prices"] = diagnose.Hold{Calls: 10, Statements: 10, Held: 90 * second, Working: second, Longest: 10 * second}
		e.Now.Counts["writer/busy"] = 92
	}, `"fetch prices"`},
	{"held now", "WriterLimits", "writer_held", func(e *diagnose.Evidence) {
		e.Now.Holds = nil
		e.Sessions = []diagnose.Session{{ID: 12, Lane: "writer", State: "idle", Name: "asleep", Age: 3 * second}}
	}, `"asleep" holds the writer since 3s`},
	{"heavy writes", "WriterBusy", "heavy_write", func(e *diagnose.Evidence) {
		e.Now.Holds["purge"] = diagnose.Hold{Calls: 10, Statements: 10, Held: 90 * second, Working: 89 * second, Longest: 10 * second}
		e.Now.Counts["writer/busy"] = 92
	}, `"purge"`},
	{"another program", "WriterBusy", "foreign_writer", func(e *diagnose.Evidence) {
		e.Now.Counts["writer/busy"], e.Now.Counts["file/busy"], e.Now.Counts["file/foreign"] = 80, 40, 40
	}, "40 times"},
	{"index gone", "SignalLatencyHigh", "plan_changed", func(e *diagnose.Evidence) {
		e.Now.Statements["a1"] = work("signal", 1000, 60*time.Millisecond, 900_000)
		e.Plans = map[string]diagnose.Plan{"a1": {Was: "SEARCH orders USING INDEX by_symbol (symbol=?)", Is: "SCAN orders", RowsWere: 1000, Rows: 1000}}
	}, "by_symbol"},
	{"growth", "AnalyticsSlow", "data_growth", func(e *diagnose.Evidence) {
		e.Now.Statements["b2"] = work("analytics", 100, 3*second, 500_000)
		e.Plans = map[string]diagnose.Plan{"b2": {Was: "SCAN orders", Is: "SCAN orders", RowsWere: 1000, Rows: 10_000}}
	}, "10000 rows"},
	{"skew", "AnalyticsSlow", "skewed_bindings", func(e *diagnose.Evidence) {
		e.Now.Statements["b2"] = work("analytics", 100, 3*second, 5_000_000)
		e.Plans = map[string]diagnose.Plan{"b2": {Was: "SEARCH orders", Is: "SEARCH orders", RowsWere: 1000, Rows: 1010}}
	}, "values that more rows have"},
	{"skew in a table that has doubled", "AnalyticsSlow", "skewed_bindings", func(e *diagnose.Evidence) {
		e.Now.Statements["b2"] = work("analytics", 100, 3*second, 5_000_000)
		e.Plans = map[string]diagnose.Plan{"b2": {Was: "SEARCH orders", Is: "SEARCH orders", RowsWere: 1000, Rows: 2000}}
	}, "values that more rows have"},
	{"cold cache", "SignalLatencyHigh", "cold_cache", func(e *diagnose.Evidence) {
		e.Now.Statements["a1"] = work("signal", 1000, 70*time.Millisecond, 2000)
		e.Now.Counts["file/read"], e.Usual.Counts["file/read"] = 40_000, 100
	}, "pages from the disk"},
	{"slow machine", "SignalLatencyHigh", "host_slow", func(e *diagnose.Evidence) {
		for k, w := range e.Now.Statements {
			w.Took *= 60
			e.Now.Statements[k] = w
		}
	}, "60.0 times"},
	{"slow plug-in", "SignalLatencyHigh", "plugin_slow", func(e *diagnose.Evidence) {
		w := work("signal", 1000, 60*time.Millisecond, 2000)
		w.Plugins = 59 * second
		e.Now.Statements["a1"] = w
		e.Now.Counts["plugin/calls"], e.Now.Counts["plugin/time"] = 1000, 59
	}, "usually 100µs"},
	{"load", "PoolQueueTimeouts", "load", func(e *diagnose.Evidence) {
		w := work("signal", 20_000, 50*time.Millisecond, 2000)
		w.Slot = 19_000 * 50 * time.Millisecond
		e.Now.Statements["a1"] = w
	}, "times the usual"},
	{"pool held", "PoolQueueTimeouts", "pool_held", func(e *diagnose.Evidence) {
		e.Pools[0] = diagnose.Pool{Name: "reader", InUse: 128, Most: 128, Starved: 9, Waiting: 9}
		e.Sessions = []diagnose.Session{{ID: 3, Lane: "reader", State: "idle", Name: "report", Age: 500 * time.Millisecond}}
	}, `"report"`},
	{"long reader", "WALOverCap", "long_reader", func(e *diagnose.Evidence) {
		e.Sessions = []diagnose.Session{{ID: 3, Lane: "analytics", State: "idle", Name: "forgotten", Age: time.Hour, Query: "SELECT * FROM t WHERE a = ?"}}
		e.Store.Snapshot = diagnose.Snapshot{Age: time.Hour, Lane: "analytics", Holder: "forgotten"}
	}, `"forgotten"`},
	{"another program's reader", "ReaderPinned", "foreign_reader", func(e *diagnose.Evidence) {
		e.Store.Snapshot = diagnose.Snapshot{Age: time.Hour, Foreign: true}
		e.Sessions = []diagnose.Session{{ID: 3, Lane: "reader", State: "running", Name: "quick", Age: 2 * second}}
	}, "1h0m0s"},
	{"broken disk", "BreakerOpen", "device_failed", func(e *diagnose.Evidence) {
		e.Now.Counts["error/io"] = 30
		e.Breakers = []diagnose.Breaker{{Name: "storage", State: "open", Cause: "disk I/O error"}}
	}, "30 errors"},
	{"full disk", "BreakerOpen", "disk_full", func(e *diagnose.Evidence) {
		e.Now.Counts["error/full"] = 3
		e.Breakers = []diagnose.Breaker{{Name: "write", State: "open"}}
	}, "no space"},
	{"disk fills", "DiskFullIn24h", "disk_filling", func(e *diagnose.Evidence) {
		e.Now.Levels["disk/free"] = diagnose.Level{First: 1 << 34, Last: 1 << 33, Low: 1 << 33, High: 1 << 34}
		e.Now.Levels["file/log"] = diagnose.Level{First: 0, Last: 1 << 33}
		e.Store.Files = map[string]float64{"log": 1 << 33}
	}, "the log grew by 8.0 GiB"},
	{"others fill the disk", "DiskFullIn24h", "disk_filling", func(e *diagnose.Evidence) {
		e.Now.Levels["disk/free"] = diagnose.Level{First: 1 << 34, Last: 1 << 33, Low: 1 << 33, High: 1 << 34}
		e.Now.Levels["file/log"] = diagnose.Level{First: 0, Last: 1 << 20}
		e.Store.Files = map[string]float64{"log": 1 << 20}
	}, "is not the engine's"},
	{"damage", "IntegrityFailed", "file_damaged", func(e *diagnose.Evidence) { e.Store.Quarantine = "database disk image is malformed" }, "quarantine"},
	{"moved", "FileMoved", "file_moved", func(e *diagnose.Evidence) { e.Now.Counts["file/moved"] = 1 }, "moved"},
	{"migration", "MigrationFailed", "migration_failed", func(e *diagnose.Evidence) { e.Store.Unsettled = 1 }, "migration"},
	{"plug-in out", "PluginQuarantined", "plugin_faults", func(e *diagnose.Evidence) { e.Plugins = []string{"limits 1.0.0"} }, "limits 1.0.0"},
	{"rejections", "ErrorRate", "rows_rejected", func(e *diagnose.Evidence) {
		e.Now.Counts["rejected/limits, rule 4"], e.Now.Counts["error/*change.RejectedError"] = 500, 500
	}, "limits, rule 4"},
	{"wrong SQL", "ErrorRate", "caller_errors", func(e *diagnose.Evidence) { e.Now.Counts["error/sql"] = 500 }, "500 × sql"},
	{"overload", "ErrorRate", "overloaded", func(e *diagnose.Evidence) {
		e.Now.Counts["error/*lane.OverloadError"], e.Now.Counts["refused/reader, signal, delay"] = 500, 500
	}, "reader, signal, delay"},
	{"overloaded pool", "PoolQueueTimeouts", "overloaded", func(e *diagnose.Evidence) { e.Now.Counts["refused/reader, normal, deadline"] = 900 }, "900 calls were turned away"},
	{"store", "TelemetryDropping", "telemetry_store", func(e *diagnose.Evidence) { e.Now.Counts["dropped/interval"] = 9 }, "not stored"},
	{"exporter", "TelemetryDropping", "exporter_behind", func(e *diagnose.Evidence) { e.Now.Counts["spans/failed"] = 9000 }, "the sink failed"},
	{"stuck", "ConnectionsLeaked", "stuck_statement", func(e *diagnose.Evidence) { e.Now.Levels["connection/leaked"] = diagnose.Of(2) }, "2 are"},
	{"fatal statement", "BreakerOpen", "statement_fatal", func(e *diagnose.Evidence) {
		e.Breakers = []diagnose.Breaker{{Name: `statement "SELECT huge" (00ff)`, State: "open"}}
	}, "connection"},
	{"cannot open", "BreakerOpen", "cannot_open", func(e *diagnose.Evidence) { e.Breakers = []diagnose.Breaker{{Name: "open", State: "open"}} }, "opened"},
	{"outcome unknown", "CommitOutcomeUnknown", "device_failed", func(e *diagnose.Evidence) { e.Now.Counts["commit/unknown"] = 1 }, "1 COMMITs"},
}

// innocent puts faults into the evidence that make none of the alerts: a report that is far slower than it was, two rows that a rule refuses, a few of a
// caller's mistakes, a span that was dropped.
func innocent(e *diagnose.Evidence) {
	e.Now.Statements["d4"] = diagnose.Work{Summary: "SELECT reports", Class: "maintenance", Calls: 2, Took: 300 * time.Millisecond, Steps: 4_000_000, Rows: 2}
	e.Usual.Statements["d4"] = diagnose.Work{Summary: "SELECT reports", Class: "maintenance", Calls: 50, Took: 50 * time.Millisecond, Steps: 50 * 2000, Rows: 50}
	if e.Plans == nil {
		e.Plans = map[string]diagnose.Plan{}
	}
	e.Plans["d4"] = diagnose.Plan{Was: "SEARCH reports USING INDEX i (a=?)", Is: "SCAN reports"}
	e.Now.Counts["rejected/other, rule 1"] = 2
	e.Now.Counts["error/args"] += 2
	e.Now.Counts["verdict/warned"] = 5
	e.Now.Counts["spans/rate"] += 1
	e.Traces = []diagnose.Trace{{ID: "f1", Name: "SELECT reports", Fingerprint: "d4", Took: 150 * time.Millisecond}, {ID: "f2", Fingerprint: "a1", Name: "SELECT orders", Took: 60 * time.Millisecond}}
}

// Each cause is found, beside an innocent fault that is not taken for it, and the diagnosis has what one needs.
func TestFind(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range faults {
		for _, noise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", f.name, noise), func(t *testing.T) {
				e := quiet(f.rule)
				f.inject(e)
				if noise {
					innocent(e)
				}
				d := diagnose.Find(e)
				if d.Cause != f.cause || !strings.Contains(d.Summary, f.says) {
					t.Fatalf("%s: %s\nruled out: %s", d.Cause, d.Summary, strings.Join(d.Ruled, "\n"))
				}
				if len(d.Advice) < 2 || d.Frozen != f.rule+"-7" || !strings.Contains(d.Advice[len(d.Advice)-1], "--frozen "+d.Frozen) {
					t.Errorf("the advice is %q", d.Advice)
				}
				if f.cause == "plan_changed" && noise && d.Traces[0] != "f2" {
					t.Errorf("the traces of another statement come first: %v", d.Traces)
				}
			})
		}
		seen[f.cause] = true
	}
	for _, c := range diagnose.Causes() {
		if !seen[c.ID] {
			t.Errorf("no evidence for %s", c.ID)
		}
	}
}

// With the innocent fault alone nothing is blamed.
func TestFindNothing(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"SignalLatencyHigh", "AnalyticsSlow", "WriterBusy", "WALOverCap", "BreakerOpen", "DiskFullIn24h", "IntegrityFailed", "MigrationFailed", "PluginQuarantined",
		"ConnectionsLeaked", "CommitOutcomeUnknown", "FileMoved", "PoolQueueTimeouts", "ReaderPinned", "WriterLimits"} {
		e := quiet(rule)
		innocent(e)
		d := diagnose.Find(e)
		if d.Cause != diagnose.Unknown {
			t.Errorf("%s: %s: %s", rule, d.Cause, d.Summary)
		}
		if len(d.Ruled) == 0 || len(d.Advice) == 0 || d.Summary == "" {
			t.Errorf("%s: %+v", rule, d)
		}
		if !slices.ContainsFunc(d.Ruled, func(r string) bool { return strings.HasPrefix(r, "plan_changed: it is there") }) && rule != "WriterLimits" {
			t.Errorf("%s: that the report has another plan is not said: %q", rule, d.Ruled)
		}
	}
}

// Without anything to go by it says so.
func TestFindWithoutEvidence(t *testing.T) {
	t.Parallel()
	d := diagnose.Find(&diagnose.Evidence{Alert: alert.Alert{Rule: "MyOwn"}})
	if d.Cause != diagnose.Unknown || !strings.Contains(strings.Join(d.Evidence, " "), "not known yet") {
		t.Errorf("%+v", d)
	}
}
