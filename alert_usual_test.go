package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
)

// What is usual is known after a restart: a rule that compares with it fires within minutes and not after hours, and does not fire for what is usual.
func TestUsualAfterRestart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		when string
		days int // of work before, by minutes of which every tenth is played
	}{
		{"from the latest hours", "drift(increase(engine.tx.count[2m])) > 3 resolve < 2", 0},
		{"from the same hour of last week", "drift(increase(engine.tx.count[2m])) > 3 resolve < 2", 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := enginetest.NewClock(monday())
			path := t.TempDir() + "/a.db"
			open := func() *engine.DB {
				return enginetest.Open(t, enginetest.WithFile(), enginetest.WithClock(clock), enginetest.WithConfig(func(cfg *engine.Config) {
					cfg.URL, cfg.Telemetry.Store, cfg.Telemetry.Interval = path, true, time.Minute
					cfg.Alerts.Rules = []engine.AlertRule{{Name: "Busy", When: c.when, Severity: engine.AlertWarning}}
				}))
			}
			db := open()
			work := func(n int) {
				t.Helper()
				for range n {
					if err := db.View(t.Context(), func(context.Context, *engine.Tx) error { return nil }); err != nil {
						t.Fatal(err)
					}
				}
			}
			minutes := func(n, each int) {
				t.Helper()
				for range n {
					work(each)
					pass(t, db, clock, 1)
				}
			}
			hours := 5
			if c.days > 0 {
				hours = 1 // and nothing of the latest day
			}
			for range hours {
				minutes(60, 4)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if c.days > 0 {
				clock.Advance(time.Duration(c.days)*24*time.Hour - 50*time.Minute)
			}
			db = open()
			minutes(5, 4)
			if firing, err := db.Alerts().Firing(); err != nil || len(firing) != 0 {
				t.Fatalf("what is usual fires: %+v, %v", firing, err)
			}
			var firing []engine.AlertEntry
			var err error
			for n := 0; n < 100 && len(firing) == 0 && err == nil; n++ { // fewer than the hours that it takes to learn anew
				minutes(1, 40)
				firing, err = db.Alerts().Firing()
			}
			if err != nil || len(firing) != 1 || firing[0].Rule != "Busy" || firing[0].Value < 5 || firing[0].Value > 15 {
				t.Errorf("ten times the usual: %+v, %v", firing, err)
			}
		})
	}
}

// What diagnoses compare with is known after a restart as well: plans, steps, how long a COMMIT takes.
func TestDiagnosisAfterRestart(t *testing.T) {
	t.Parallel()
	for _, x := range latencyIncidents() {
		if x.name != "index gone" && x.name != "slow disk" {
			continue
		}
		before := x.config
		x.restart, x.config = true, func(c *engine.Config) {
			c.Telemetry.Store = true
			if before != nil {
				before(c)
			}
		}
		t.Run(x.name, x.run)
	}
}
