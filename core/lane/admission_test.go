package lane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// slow is a write transaction that keeps the writer for that long.
func slow(r *rig, ctx context.Context, opt lane.JobOptions, d time.Duration) error {
	_, err := r.Update(ctx, opt, func(*lane.Tx) error {
		<-time.After(d)
		return nil
	})
	return err
}

// backlog has n transactions of that length wait for the writer, on behalf of a tenant, and returns what waits for their end.
func backlog(t *testing.T, r *rig, opt lane.JobOptions, n int, d time.Duration) (wait func()) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := slow(r, context.Background(), opt, d); err != nil && !errors.Is(err, lane.ErrOverloaded) {
				t.Error(err)
			}
		})
	}
	// Not all of them: where the machine lets few of them run at a time the first are done before the last have come.
	eventually(t, "the backlog to wait", func() bool { return r.Stats().Writer.Waiting >= n/2 })
	return wg.Wait
}

// line is the state of a class's line for the writer.
func line(r *rig, c lane.Class) lane.QueueStats {
	for _, q := range r.Stats().Writer.Queues {
		if q.Class == c {
			return q
		}
	}
	return lane.QueueStats{}
}

// TestHopelessWaitsAreRefusedAtOnce: who would still be in line at its deadline hears so at once, and is told when to come again. What it
// is told is compared with what somebody waits who has the patience.
func TestHopelessWaitsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	clean(t, time.Minute, func() []string { return hopelessOnce(t) })
}

