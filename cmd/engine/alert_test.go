package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// An alert of a running server is listed with its silence, by the server and from the file; rules are run over what it has stored.
func TestAlertVerb(t *testing.T) {
	t.Parallel()
	find, url, token := startServer(t, "--set", "telemetry.interval=1s", "--set", `alerts.rules=[{"name":"Failing","when":"increase(engine.errors[1m]) > 2","severity":"info"}]`)
	for range 4 {
		if status, _ := ask(t, "POST", url+"/v1/exec", token, `{"sql":"INSERT INTO nothing VALUES (1)"}`); status == 200 {
			t.Fatal("a table that is not there was written")
		}
	}
	verb := func(args ...string) outcome { return must(t, append(append([]string{"alert"}, args...), find...)...) }
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(verb("list").stdout, "Failing") {
		if time.Now().After(deadline) {
			t.Fatal(verb("list", "--rules").stdout)
		}
		time.Sleep(50 * time.Millisecond)
	}
	made := verb("silence", "Failing", "--for", "2h", "--why", "known", "--by", "me")
	if !strings.HasPrefix(made.stdout, "silence 1: Failing until ") {
		t.Error(made.stdout)
	}
	list, rules := verb("list").stdout, verb("list", "--rules").stdout
	for _, c := range []struct{ text, want string }{{list, "info     Failing: Failing is 4 error, the limit is 2 error"}, {list, "firing, now 4 error, limit 2 error"}, {list, "by me: known"}, {rules, "firing"}, {rules, "WriterBusy"}} {
		if !strings.Contains(c.text, c.want) {
			t.Errorf("%q is not in\n%s", c.want, c.text)
		}
	}
	stored := []string{"--stored", "--db", find[1]}
	var got alertAnswer
	if err := json.Unmarshal([]byte(must(t, append([]string{"alert", "list", "--all", "--json"}, stored...)...).stdout), &got); err != nil || len(got.Alerts) != 1 || got.Alerts[0].Severity != engine.AlertInfo || len(got.Silences) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	verb("silence", "--end", "1")
	if o := must(t, append([]string{"alert", "silence", "WriterBusy", "--for", "1h", "--why", "x"}, stored...)...); !strings.HasPrefix(o.stdout, "silence 2: ") {
		t.Error(o.stdout)
	}
	must(t, append([]string{"alert", "silence", "--end", "2"}, stored...)...)
	test := must(t, "alert", "backtest", "--db", find[1], "--from", "1h", "--expr", "increase(engine.errors[1m]) > 3").stdout
	if !strings.Contains(test, "expression: 1 alerts") || !strings.Contains(test, "goes on") || !strings.Contains(test, "worst 4 error, limit 3 error") {
		t.Error(test)
	}
	for _, args := range [][]string{{"silence"}, {"silence", "WriterBusy"}, {"silence", "--end", "1", "WriterBusy"}, {"silence", "--end", "-1"}, {"silence", "--end", "0"}, {"list", "x"}, {"list", "--limit", "0"}, {"list", "--rules", "--stored"}, {"backtest", "x"},
		{"backtest", "--expr", "p95(engine.errors[1m]) > 1"}, {"backtest", "--from", "soon"}, {"backtest", "--rule", "None"}, {"what"}} {
		if o := program(t, append([]string{"alert"}, args...)...); o.code != exitUsage || o.stderr == "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
	for _, args := range [][]string{append([]string{"silence", "None", "--for", "1h", "--why", "x"}, find...), append([]string{"silence", "None", "--for", "1h", "--why", "x"}, stored...),
		append([]string{"silence", "--end", "99"}, find...), {"list", "--stored", "--db", filepath.Join(t.TempDir(), "none.db")}, {"backtest", "--db", filepath.Join(t.TempDir(), "none.db")}} {
		if o := program(t, append([]string{"alert"}, args...)...); o.code != exitError || o.stderr == "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
}
