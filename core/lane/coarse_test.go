package lane_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
)

// TestClockAdjusted sets the clock a day on and back beside an open snapshot, with a log over its soft limit, and beside idle connections:
// nothing has become older by that, and what is due a moment later is not put off for a day.
func TestClockAdjusted(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		c := &clock.Adjusted{}
		r := build(t, func(s *setup) {
			s.cfg.Clock = c
			s.cfg.WAL = lane.WALConfig{CheckpointFrames: 10, Soft: 1 << 20, Hard: 2 << 20, Cap: 1 << 30, SnapshotAge: 2 * time.Second}
			s.cfg.Readers.IdleTimeout = 2 * time.Second
		})
		r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)")
		rd, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true})
		if err != nil {
			t.Fatal(err)
		}
		defer rd.Close()
		began := time.Now()
		if _, err := rd.Open(t.Context(), "SELECT id FROM w", nil); err != nil {
			t.Fatal(err)
		}
		r.number(t, "SELECT count(*) FROM w") // whose connection is idle now
		c.Set(by)
		r.must(t, "INSERT INTO w (pad) VALUES (zeroblob(3000000))", "INSERT INTO w (pad) VALUES (NULL)")
		eventually(t, "the governor to look at the log", func() bool { return time.Since(began) > 300*time.Millisecond })
		if st := r.Stats(); time.Since(began) < time.Second && (st.WAL.Ended > 0 || st.Readers.ClosedIdle > 0) {
			t.Errorf("set by %v: %d snapshots ended and %d connections closed after %v of 2 s", by, st.WAL.Ended, st.Readers.ClosedIdle, time.Since(began))
		}
		eventually(t, "the snapshot to end when it is two seconds old", func() bool {
			r.must(t, "INSERT INTO w (pad) VALUES (NULL)")
			return r.Stats().WAL.Ended == 1
		})
		eventually(t, "the idle connection to be closed", func() bool { return r.Stats().Readers.ClosedIdle > 0 })
		if d := time.Since(began); d < 2*time.Second || d > 30*time.Second {
			t.Errorf("set by %v: they ended after %v of 2 s", by, d)
		}
		_, err = rd.Open(t.Context(), "SELECT 1", nil)
		if snap, ok := errors.AsType[*lane.SnapshotError](err); !ok || snap.Age > time.Minute || sqlite.ClassOf(err) == sqlite.Moved {
			t.Errorf("set by %v: the snapshot ended with %v", by, err)
		}
	}
}
