package lane_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
)

const forever = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c"

func find(r *rig, name string) (lane.Activity, bool) {
	for _, a := range r.Activity() {
		if a.Name == name {
			return a, true
		}
	}
	return lane.Activity{}, false
}

// TestKill ends one of each kind, and nothing else.
func TestKill(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (x INTEGER) STRICT", "INSERT INTO t VALUES (1)")
	ctx := t.Context()
	read := func(name string, class lane.Class) error {
		c, err := r.Query(ctx, lane.ReadOptions{Name: name, Class: class}, forever, nil)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	for name, work := range map[string]func(name string) error{
		"statement on the lane": func(name string) error {
			_, err := r.Do(ctx, lane.JobOptions{Name: name}, run(strings.Replace(endless, "SELECT x FROM c", "SELECT x FROM c WHERE x < 0", 1)))
			return err
		},
		"statement of a closure": func(name string) error {
			_, err := r.Update(ctx, lane.JobOptions{Name: name}, func(tx *lane.Tx) error {
				_, err := tx.Exec(ctx, forever, nil)
				return err
			})
			return err
		},
		"reader":    func(name string) error { return read(name, lane.Normal) },
		"analytics": func(name string) error { return read(name, lane.Analytics) },
	} {
		ended := make(chan error, 1)
		go func() { ended <- work(name) }()
		var a lane.Activity
		eventually(t, name+" to run", func() (ok bool) {
			a, ok = find(r, name)
			return ok && a.State == "running" && strings.Contains(a.SQL, "RECURSIVE")
		})
		if !r.Kill(a.ID) {
			t.Errorf("%s: nothing with number %d", name, a.ID)
		}
		var killed *lane.KilledError
		if err := <-ended; !errors.As(err, &killed) || killed.ID != a.ID || killed.Name != name {
			t.Errorf("%s ended with %v", name, err)
		}
		if _, there := find(r, name); there {
			t.Errorf("%s is still listed", name)
		}
		if r.Kill(a.ID) {
			t.Errorf("%s could be killed twice", name)
		}
	}
	r.must(t, "INSERT INTO t VALUES (2)")
	if n := r.number(t, "SELECT sum(x) FROM t"); n != 3 {
		t.Errorf("sum %d", n)
	}
	if st := r.Stats(); st.Leaked != 0 || st.Readers.Opened > 1 {
		t.Errorf("killing cost connections: %+v", st)
	}
}

// TestKillIdle ends those who are between two statements, at once.
func TestKillIdle(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (x INTEGER) STRICT")
	ctx := t.Context()
	tx, err := r.Begin(ctx, lane.JobOptions{Name: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	if err := run("INSERT INTO t VALUES (1)")(tx); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := r.Do(context.Background(), lane.JobOptions{Name: "next", Class: lane.Trade}, run("INSERT INTO t VALUES (2)"))
		waiting <- err
	}()
	eventually(t, "the next one to wait", func() bool { a, ok := find(r, "next"); return ok && a.State == "waiting" && a.Class == lane.Trade })
	a, ok := find(r, "shell")
	if !ok || a.State != "idle" || a.Lane != "writer" || !strings.HasPrefix(a.SQL, "INSERT") {
		t.Fatalf("the session is shown as %+v", a)
	}
	if !r.Kill(a.ID) {
		t.Fatal("not found")
	}
	if err := <-waiting; err != nil {
		t.Errorf("the next one: %v", err)
	}
	if _, err := tx.Commit(ctx); !errors.Is(err, lane.ErrKilled) {
		t.Errorf("its Commit: %v", err)
	}
	rd, err := r.Read(ctx, lane.ReadOptions{Snapshot: true, Name: "report"})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	c, err := rd.Open(ctx, "SELECT x FROM t UNION ALL SELECT 3 UNION ALL SELECT 4", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a, ok = find(r, "report"); !ok || a.State != "idle" || a.Lane != "reader" {
		t.Fatalf("the report is shown as %+v", a)
	}
	r.Kill(a.ID)
	var last error
	for range 5 { // the first block of rows was read before
		if ok, last = c.Next(ctx); !ok {
			break
		}
	}
	if !errors.Is(last, lane.ErrKilled) {
		t.Errorf("the report went on: %v", last)
	}
	if n := r.number(t, "SELECT sum(x) FROM t"); n != 2 {
		t.Errorf("sum %d, want that of the second alone", n)
	}
}

// TestKillHitsNobodyElse ends sessions at random moments of their lives, while their memory and their connections are used
// again and again. Whoever is ended must be the one who was meant.
func TestKillHitsNobodyElse(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.cfg.Readers.Slots = 1 // so that some are met while they wait for a slot
		s.cfg.Readers.QueueTarget = 0
	})
	fill(t, r, 2000)
	const enough = 300
	deadline := time.Now().Add(time.Minute) // which only a failure reaches
	ctx := t.Context()
	var stop atomic.Bool
	var wg sync.WaitGroup
	var ran, killed, kills atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				name := fmt.Sprintf("%d/%d", g, i)
				err := readSlowly(ctx, r, name)
				var k *lane.KilledError
				switch {
				case errors.As(err, &k):
					killed.Add(1)
					if k.Name != name {
						t.Errorf("%s was ended in place of %s", name, k.Name)
					}
				case err != nil:
					t.Errorf("%s: %v", name, err)
				default:
					ran.Add(1)
				}
			}
		})
	}
	for (ran.Load() < enough || killed.Load() < enough) && time.Now().Before(deadline) {
		for _, a := range r.Activity() {
			if a.ID%3 == 0 && r.Kill(a.ID) {
				kills.Add(1)
			}
		}
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d sessions ran to their end, %d were ended by %d kills", ran.Load(), killed.Load(), kills.Load())
	if ran.Load() < enough || killed.Load() < enough {
		t.Error("too little was tested")
	}
	if st := r.Stats().Readers; st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("%d connections in use and %d waiting afterwards", st.InUse, st.Waiting)
	}
}

func readSlowly(ctx context.Context, r *rig, name string) error {
	c, err := r.Query(ctx, lane.ReadOptions{Name: name}, "SELECT id, v FROM q", nil)
	if err != nil {
		return err
	}
	defer c.Finish()
	for {
		ok, err := c.Next(ctx)
		if err != nil || !ok {
			return err
		}
	}
}
