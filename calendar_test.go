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

// TestKeysOutliveAClockThatIsSet: the clock is set between calls with keys that are kept for two seconds. None goes before these have passed,
// and those go then of which the clock says nothing else; that the others stay longer is the side to err on.
func TestKeysOutliveAClockThatIsSet(t *testing.T) {
	t.Parallel()
	const age, day = 2 * time.Second, 24 * time.Hour
	for _, c := range []struct {
		sets []time.Duration // three keys after each
		stay int             // keys written while the clock was ahead
	}{{[]time.Duration{0, day}, 3}, {[]time.Duration{-day, 0}, 0}, {[]time.Duration{day, -day, 0}, 3}} {
		now := &adjustable{ticks: clock.NewFake(time.Unix(0, 0))}
		cfg := engine.DefaultConfig("sqlite://")
		cfg.Keys.Age = age
		db, err := engine.Open(testdb.WithClock(t.Context(), now), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(t.Context(), "CREATE TABLE t (n INTEGER NOT NULL) STRICT"); err != nil {
			t.Fatal(err)
		}
		began, all := time.Now(), 0
		for _, by := range c.sets {
			now.Set(by)
			for range 3 {
				if _, err := db.Exec(t.Context(), "INSERT INTO t VALUES (?)", all, engine.Key(fmt.Sprint(all))); err != nil {
					t.Fatal(err)
				}
				all++
			}
		}
		eventually(t, "the purge of old keys", func() bool {
			now.ticks.Advance(10 * time.Minute)
			var n int
			if err := db.QueryRow(t.Context(), "SELECT count(*) FROM _tg_ledger").Scan(&n); err != nil {
				t.Fatal(err)
			}
			if passed := time.Since(began); n < all && passed < age {
				t.Fatalf("%v: %d of %d keys are gone after %v", c.sets, all-n, all, passed)
			}
			return n == c.stay
		})
	}
}
