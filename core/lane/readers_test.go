package lane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/internal/clock"
)

func fill(t testing.TB, r *rig, rows int) {
	t.Helper()
	r.must(t, "CREATE TABLE q (id INTEGER NOT NULL PRIMARY KEY, v INTEGER NOT NULL) STRICT")
	if err := r.exec(t.Context(), "INSERT INTO q WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < ?) SELECT x, x % 7 FROM c", int64(rows)); err != nil {
		t.Fatal(err)
	}
}

// loop keeps rows open, pauses at each, and runs a second query inside the loop: what every ORM does. It counts the rows.
func loop(ctx context.Context, r *rig, snapshot bool, pause time.Duration, rows *atomic.Int64) error {
	rd, err := r.Read(ctx, lane.ReadOptions{})
	if err != nil {
		return err
	}
	defer rd.Close()
	c, err := rd.Open(ctx, "SELECT id FROM q ORDER BY id", nil)
	if err != nil {
		return err
	}
	for {
		ok, err := c.Next(ctx)
		if err != nil || !ok {
			return err
		}
		inner, err := r.Read(ctx, lane.ReadOptions{Snapshot: snapshot})
		if err != nil {
			return err
		}
		i, err := inner.Open(ctx, "SELECT v FROM q WHERE id = ?", []any{c.Row()[0].Int})
		if err == nil {
			_, err = i.Next(ctx)
		}
		inner.Close()
		if err != nil {
			return err
		}
		rows.Add(1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// rate runs 100 such loops for a while.
func rate(t *testing.T, r *rig, snapshot bool, d time.Duration) (rows int64, failed int64) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var n, bad atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := loop(ctx, r, snapshot, 20*time.Millisecond, &n); err != nil && ctx.Err() == nil {
					bad.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return n.Load(), bad.Load()
}

// warm opens connections ahead, so that the rate is that of a program that has been running for a while.
func warm(t *testing.T, r *rig, n int) {
	t.Helper()
	var open []*lane.Reader
	for range n {
		rd, err := r.Read(t.Context(), lane.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, rd)
	}
	for _, rd := range open {
		rd.Close()
	}
}

func TestOpenRowsDoNotStarveOthers(t *testing.T) {
	d := time.Second
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		d = 10 * time.Second
	}
	r := build(t, nil)
	fill(t, r, 500)
	warm(t, r, 110)
	// The same with four connections: the classical pool. Its loops wait for each other until they time out.
	four := build(t, func(s *setup) { s.cfg.Readers.Conns, s.cfg.Readers.QueueTimeout = 4, 200*time.Millisecond })
	fill(t, four, 500)
	clean(t, time.Minute, func() []string {
		byQuery, failed := rate(t, r, false, d)
		byView, failedView := rate(t, r, true, d)
		if failed+failedView > 0 {
			t.Errorf("%d loops failed", failed+failedView)
		}
		few, fewFailed := rate(t, four, false, d)
		t.Logf("rows a second with a second query inside the loop: %.0f by Query, %.0f by View; %.0f from 4 connections, with %d failures",
			float64(byQuery)/d.Seconds(), float64(byView)/d.Seconds(), float64(few)/d.Seconds(), fewFailed)
		if byQuery == 0 || byView == 0 || byQuery < 10*few || byView < 10*few {
			return []string{fmt.Sprintf("%d and %d rows against %d from four connections: less than ten times", byQuery, byView, few)}
		}
		return nil
	})
}

// TestTenThousandSessions: sessions that hold nothing between calls share a handful of connections, and none starves.
func TestTenThousandSessions(t *testing.T) {
	r := build(t, nil)
	fill(t, r, 1000)
	const sessions = 10_000
	counts := make([]atomic.Int64, sessions)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var bad, total atomic.Int64
	var first atomic.Pointer[error]
	for s := range counts {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := r.readNumber(ctx, "SELECT v FROM q WHERE id = ?", int64(1+s%1000)); err != nil {
					if ctx.Err() == nil {
						bad.Add(1)
						first.CompareAndSwap(nil, &err)
					}
					continue
				}
				counts[s].Add(1)
				if total.Add(1) == 12*sessions { // enough to compare them, however slow the machine
					cancel()
				}
			}
		})
	}
	inUse := usage(ctx, r)
	wg.Wait()
	var sum int64
	all := make([]int64, sessions)
	for i := range counts {
		all[i] = counts[i].Load()
		sum += all[i]
	}
	slices.Sort(all)
	mean := float64(sum) / sessions
	st := r.Stats().Readers
	t.Logf("%d reads by %d sessions: slowest %d, mean %.1f, fastest %d; %d connections in use at most times, %d at most", sum, sessions, all[0], mean,
		all[sessions-1], inUse, st.Open)
	if bad.Load() > 0 {
		t.Errorf("%d reads failed, the first with %v", bad.Load(), *first.Load())
	}
	if float64(all[0]) < mean/3 {
		t.Errorf("the slowest session did %d, less than a third of the mean %.1f", all[0], mean)
	}
	// A session that is kept from running in the middle of a call keeps its connection meanwhile, and on a busy machine several are at the
	// same moment. Sessions that held one between two calls would need all there are.
	if inUse > 16 || st.Open > lane.DefaultConfig().Readers.Conns/2 {
		t.Errorf("%d connections in use at most times and %d at most, for sessions that hold nothing", inUse, st.Open)
	}
}

