package ledger_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/ledger"
	"github.com/tidegate/engine/core/sqlite"
)

// keys are lanes over a ledger of n entries, one an hour, the first at the epoch.
func keys(t *testing.T, n int) *lane.Lanes {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Location{Path: filepath.Join(t.TempDir(), "keys.db")}, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	lanes, err := lane.Open(t.Context(), store, lane.DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lanes.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if n == 0 {
		return lanes
	}
	_, err = lanes.Do(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		for i := range n {
			c := ledger.Call{Key: fmt.Sprint(i), Print: ledger.Print("test", int64(i)), Now: func() time.Time { return hour(i) }}
			if _, err := c.Look(t.Context(), tx); err != nil {
				return err
			}
			if err := c.Record(t.Context(), tx, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lanes
}

func hour(i int) time.Time { return time.Unix(int64(i)*3600, 0) }

// left is how many entries are there, and the oldest.
func left(t *testing.T, lanes *lane.Lanes) (n, oldest int64) {
	t.Helper()
	cur, err := lanes.Query(t.Context(), lane.ReadOptions{}, "SELECT count(*), coalesce(min(at_ns), 0) / 3600000000000 FROM _tg_ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Finish()
	if ok, err := cur.Next(t.Context()); !ok {
		t.Fatal(err)
	}
	return cur.Row()[0].Int, cur.Row()[1].Int
}

// TestPurgeRemovesNoMoreThanItMust: age and number are two limits, and what the one removes counts for the other.
func TestPurgeRemovesNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	never := func() bool { return false }
	for name, c := range map[string]struct {
		entries int
		policy  ledger.Policy
		now     int // hours
		removed int64
	}{
		"no limit":                 {10, ledger.Policy{}, 1000, 0},
		"none is old":              {10, ledger.Policy{Age: 24 * time.Hour}, 20, 0},
		"some are old":             {10, ledger.Policy{Age: 24 * time.Hour}, 28, 4},
		"all are old":              {10, ledger.Policy{Age: time.Hour}, 1000, 10},
		"more than one batch":      {700, ledger.Policy{Age: time.Hour}, 601, 600},
		"too many":                 {10, ledger.Policy{Entries: 7}, 10, 3},
		"too many in batches":      {700, ledger.Policy{Entries: 50}, 700, 650},
		"as many as may be":        {10, ledger.Policy{Entries: 10}, 10, 0},
		"old ones are enough":      {10, ledger.Policy{Age: 24 * time.Hour, Entries: 6}, 28, 4},
		"old ones are more":        {10, ledger.Policy{Age: 24 * time.Hour, Entries: 8}, 28, 4},
		"old ones are not enough":  {10, ledger.Policy{Age: 24 * time.Hour, Entries: 3}, 28, 7},
		"both, more than a batch":  {700, ledger.Policy{Age: 24 * time.Hour, Entries: 300}, 324, 400},
		"both, the batch is whole": {700, ledger.Policy{Age: 24 * time.Hour, Entries: 400}, 280, 300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lanes := keys(t, c.entries)
			removed, err := ledger.Purge(t.Context(), lanes, c.policy, hour(c.now), never)
			if err != nil || removed != c.removed {
				t.Errorf("%d removed, %v; want %d", removed, err, c.removed)
			}
			n, oldest := left(t, lanes)
			if n != int64(c.entries)-c.removed || n > 0 && oldest != c.removed {
				t.Errorf("%d are left, the oldest of hour %d; want the youngest %d", n, oldest, int64(c.entries)-c.removed)
			}
		})
	}
}

// TestPurgeGivesWay: it ends where somebody waits for the writer, and does nothing without a ledger.
func TestPurgeGivesWay(t *testing.T) {
	t.Parallel()
	lanes, asked := keys(t, 700), 0
	removed, err := ledger.Purge(t.Context(), lanes, ledger.Policy{Entries: 1}, hour(700), func() bool { asked++; return asked > 1 })
	if err != nil || removed != 256 {
		t.Errorf("%d removed, %v; want one batch", removed, err)
	}
	for _, p := range []ledger.Policy{{Entries: 1}, {Age: time.Hour}} {
		if removed, err := ledger.Purge(t.Context(), keys(t, 0), p, hour(700), func() bool { return false }); removed != 0 || err != nil {
			t.Errorf("%d removed from nothing, %v", removed, err)
		}
	}
}
