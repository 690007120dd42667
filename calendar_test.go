package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/testdb"
)

// adjustable is a clock that can be set, and whose ticks come when the test says so.
type adjustable struct {
	clock.Adjusted
	ticks *clock.Fake
}

func (a *adjustable) Tick(d time.Duration) *clock.Ticker { return a.ticks.Tick(d) }

// TestKeysOutliveAClockThatIsSet: keys that are kept for an hour are there after the clock was set a day on, and after it was set a day back
// and right again: an hour has passed by neither. The purge is seen at work on what is really too much.
func TestKeysOutliveAClockThatIsSet(t *testing.T) {
	t.Parallel()
	for _, sets := range [][]time.Duration{{0, 24 * time.Hour}, {-24 * time.Hour, 0}, {24 * time.Hour, -24 * time.Hour, 0}} {
		c := &adjustable{ticks: clock.NewFake(time.Unix(0, 0))}
		cfg := engine.DefaultConfig("sqlite://")
		cfg.Keys = engine.KeysConfig{Age: time.Hour, Entries: 20}
		db, err := engine.Open(testdb.WithClock(t.Context(), c), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(t.Context(), "CREATE TABLE t (n INTEGER NOT NULL) STRICT"); err != nil {
			t.Fatal(err)
		}
		next := 0
		keys := func(n int) {
			t.Helper()
			for range n {
				if _, err := db.Exec(t.Context(), "INSERT INTO t VALUES (?)", next, engine.Key(fmt.Sprint(next))); err != nil {
					t.Fatal(err)
				}
				next++
			}
		}
		count := func() (n int) {
			if err := db.QueryRow(t.Context(), "SELECT count(*) FROM _tg_ledger").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		total := 0
		for _, by := range sets {
			c.Set(by)
			keys(3)
			total += 3
			if n := count(); n != total {
				t.Fatalf("%v, now %v: %d keys, want %d", sets, by, n, total)
			}
		}
		keys(30 - total) // ten too many: when those are gone, the purge has looked at all
		eventually(t, "the purge", func() bool {
			c.ticks.Advance(10 * time.Minute)
			return count() < 30
		})
		if n := count(); n != 20 {
			t.Errorf("%v: %d keys are left of those that the clock has made no older, want 20", sets, n)
		}
	}
}