func hopelessOnce(t *testing.T) (bad []string) {
	r := build(t, func(s *setup) {
		s.cfg.Writer.QueueTarget, s.cfg.Readers.QueueTarget = 0, 0
		s.cfg.Writer.Hold = time.Minute
	})
	const each, n = 5 * time.Millisecond, 400
	turns := make(chan struct{}) // the test says when who has the writer gives it back
	serve := func(n int) {
		for range n {
			<-time.After(each)
			turns <- struct{}{}
		}
	}
	patient := func() error {
		_, err := r.Update(context.Background(), lane.JobOptions{}, func(*lane.Tx) error { <-turns; return nil })
		return err
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := patient(); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all to wait", func() bool { return r.Stats().Writer.Waiting == n-1 })
	served := 0 // until the pace is known, by when somebody has waited
	for ; line(r, lane.Normal).Wait == 0 && served < n/2; served++ {
		serve(1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := slow(r, ctx, lane.JobOptions{}, 0)
	took := time.Since(began)
	var over *lane.OverloadError
	if !errors.As(err, &over) || over.Reason != lane.ReasonDeadline {
		over = &lane.OverloadError{}
		bad = append(bad, fmt.Sprintf("got %v after %v, with %d served", err, took, served))
	}
	if over.Waited > 10*time.Millisecond {
		bad = append(bad, fmt.Sprintf("it was refused after %v", took))
	}
	began = time.Now()
	wg.Go(func() { // one with patience, behind all others
		if err := slow(r, context.Background(), lane.JobOptions{}, 0); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the patient one to wait", func() bool { return r.Stats().Writer.Waiting >= n-served-1 })
	trade := make(chan error, 1)
	go func() { trade <- slow(r, context.Background(), lane.JobOptions{Class: lane.Trade}, 0) }()
	// A class that goes before those in line has nothing to fear from them.
	for waits := true; waits; {
		select {
		case err := <-trade:
			if err != nil {
				t.Errorf("a trade behind nobody: %v", err)
			}
			waits = false
		case turns <- struct{}{}:
			served++
		}
	}
	serve(n - served)
	wg.Wait()
	if real := time.Since(began); over.RetryAfter < real/3 || over.RetryAfter > 3*real {
		bad = append(bad, fmt.Sprintf("told to come again after %v, and who waited was served after %v", over.RetryAfter, real))
	} else {
		t.Logf("told %v, waited %v", over.RetryAfter, real)
	}
	if q := line(r, lane.Normal); q.Refused.Deadline != 1 && len(bad) == 0 {
		t.Errorf("counted %+v", q.Refused)
	}
	return bad
}

// TestFrozenRefusesAtOnce: nobody queues for a writer that will not write, however long the one before it takes; and who waits already is
// told when its turn comes.
func TestFrozenRefusesAtOnce(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE t (n INTEGER) STRICT")
	inside, leave, first, second := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Update(context.Background(), lane.JobOptions{RunOnce: true, Hold: time.Minute}, func(*lane.Tx) error { close(inside); <-leave; return nil })
		first <- err
	}()
	<-inside
	go func() { second <- r.exec(context.Background(), "INSERT INTO t VALUES (2)") }()
	eventually(t, "the second to wait", func() bool { return r.Stats().Writer.Waiting == 1 })
	why := errors.New("frozen for the test")
	r.Freeze(why)
	refused := make(chan error, 1)
	go func() { refused <- r.exec(context.Background(), "INSERT INTO t VALUES (3)") }()
	select {
	case err := <-refused:
		if !errors.Is(err, why) {
			t.Errorf("refused with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it waits for the writer")
	}
	close(leave)
	if err := <-second; !errors.Is(err, why) {
		t.Errorf("who waited was told %v", err)
	}
	<-first // its group may or may not have begun before
	before := r.Stats().Writer.File.Reconnects
	r.Thaw()
	r.must(t, "INSERT INTO t VALUES (4)")
	if n := r.Stats().Writer.File.Reconnects - before; n != 1 {
		t.Errorf("the writer has opened %d connections on the file that was put in order, want 1", n)
	}
	if n := r.number(t, "SELECT sum(n) FROM t"); n != 4 {
		t.Errorf("sum %d", n)
	}
}

// TestGreedyTenant: one that asks for all it can get does not make another wait for it. Both stand in line before the first is served; how many
// of the greedy one's calls go before the other's is what counts, and no clock.
func TestGreedyTenant(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.cfg.Writer.QueueTarget = 0
		s.cfg.Writer.Hold = time.Minute
	})
	served := func(quiet string) (before int) {
		inside, leave := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		call := func(opt lane.JobOptions, run func(*lane.Tx) error) {
			wg.Go(func() {
				if _, err := r.Do(context.Background(), opt, run); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := r.Update(context.Background(), lane.JobOptions{RunOnce: true}, func(*lane.Tx) error { close(inside); <-leave; return nil }); err != nil {
				t.Error(err)
			}
		})
		<-inside
		var greedy, last atomic.Int64
		for range 200 {
			call(lane.JobOptions{Tenant: "greedy"}, func(*lane.Tx) error { greedy.Add(1); return nil })
		}
		eventually(t, "the greedy one to wait", func() bool { return r.Stats().Writer.Waiting == 200 })
		for range 5 {
			call(lane.JobOptions{Tenant: quiet}, func(*lane.Tx) error { last.Store(greedy.Load()); return nil })
		}
		eventually(t, "the quiet one to wait", func() bool { return r.Stats().Writer.Waiting == 205 })
		close(leave)
		wg.Wait()
		return int(last.Load())
	}
	if n := served("quiet"); n > 6 {
		t.Errorf("%d calls of the greedy tenant went before the last of five of another: they do not take turns", n)
	}
	if n := served("greedy"); n < 195 { // what the test would see if they did not
		t.Errorf("%d calls of 200 went before the last of five of the same tenant", n)
	}
}

// TestTenantQuotaOfReaders: a tenant that keeps rows open cannot take all connections, and what it may have comes back.
func TestTenantQuotaOfReaders(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.cfg.Quotas = lane.Quotas{Tenants: map[string]lane.Quota{"hoarder": {InFlight: 2, Queued: 1}}}
		s.cfg.Readers.QueueTimeout = 200 * time.Millisecond
	})
	fill(t, r, 10)
	mine := lane.ReadOptions{Tenant: "hoarder", Snapshot: true}
	var held []*lane.Reader
	for range 2 {
		rd, err := r.Read(t.Context(), mine)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, rd)
	}
	third := make(chan error, 1)
	read := func() {
		rd, err := r.Read(context.Background(), mine)
		if err == nil {
			rd.Close()
		}
		third <- err
	}
	go read()
	eventually(t, "the third to wait", func() bool { return r.Stats().Readers.Waiting == 1 })
	var over *lane.OverloadError
	if _, err := r.Read(t.Context(), mine); !errors.As(err, &over) || over.Reason != lane.ReasonQuota {
		t.Errorf("a fourth got %v", err)
	}
	if n := r.number(t, "SELECT count(*) FROM q"); n != 10 { // others do not notice
		t.Errorf("%d rows", n)
	}
	if err := <-third; !errors.As(err, &over) || over.Reason != lane.ReasonTimeout || over.Hint == "" {
		t.Errorf("the third ended with %v", err)
	}
	go read()
	held[0].Close()
	if err := <-third; err != nil {
		t.Errorf("one was closed, and the next got %v", err)
	}
	held[1].Close()
	q := r.Stats().Readers.Queues[2]
	if q.Class != lane.Normal || q.Refused.Quota != 1 || q.Refused.Timeout != 1 || r.Stats().Readers.InUse != 0 {
		t.Errorf("%+v", q)
	}
}

// TestTenantQuotaOfGroups: of a group a tenant has no more members than it may have in flight.
func TestTenantQuotaOfGroups(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.cfg.Writer.GroupTime = time.Minute
		s.cfg.Quotas.Default.InFlight = 3
	})
	r.must(t, "CREATE TABLE t (n INTEGER) STRICT")
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := r.Update(context.Background(), lane.JobOptions{}, func(*lane.Tx) error { close(inside); <-leave; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-inside
	var most atomic.Int64
	for range 20 {
		wg.Go(func() {
			rep, err := r.Do(context.Background(), lane.JobOptions{Tenant: "desk"}, run("INSERT INTO t VALUES (1)"))
			if err != nil {
				t.Error(err)
			}
			for old := most.Load(); int64(rep.GroupSize) > old && !most.CompareAndSwap(old, int64(rep.GroupSize)); old = most.Load() {
			}
		})
	}
	eventually(t, "all to wait", func() bool { return r.Stats().Writer.Waiting == 20 })
	close(leave)
	wg.Wait()
	if n := r.number(t, "SELECT count(*) FROM t"); n != 20 || most.Load() > 4 {
		t.Errorf("%d rows, the largest group had %d members; the tenant may have three, and the first was another's", n, most.Load())
	}
}

// overloaded offers five times what a lane does and returns what became of it.
type overloaded struct {
	accepted        []time.Duration
	refused, late   int // late: refused, but not at once
	withoutAdvice   int
	perSecond       float64
	otherwise       error
	saturatedPerSec float64
	unloaded        time.Duration // p95
}

// TestOverload: at five times of what the writer can do, what is accepted keeps its p95, the rest is refused at once with advice, and as
// much is done as ever. The disk is slowed down, so that it is what limits and not the machine that also has to make the load.
func TestOverload(t *testing.T) {
	slowdown, d := 4*time.Millisecond, 2*time.Second
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		d = 30 * time.Second
	}
	clean(t, 90*time.Second, func() []string { return overloadOnce(t, slowdown, d) })
}

