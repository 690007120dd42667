package lane_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// burst writes until ctx ends and returns how many transactions were acknowledged.
func burst(ctx context.Context, t *testing.T, r *rig, writers int) int64 {
	var n atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := r.Do(ctx, lane.JobOptions{Relaxed: true}, func(tx *lane.Tx) error {
					_, err := tx.Exec(ctx, "INSERT INTO w (pad) VALUES (zeroblob(2000))", nil)
					return err
				})
				if err == nil {
					n.Add(1)
				} else if ctx.Err() == nil {
					t.Errorf("writer: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	return n.Load()
}

func small(s *setup) {
	s.cfg.WAL = lane.WALConfig{CheckpointFrames: 100, Soft: 1 << 20, Hard: 2 << 20, Cap: 6 << 20, SnapshotAge: 200 * time.Millisecond}
}

// TestPinnedReaderEnds: a reader that never goes on is ended with an error that names it; the log stays bounded.
func TestPinnedReaderEnds(t *testing.T) {
	t.Parallel()
	const age = 60 * time.Millisecond // by which no disk has filled the log up to its cap
	r := build(t, func(s *setup) {
		small(s)
		s.cfg.WAL.SnapshotAge = age
	})
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)", "INSERT INTO w (pad) VALUES (NULL)")
	rd, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true, Name: "forgotten report"})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	c, err := rd.Open(t.Context(), "SELECT id FROM w", nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Next(t.Context()); !ok {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // which only a failure reaches
	defer cancel()
	var peak atomic.Int64
	go watchPeak(ctx, cancel, r, &peak, 2*time.Second, func() bool { return r.Stats().WAL.Ended > 0 })
	n := burst(ctx, t, r, 4)
	_, err = c.Next(t.Context())
	var snap *lane.SnapshotError
	if !errors.As(err, &snap) || snap.Holder != "forgotten report" || snap.Age < age {
		t.Fatalf("after %d commits the reader got %v", n, err)
	}
	if _, err := rd.Open(t.Context(), "SELECT 1", nil); !errors.Is(err, lane.ErrSnapshotExpired) {
		t.Errorf("a later statement of the ended snapshot got %v", err)
	}
	t.Logf("%d commits, log at most %d bytes, %d snapshots ended", n, peak.Load(), r.Stats().WAL.Ended)
	if peak.Load() > 12<<20 {
		t.Errorf("the log grew to %d bytes", peak.Load())
	}
}

// watchPeak notes how large the log gets, and ends what runs beside it after that long, or as much later as a slow machine needs to have shown
// enough.
func watchPeak(ctx context.Context, end func(), r *rig, peak *atomic.Int64, least time.Duration, enough func() bool) {
	for began := time.Now(); ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if b := r.Stats().WAL.Bytes; b > peak.Load() {
			peak.Store(b)
		}
		if time.Since(began) > least && enough() {
			end()
		}
	}
}

// TestBackToBackAnalytics: snapshots of which none is old, and which leave no gap between them, cannot make the log grow for
// ever: over the soft limit the next one waits for a reset.
func TestBackToBackAnalytics(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		small(s)
		s.cfg.WAL.SnapshotAge = time.Minute // none is ever too old
		s.cfg.WAL.Cap = 64 << 20            // and the last resort is far away
	})
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // which only a failure reaches
	defer cancel()
	var peak, reports atomic.Int64
	before := r.store.IO().BytesWritten
	go watchPeak(ctx, cancel, r, &peak, 3*time.Second, func() bool {
		return peak.Load() > 16<<20 || reports.Load() > 0 && r.store.IO().BytesWritten-before >= 4*peak.Load()
	})
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 40 * time.Millisecond) // overlapping
			for ctx.Err() == nil {
				rd, err := r.Read(ctx, lane.ReadOptions{Class: lane.Analytics, Snapshot: true})
				if err != nil {
					continue
				}
				if c, err := rd.Open(ctx, "SELECT id FROM w", nil); err == nil {
					if ok, _ := c.Next(ctx); ok {
						time.Sleep(80 * time.Millisecond) // the report is being made
						reports.Add(1)
					}
				}
				rd.Close()
			}
		})
	}
	n := burst(ctx, t, r, 4)
	wg.Wait()
	st := r.Stats().WAL
	total := r.store.IO().BytesWritten - before
	t.Logf("%d commits beside %d reports, log at most %d bytes, %d checkpoints of which %d incomplete", n, reports.Load(), peak.Load(), st.Checkpoints, st.Incomplete)
	if st.Ended > 0 {
		t.Errorf("%d snapshots were ended, though waiting was enough", st.Ended)
	}
	if reports.Load() == 0 {
		t.Error("no report was made")
	}
	if peak.Load() > 16<<20 || total < 4*peak.Load() {
		t.Errorf("%d bytes were written and the log grew to %d", total, peak.Load())
	}
}

