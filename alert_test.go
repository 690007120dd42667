package engine_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
)

// pass lets n intervals of the telemetry pass, each evaluated before the next.
func pass(t *testing.T, db *engine.DB, clock *enginetest.Clock, n int) {
	t.Helper()
	for range n {
		clock.Advance(db.Config().Telemetry.Interval)
		deadline := time.Now().Add(10 * time.Second)
		for {
			at, err := db.Alerts().Evaluated()
			if err != nil {
				t.Fatal(err)
			}
			if at.Equal(clock.Now()) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no interval was evaluated in ten seconds")
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// All default rules can be read against the metrics that there are, whatever the sizes of the log.
func TestDefaultAlertRules(t *testing.T) {
	t.Parallel()
	cfg := engine.DefaultConfig("sqlite://")
	cfg.Alerts.Limits = []string{"SignalLatencyHigh > 80ms resolve < 60ms for 2m", "WALOverCap for 1m"}
	if err := cfg.Check(); err != nil {
		t.Error(err)
	}
	cfg.WAL.Soft, cfg.WAL.Hard, cfg.WAL.Cap = 1<<20, 1<<20, 1<<20
	if err := cfg.Check(); err != nil {
		t.Error(err)
	}
	if n := len(cfg.DefaultAlertRules()); n < 17 {
		t.Errorf("%d default rules", n)
	}
}

// An alert begins once and ends once, goes on over a restart without being told anew, and is kept.
func TestAlerts(t *testing.T) {
	t.Parallel()
	clock := enginetest.NewClock(monday())
	path := t.TempDir() + "/a.db"
	open := func() *engine.DB {
		return enginetest.Open(t, enginetest.WithFile(), enginetest.WithClock(clock), enginetest.WithConfig(func(c *engine.Config) {
			c.URL, c.Telemetry.Store = path, true
			c.Alerts.Rules = []engine.AlertRule{{Name: "Failing", When: "increase(engine.errors[1m]) by (error.type) > 3 for 20s", Severity: engine.AlertCritical, Title: "{value} failed with {error.type}"}}
		}))
	}
	db := open()
	fail := func() {
		for range 5 {
			if _, err := db.Exec(t.Context(), "INSERT INTO nothing VALUES (1)"); err == nil {
				t.Fatal("a table that is not there was written")
			}
		}
	}
	for range 4 {
		fail()
		pass(t, db, clock, 1)
	}
	firing, err := db.Alerts().Firing()
	if err != nil || len(firing) != 1 || firing[0].Rule != "Failing" || !firing[0].Told || firing[0].Title != "15 error failed with sql" || firing[0].Labels[0].Value != "sql" {
		t.Fatalf("%+v, %v", firing, err)
	}
	id := firing[0].ID
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	fail()
	pass(t, db, clock, 2)
	if firing, err = db.Alerts().Firing(); err != nil || len(firing) != 1 || firing[0].ID != id {
		t.Errorf("after a restart: %+v, %v", firing, err)
	}
	pass(t, db, clock, 6)
	if firing, err = db.Alerts().Firing(); err != nil || len(firing) != 0 {
		t.Errorf("when all is well: %+v, %v", firing, err)
	}
	history, err := db.Alerts().History(t.Context(), 100)
	var what []string
	for _, h := range history {
		what = append(what, h.What)
	}
	if want := []string{"resolved", "told", "fired"}; err != nil || !slices.Equal(what, want) {
		t.Errorf("%v, %v, want %v", what, err, want)
	}
	latest, err := db.Alerts().Latest(t.Context(), 10)
	if err != nil || len(latest) != 1 || latest[0].Ended == nil || latest[0].ID != id {
		t.Errorf("%+v, %v", latest, err)
	}
}

// Without measuring nothing is evaluated, and whoever asks is told why.
func TestNoAlerts(t *testing.T) {
	t.Parallel()
	db := enginetest.Open(t, enginetest.WithConfig(func(c *engine.Config) { c.Alerts.Evaluate = false }))
	if _, err := db.Alerts().Firing(); !errors.Is(err, engine.ErrNoAlerts) {
		t.Errorf("%v", err)
	}
	if _, err := db.Alerts().Silence(t.Context(), engine.AlertSilence{}); !errors.Is(err, engine.ErrNoAlerts) {
		t.Errorf("%v", err)
	}
}