// overloadOnce measures once and returns what was not as it should be.
func overloadOnce(t *testing.T, slowdown, d time.Duration) (bad []string) {
	r := build(t, func(s *setup) {
		s.opt.Faults = slowSync(slowdown)
		s.cfg.Writer.GroupJobs, s.cfg.Writer.Queue = 8, 512 // some 1,500 a second
		s.cfg.Writer.QueueTimeout = 2 * time.Second
	})
	r.must(t, "CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT")
	var o overloaded
	one := func() (time.Duration, error) {
		began := time.Now()
		err := r.exec(context.Background(), "INSERT INTO t DEFAULT VALUES")
		return time.Since(began), err
	}
	alone := func() time.Duration {
		var all []time.Duration
		for range 200 {
			took, err := one()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, took)
		}
		return quantile(all, 0.95)
	}
	o.unloaded = alone()
	o.saturatedPerSec = saturated(t, r, 64, d/2)
	o.offer(t, one, 5*o.saturatedPerSec, d)
	// Once more: others may have come or gone on this machine meanwhile, and the bars are about load and not about them.
	o.saturatedPerSec = min(o.saturatedPerSec, saturated(t, r, 64, d/2))
	o.unloaded = max(o.unloaded, alone())
	p95 := quantile(o.accepted, 0.95)
	t.Logf("unloaded p95 %v; saturated %.0f/s; at five times that: %.0f/s with p95 %v, %d refused, %d of them not at once", o.unloaded,
		o.saturatedPerSec, o.perSecond, p95, o.refused, o.late)
	complain := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if o.otherwise != nil {
		t.Errorf("failed otherwise: %v", o.otherwise)
	}
	if bar := 3*o.unloaded + 5*time.Millisecond; p95 > bar {
		complain("p95 of what was accepted is %v, the bar is %v", p95, bar)
	}
	if o.perSecond < 0.9*o.saturatedPerSec {
		complain("%.0f/s done, %.0f/s when saturated", o.perSecond, o.saturatedPerSec)
	}
	if o.withoutAdvice > 0 {
		t.Errorf("%d refused, %d without RetryAfter", o.refused, o.withoutAdvice)
	}
	if o.refused == 0 {
		complain("nothing was refused")
	}
	if o.late*20 > o.refused {
		complain("of %d that were refused %d were not at once", o.refused, o.late)
	}
	switch st := r.Stats().Writer; {
	case st.Refused < uint64(o.refused):
		t.Errorf("%d were refused, counted %+v", o.refused, line(r, lane.Normal))
	case line(r, lane.Normal).Refused.Delay == 0:
		complain("none for its delay: %+v", line(r, lane.Normal))
	}
	return bad
}

