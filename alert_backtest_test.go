package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
)

// What was stored, replayed, gives the alerts that there were, at the instants at which they were; other limits give others.
func TestBacktest(t *testing.T) {
	t.Parallel()
	clock := enginetest.NewClock(monday())
	path := t.TempDir() + "/a.db"
	rule := engine.AlertRule{Name: "Failing", When: "increase(engine.errors[1m]) by (error.type) > 3 for 20s", Severity: engine.AlertWarning}
	db := enginetest.Open(t, enginetest.WithFile(), enginetest.WithClock(clock), enginetest.WithConfig(func(c *engine.Config) {
		c.URL, c.Telemetry.Store = path, true
		c.Alerts.Rules = []engine.AlertRule{rule}
	}))
	for minute := range 9 { // in the minutes 2, 3 and 6 something fails, and in the latter it is silenced
		if minute == 5 {
			if _, err := db.Alerts().Silence(t.Context(), engine.AlertSilence{Rule: "Failing", Until: clock.Now().Add(time.Hour), Why: "known"}); err != nil {
				t.Fatal(err)
			}
		}
		for range 6 {
			if minute == 2 || minute == 3 || minute == 6 {
				for range 2 {
					if _, err := db.Exec(t.Context(), "INSERT INTO nothing VALUES (1)"); err == nil {
						t.Fatal("a table that is not there was written")
					}
				}
			}
			pass(t, db, clock, 1)
		}
	}
	live, err := db.Alerts().Latest(t.Context(), 10)
	if err != nil || len(live) != 2 {
		t.Fatalf("%+v, %v", live, err)
	}
	cfg := db.Config()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	q := engine.AlertBacktest{Rules: []string{"Failing"}, From: monday().Add(-time.Hour), To: clock.Now().Add(time.Minute)}
	got, err := cfg.Backtest(t.Context(), q)
	if err != nil || len(got.Rules) != 1 || len(got.Rules[0].Fired) != 2 || got.Gaps != 0 || got.Step != 10*time.Second {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, f := range got.Rules[0].Fired {
		was := live[1-i]
		if !f.Since.Equal(was.Since) || f.Ended == nil || !f.Ended.Equal(*was.Ended) || f.Value != was.Value && f.Value < 4 {
			t.Errorf("replayed %+v, was %+v", f, was)
		}
		if (f.Told != nil) != was.Told || f.Told != nil && !f.Told.Equal(f.At) || (f.Silence != 0) == was.Told {
			t.Errorf("replayed as told at %v under silence %d, was told: %v", f.Told, f.Silence, was.Told)
		}
	}
	q.Rules, q.When = nil, "increase(engine.errors[1m]) > 50"
	got, err = cfg.Backtest(t.Context(), q)
	if err != nil || len(got.Rules) != 1 || len(got.Rules[0].Fired) != 0 || len(got.Rules[0].Groups) != 1 || got.Rules[0].Groups[0].Worst != 12 {
		t.Errorf("%+v, %v", got, err)
	}
	q.When = ""
	if got, err = cfg.Backtest(t.Context(), q); err != nil || len(got.Rules) != 1+len(cfg.DefaultAlertRules()) {
		t.Errorf("all rules: %+v, %v", got, err)
	}
	for _, r := range got.Rules[:len(got.Rules)-1] {
		if r.Rule != "ErrorRate" && len(r.Fired) > 0 {
			t.Errorf("%s fires in a database at rest: %+v", r.Rule, r.Fired)
		}
	}
	var wrong *engine.BacktestError
	for _, bad := range []engine.AlertBacktest{{Rules: []string{"None"}}, {When: "p95(engine.errors[1m]) > 1"}, {From: clock.Now(), To: monday()}} {
		if _, err := cfg.Backtest(t.Context(), bad); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	cfg.URL = strings.TrimSuffix(path, "a.db") + "b.db"
	if _, err := cfg.Backtest(t.Context(), engine.AlertBacktest{}); !errors.Is(err, engine.ErrNotStored) {
		t.Errorf("no telemetry: %v", err)
	}
}
