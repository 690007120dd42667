package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// A statement that steps over many rows for one is listed, shown with its plan, and run again: by the server with the bindings that it has,
// here with others, and from the file when the server is gone. top and stats show it too. No value is shown anywhere.
func TestSlowTopStats(t *testing.T) {
	t.Parallel()
	find, url, token := startServer(t)
	for _, body := range []string{`{"sql":"INSERT INTO t (v) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 15000) SELECT i FROM c"}`} {
		if status, text := ask(t, "POST", url+"/v1/exec", token, body); status != 200 {
			t.Fatal(text)
		}
	}
	if status, text := ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT count(*) FROM t WHERE v <> ?","args":["a secret"]}`); status != 200 {
		t.Fatal(text)
	}
	// A name that would clear the screen of whoever reads of it.
	if status, text := ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT max(v) AS \"\u001b[2J\" FROM t"}`); status != 200 {
		t.Fatal(text)
	}
	verb := func(args ...string) outcome { return must(t, append(args, find...)...) }
	var log struct{ Slow []engine.SlowEntry }
	if err := json.Unmarshal([]byte(verb("slow", "list", "--json").stdout), &log); err != nil {
		t.Fatal(err)
	}
	id, clearing := "", ""
	for _, e := range log.Slow {
		if strings.HasPrefix(e.Text, "SELECT max") {
			clearing = quantity(float64(e.ID), "")
		}
		if strings.HasPrefix(e.Text, "SELECT count") {
			id = quantity(float64(e.ID), "")
		}
	}
	list, show, replay := verb("slow", "list").stdout, verb("slow", "show", id).stdout, verb("slow", "replay", id).stdout
	here := verb("slow", "replay", id, "--arg", "x").stdout
	top, stats := verb("top", "--once").stdout, verb("stats", "operation.duration").stdout
	for what, c := range map[string]struct{ text, want string }{"list": {list, "SELECT count(*) FROM t WHERE v <> ?"}, "show": {show, "  SCAN t\n"}, "bindings": {show, "TEXT(8)"}, "replay": {replay, "now "},
		"here": {here, " 1 rows"}, "top": {top, "breakers all closed; alerts none"}, "top's disk": {top, "iB free; oldest snapshot "}, "top's statements": {top, "SELECT count(*) FROM t"}, "stats": {stats, "engine.class=normal"}} {
		if !strings.Contains(c.text, c.want) || strings.Contains(c.text, "secret") {
			t.Errorf("%s: %q is not in\n%s", what, c.want, c.text)
		}
	}
	for what, text := range map[string]string{"list": list, "show": verb("slow", "show", clearing).stdout, "replay": verb("slow", "replay", clearing).stdout, "top": top} {
		if !strings.Contains(text, "max(v)") || strings.Contains(text, "\x1b") {
			t.Errorf("%s of a name that speaks to the terminal: %q", what, text)
		}
	}
	if status, text := ask(t, "GET", url+"/v1/metrics/query?name=engine.errors", token, ""); status != 200 || !strings.Contains(text, `"series"`) {
		t.Errorf("a server does not store: %d %s", status, text)
	}
	path := find[1]
	o := must(t, "slow", "show", id, "--stored", "--db", path)
	if !strings.Contains(o.stdout, "SCAN t") {
		t.Errorf("from the file: %s", o.stdout)
	}
	for _, args := range [][]string{{"slow", "show", "99999", "--stored", "--db", path}, {"slow", "list", "--stored", "--db", filepath.Join(t.TempDir(), "none.db")}} {
		if o := program(t, args...); o.code != exitError || o.stderr == "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
	for _, args := range [][]string{{"slow", "show"}, {"slow", "show", "x"}, {"slow", "what", "1"}, {"slow", "list", "--limit", "0"}, {"slow", "list", "--limit", "5001"}, {"slow", "list", "--since", "-1h"}, {"top", "x"}, {"top", "--interval", "0s"}, {"stats", "a", "b"}} {
		if o := program(t, args...); o.code != exitUsage {
			t.Errorf("%v: %+v", args, o)
		}
	}
}

func TestTopText(t *testing.T) {
	t.Parallel()
	series := func(name string, v float64, labels map[string]string) engine.MetricSeries {
		s := engine.MetricSeries{Name: name, Kind: "counter", Labels: labels}
		s.Points = append(s.Points, engine.MetricPoint{Value: v})
		return s
	}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	first := &view{at: at, figures: figures{Metrics: []engine.MetricSeries{series("engine.errors", 10, nil), series("engine.breaker.state", 2, map[string]string{"engine.breaker": "storage"})}}}
	second := &view{at: at.Add(2 * time.Second), figures: figures{Metrics: []engine.MetricSeries{series("engine.errors", 14, nil), series("sqlite.wal.used", 3<<20, nil), series("engine.disk.free", 5<<30, nil),
		{Name: "engine.snapshot.age", Kind: "gauge", Unit: "s", Points: []engine.MetricPoint{{Value: 75}}},
		series("engine.alerts.firing", 2, map[string]string{"engine.alert.severity": "critical"}), series("engine.alerts.firing", 0, map[string]string{"engine.alert.severity": "warning"})}}}
	if text := first.text("here", nil); !strings.Contains(text, "errors  -; breakers storage open; alerts off") || !strings.Contains(text, "disk    - free; oldest snapshot -") {
		t.Error(text)
	}
	if text := second.text("here", first); !strings.Contains(text, "errors  2.0/s; breakers all closed; alerts 2 critical\n") || !strings.Contains(text, "disk    5.0 GiB free; oldest snapshot 1m15s") || !strings.Contains(text, "3.0 MiB used") {
		t.Error(text)
	}
	if got := shortened("a\n  b "+strings.Repeat("ü", 100), 10); got != "a b üüüüü…" {
		t.Error(got)
	}
}
