package lane_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
)

// TestSnapshotsThatComeBack: readers whose snapshots are ended begin new ones at once, so that there is always one in the way. The log stays
// within its cap all the same, and they go on.
func TestSnapshotsThatComeBack(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.cfg.WAL = lane.WALConfig{CheckpointFrames: 600, Soft: 1 << 20, Hard: 2 << 20, Cap: 16 << 20, SnapshotAge: time.Minute}
	})
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // which only a failure reaches
	defer cancel()
	var peak, began atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		// Two seconds, and on a slow machine for as long as it takes the log to come near its cap.
		for start := time.Now(); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if info, err := os.Stat(r.path + "-wal"); err == nil && info.Size() > peak.Load() {
				peak.Store(info.Size())
			}
			if time.Since(start) > 2*time.Second && peak.Load() >= 14<<20 && r.Stats().WAL.Ended >= 4 {
				cancel()
			}
		}
	})
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := again(ctx, r); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				began.Add(1)
			}
		})
	}
	n := burst(ctx, t, r, 4)
	wg.Wait()
	st := r.Stats().WAL
	t.Logf("%d commits beside %d snapshots of which %d were ended, log at most %d bytes", n, began.Load(), st.Ended, peak.Load())
	if peak.Load() > 14<<20+400<<10 { // an eighth below the cap they end; it takes a few commits
		t.Errorf("the log grew to %d bytes, its cap is %d", peak.Load(), 16<<20)
	}
	if peak.Load() < 14<<20 || st.Ended < 4 {
		t.Errorf("a log of %d bytes, %d snapshots ended: nothing was put to the test", peak.Load(), st.Ended)
	}
}

// again begins a snapshot and looks at it until it is ended.
func again(ctx context.Context, r *rig) error {
	rd, err := r.Read(ctx, lane.ReadOptions{Snapshot: true, Name: "report"})
	if err != nil {
		return err
	}
	defer rd.Close()
	for {
		c, err := rd.Open(ctx, "SELECT id FROM w LIMIT 1", nil)
		if errors.Is(err, lane.ErrSnapshotExpired) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// TestForeignPinStopsNoReads: where another program keeps the log from beginning anew, ending our own snapshots helps nobody, and new reads must not
// wait for it.
func TestForeignPinStopsNoReads(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.cfg.WAL = lane.WALConfig{CheckpointFrames: 50, Soft: 1 << 20, Hard: 1 << 20, Cap: 2 << 20, SnapshotAge: time.Minute}
	})
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)")
	defer r.foreignSnapshot(t, "SELECT count(*) FROM w").Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { burst(ctx, t, r, 1) })
	eventually(t, "the log to pass its cap", func() bool { return r.Stats().WAL.Used > 2<<20 })
	// The first second goes by until it is sure that it is none of ours. Then a hundred reads take no ten seconds, as they would if each waited.
	eventually(t, "a hundred reads within three seconds", func() bool {
		began := time.Now()
		for range 100 {
			if _, err := r.readNumber(ctx, "SELECT 1"); err != nil && !errors.Is(err, lane.ErrSnapshotExpired) {
				t.Fatal(err)
			}
		}
		return time.Since(began) < 3*time.Second
	})
	cancel()
	wg.Wait()
}