// slowSync is a disk whose fsync takes longer.
type slowSync time.Duration

func (s slowSync) Before(op sqlite.Op) error {
	if op.Kind == sqlite.OpSync && op.File == sqlite.FileWAL {
		<-time.After(time.Duration(s))
	}
	return nil
}

// saturated is how many transactions a second a closed loop gets.
func saturated(t *testing.T, r *rig, callers int, d time.Duration) float64 {
	t.Helper()
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range callers {
		wg.Go(func() {
			for time.Since(began) < d {
				switch err := r.exec(context.Background(), "INSERT INTO t DEFAULT VALUES"); {
				case err == nil:
					n.Add(1)
				case errors.Is(err, lane.ErrOverloaded): // of the overload before
					time.Sleep(time.Millisecond)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}

// offer is the open loop: calls begin when they are due, whatever became of those before. The first second, in which the lane finds out,
// and a half is not counted.
func (o *overloaded) offer(t *testing.T, one func() (time.Duration, error), perSecond float64, d time.Duration) {
	t.Helper()
	const settle = 1500 * time.Millisecond
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	done := 0
	for n := 0; time.Since(began) < d+settle; {
		for due := int(time.Since(began).Seconds() * perSecond); n < due; n++ {
			counts := time.Since(began) >= settle
			wg.Go(func() {
				took, err := one()
				mu.Lock()
				defer mu.Unlock()
				var over *lane.OverloadError
				switch {
				case errors.As(err, &over):
					if !counts {
						return
					}
					o.refused++
					if over.Waited > 2*time.Millisecond {
						o.late++
					}
					if over.RetryAfter <= 0 {
						o.withoutAdvice++
					}
				case err != nil:
					o.otherwise = err
				case counts:
					o.accepted = append(o.accepted, took)
					done++
				}
			})
		}
		time.Sleep(time.Millisecond)
	}
	spent := time.Since(began) - settle
	wg.Wait()
	o.perSecond = float64(done) / spent.Seconds()
}
