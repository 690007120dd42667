package lane_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
)

// TestOldestSnapshot: what has been open for longest is named, whatever lane it is in, and is gone when it ends.
func TestOldestSnapshot(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Unix(1_700_000_000, 0))
	r := build(t, func(s *setup) { s.cfg.Clock = fake })
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT")
	if o := r.Oldest(); o != (lane.Oldest{}) {
		t.Fatalf("nothing is open: %+v", o)
	}
	rd, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true, Name: "report", Class: lane.Analytics})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	c, err := rd.Open(t.Context(), "SELECT id FROM w", nil)
	if err != nil {
		t.Fatal(err)
	}
	fake.Advance(90 * time.Second)
	if o := r.Oldest(); o.Holder != "report" || o.Lane != "analytics" || o.Foreign || o.Age < 89*time.Second || o.Age > 91*time.Second {
		t.Errorf("a report that is 90 s old: %+v", o)
	}
	c.Finish()
	rd.Close()
	if o := r.Oldest(); o != (lane.Oldest{}) {
		t.Errorf("the report has ended: %+v", o)
	}
}

// TestOldestTransaction: the transaction that has the writer counts too.
func TestOldestTransaction(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	_, err := r.Do(t.Context(), lane.JobOptions{Name: "long import"}, func(*lane.Tx) error {
		eventually(t, "the transaction to be the oldest", func() bool {
			o := r.Oldest()
			return o.Holder == "long import" && o.Lane == "writer" && o.Age > 0
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end", func() bool { return r.Oldest() == lane.Oldest{} })
}

// TestForeignSnapshot: a snapshot that no session of the lanes has is found by where checkpoints stop, and its end too.
func TestForeignSnapshot(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Unix(1_700_000_000, 0))
	r := build(t, func(s *setup) {
		s.cfg.Clock = fake
		s.cfg.WAL.CheckpointFrames = 20
		s.cfg.Writer.IdleTruncate = 20 * time.Millisecond
	})
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)")
	other, err := r.store.Connect(t.Context(), sqlite.Maintenance) // as another program would
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.BeginRead(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.QueryInt("SELECT count(*) FROM w"); err != nil {
		t.Fatal(err)
	}
	r.must(t, "INSERT INTO w (pad) VALUES (zeroblob(200000))")
	eventually(t, "a checkpoint that stops at the snapshot", func() bool { return r.Oldest().Foreign })
	fake.Advance(5 * time.Minute)
	r.must(t, "INSERT INTO w (pad) VALUES (zeroblob(200000))")
	if o := r.Oldest(); !o.Foreign || o.Age < 5*time.Minute || o.Lane != "" {
		t.Errorf("after 5 minutes: %+v", o)
	}
	if err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end to be noticed, with nobody writing", func() bool { return r.Oldest() == lane.Oldest{} })
	eventually(t, "the log's space to go back", func() bool { return r.Stats().WAL.Bytes == 0 })
}

// TestOwnSnapshotIsNotForeign: checkpoints stop at a session of the lanes too, which is then named.
func TestOwnSnapshotIsNotForeign(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.WAL.CheckpointFrames = 20 })
	r.must(t, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB) STRICT", "INSERT INTO w (pad) VALUES (NULL)")
	rd, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true, Name: "ours"})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	c, err := rd.Open(t.Context(), "SELECT id FROM w", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Finish()
	before := r.Stats().WAL.Incomplete
	for range 3 {
		r.must(t, "INSERT INTO w (pad) VALUES (zeroblob(200000))")
	}
	eventually(t, "checkpoints that stop at it", func() bool { return r.Stats().WAL.Incomplete >= before+2 })
	if o := r.Oldest(); o.Foreign || o.Holder != "ours" {
		t.Errorf("%+v", o)
	}
}