// TestIdleTruncatesTheLog: when nobody writes, the log's space goes back.
func TestIdleTruncatesTheLog(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.IdleTruncate = 50 * time.Millisecond })
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (zeroblob(100000))")
	eventually(t, "the log to be truncated", func() bool { return r.Stats().WAL.Bytes == 0 })
	if n := r.number(t, "SELECT length(pad) FROM w"); n != 100000 {
		t.Errorf("length %d after the truncation", n)
	}
}

// TestMovedFile: once the file at the path is another one, nothing is acknowledged into the old one.
func TestMovedFile(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"renamed", "replaced"} {
		r := build(t, nil)
		r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)")
		r.number(t, "SELECT count(*) FROM w") // a reader that is idle now
		if how == "replaced" {
			conn, err := r.store.Connect(t.Context(), sqlite.Maintenance)
			if err != nil {
				t.Fatal(err)
			}
			other := filepath.Join(t.TempDir(), "other.db")
			if err := conn.CopyTo(other); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if err := os.Rename(other, r.path); err != nil {
				t.Fatal(err)
			}
			for _, end := range []string{"-wal", "-shm"} { // they belong to the old file
				if err := os.Remove(r.path + end); err != nil {
					t.Fatal(err)
				}
			}
		} else if err := os.Rename(r.path, r.path+".away"); err != nil {
			t.Fatal(err)
		}
		// What counts is when an acknowledged write began: the machine may stop us between the lane's look at the file and the answer.
		moved, lastAck := time.Now(), time.Time{}
		for began := moved; began.Sub(moved) < time.Second || r.Stats().Writer.File.Moved == 0 && began.Sub(moved) < 20*time.Second; began = time.Now() {
			if err := r.exec(t.Context(), "INSERT INTO w (pad) VALUES (x'01')"); err == nil {
				lastAck = began
			} else if how == "replaced" && r.Stats().Writer.File.Moved == 0 {
				t.Errorf("%s: %v", how, err)
			}
			if r.Stats().Writer.File.Moved > 0 && how == "replaced" {
				break
			}
		}
		if r.Stats().Writer.File.Moved == 0 {
			t.Fatalf("%s: not noticed within twenty seconds", how)
		}
		if how == "renamed" {
			if d := lastAck.Sub(moved); d > 500*time.Millisecond {
				t.Errorf("still acknowledged %v after the file was gone", d)
			}
			if err := os.Rename(r.path+".away", r.path); err != nil {
				t.Fatal(err)
			}
		}
		// The engine reconnects by itself, to the file that is there now.
		eventually(t, "writes to work again", func() bool { return r.exec(t.Context(), "INSERT INTO w (pad) VALUES (x'02')") == nil })
		if n := r.number(t, "SELECT count(*) FROM w WHERE pad = x'02'"); n != 1 {
			t.Errorf("%s: %d rows in the file at the path, want 1", how, n)
		}
	}
}