// usage is how many connections of readers are in use at half of the moments until ctx ends, at most.
func usage(ctx context.Context, r *rig) int {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var seen []int
	for ctx.Err() == nil {
		seen = append(seen, r.Stats().Readers.InUse)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	slices.Sort(seen)
	return seen[len(seen)/2]
}

// snapshots opens so many at once.
func snapshots(t *testing.T, r *rig, n int) (open []*lane.Reader) {
	t.Helper()
	for range n {
		rd, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, rd)
	}
	return open
}

func TestIdleConnectionsClose(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	r := build(t, func(s *setup) { s.cfg.Clock = fake })
	fill(t, r, 10)
	open := snapshots(t, r, 20)
	if st := r.Stats().Readers; st.Open != 20 || st.InUse != 20 {
		t.Fatalf("%d open, %d in use, want 20", st.Open, st.InUse)
	}
	for _, rd := range open {
		rd.Close()
	}
	if st := r.Stats().Readers; st.Open != 20 || st.Idle != 20 {
		t.Fatalf("%d open, %d idle, want 20", st.Open, st.Idle)
	}
	fake.Advance(4 * time.Minute)
	for range 5 { // one session goes on: last in, first out, so one connection stays warm
		r.number(t, "SELECT count(*) FROM q")
	}
	if st := r.Stats().Readers; st.Open != 20 {
		t.Fatalf("%d open before the time-out, want 20", st.Open)
	}
	fake.Advance(90 * time.Second)
	eventually(t, "idle connections to close", func() bool { return r.Stats().Readers.Open == 1 })
	fake.Advance(10 * time.Minute)
	eventually(t, "the last one to close", func() bool { return r.Stats().Readers.Open == 0 })
	if n := r.number(t, "SELECT count(*) FROM q"); n != 10 {
		t.Errorf("%d rows after all were closed", n)
	}
}

// TestFreshConnections: who asks for one that nobody has used gets it, though another is idle; where no more may be opened it takes what
// there is.
func TestFreshConnections(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Readers.Conns = 3 })
	fill(t, r, 10)
	r.number(t, "SELECT count(*) FROM q")
	for want := uint64(2); want <= 3; want++ {
		rd, err := r.Read(t.Context(), lane.ReadOptions{Fresh: true})
		if err != nil {
			t.Fatal(err)
		}
		defer rd.Close()
		if st := r.Stats().Readers; st.Opened != want || st.Idle != 1 {
			t.Errorf("%d opened, %d idle; want %d and the one of before", st.Opened, st.Idle, want)
		}
	}
	c, err := r.Query(t.Context(), lane.ReadOptions{Fresh: true}, "SELECT count(*) FROM q", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Close(); r.Stats().Readers.Opened != 3 {
		t.Errorf("%d opened of three that may be", r.Stats().Readers.Opened)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestConnectionLimitNamesTheRemedy: beyond the limit a call waits, then says what holds everything.
func TestConnectionLimitNamesTheRemedy(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Readers.Conns, s.cfg.Readers.QueueTimeout = 2, 50*time.Millisecond })
	fill(t, r, 10)
	open := snapshots(t, r, 2)
	_, err := r.Read(t.Context(), lane.ReadOptions{})
	var over *lane.OverloadError
	if !errors.As(err, &over) || over.Hint == "" || over.Waited < 50*time.Millisecond {
		t.Fatalf("got %v", err)
	}
	for _, rd := range open {
		rd.Close()
	}
	if st := r.Stats().Readers; st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("in use %d, waiting %d afterwards", st.InUse, st.Waiting)
	}
}

// TestConnectionComesBack: who waits at the limit is served when a connection comes back.
func TestConnectionComesBack(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Readers.Conns = 2 })
	fill(t, r, 10)
	open := snapshots(t, r, 2)
	got := make(chan error, 1)
	go func() {
		rd, err := r.Read(t.Context(), lane.ReadOptions{})
		if err == nil {
			rd.Close()
		}
		got <- err
	}()
	eventually(t, "a caller to wait in line", func() bool { return r.Stats().Readers.Waiting == 1 })
	open[0].Close()
	if err := <-got; err != nil {
		t.Errorf("a caller in line was not served when a connection came back: %v", err)
	}
	open[1].Close()
	if st := r.Stats().Readers; st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("in use %d, waiting %d afterwards", st.InUse, st.Waiting)
	}
}

// TestCancelledRead: a context ends a read in the middle of a step, and the connection is fit for the next.
func TestCancelledRead(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	fill(t, r, 10)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := r.readNumber(ctx, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if n := r.number(t, "SELECT count(*) FROM q"); n != 10 {
		t.Errorf("%d rows", n)
	}
	if st := r.Stats().Readers; st.Opened != 1 {
		t.Errorf("%d connections opened: an interruption must not cost one", st.Opened)
	}
}

// TestFatConnectionsRetire: what SQLite has taken it gives back only when the connection is closed, so a connection that has grown
// beyond its bound is closed when it comes back.
func TestFatConnectionsRetire(t *testing.T) {
	t.Parallel()
	reads := func(bound int64) lane.PoolStats {
		r := build(t, func(s *setup) { s.cfg.Readers.MemoryBound = bound })
		fill(t, r, 20_000)
		for range 100 {
			r.number(t, "SELECT sum(v) FROM q")
		}
		return r.Stats().Readers
	}
	if st := reads(64 << 10); st.Retired == 0 || st.Opened < 2 {
		t.Errorf("no connection was retired: %+v", st)
	}
	if st := reads(64 << 20); st.Retired != 0 || st.Opened != 1 {
		t.Errorf("a connection within its bound was retired: %+v", st)
	}
}
