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
	r := build(t, func(s *setup) { s.cfg.Writer.QueueTarget, s.cfg.Readers.QueueTarget = 0, 0 })
	const each, n = 5 * time.Millisecond, 300
	wait := backlog(t, r, lane.JobOptions{}, n, each)
	defer wait()
	eventually(t, "the pace to be known", func() bool { return line(r, lane.Normal).Wait > 0 })
	if r.Stats().Writer.Waiting < 50 {
		t.Skip("the machine was too slow to look while many wait")
	}
	patient := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		if err := slow(r, context.Background(), lane.JobOptions{}, 0); err != nil {
			t.Error(err)
		}
		patient <- time.Since(began)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := slow(r, ctx, lane.JobOptions{}, 0)
	took := time.Since(began)
	var over *lane.OverloadError
	if !errors.As(err, &over) || over.Reason != lane.ReasonDeadline {
		t.Fatalf("got %v after %v", err, took)
	}
	if ctx.Err() != nil || over.Waited > 10*time.Millisecond {
		t.Errorf("it was refused after %v", took)
	}
	if real := <-patient; over.RetryAfter < real/3 || over.RetryAfter > 3*real {
		t.Errorf("told to come again after %v, and who waited was served after %v", over.RetryAfter, real)
	} else {
		t.Logf("told %v, waited %v", over.RetryAfter, real)
	}
	// A deadline that those in line leave time for, and a class that goes before them, are no reason.
	if err := slow(r, context.Background(), lane.JobOptions{Class: lane.Trade}, 0); err != nil {
		t.Errorf("a trade behind nobody: %v", err)
	}
	if q := line(r, lane.Normal); q.Refused.Deadline != 1 {
		t.Errorf("counted %+v", q.Refused)
	}
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
	r.Thaw()
	r.must(t, "INSERT INTO t VALUES (4)")
	if n := r.number(t, "SELECT sum(n) FROM t"); n != 4 {
		t.Errorf("sum %d", n)
	}
}

// TestGreedyTenant: one that asks for all it can get does not make another wait for it.
func TestGreedyTenant(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.QueueTarget = 0 })
	served := func(quiet string) (waited time.Duration) {
		wait := backlog(t, r, lane.JobOptions{Tenant: "greedy"}, 200, 2*time.Millisecond)
		began := time.Now()
		for range 5 {
			if err := slow(r, context.Background(), lane.JobOptions{Tenant: quiet}, 0); err != nil {
				t.Error(err)
			}
		}
		waited = time.Since(began)
		wait()
		return waited
	}
	apart, together := served("quiet"), served("greedy")
	t.Logf("five calls beside 200 of a greedy tenant: %v; as one of it: %v", apart, together)
	if apart*3 > together {
		t.Errorf("five calls of a tenant of its own took %v, of the greedy one %v: they do not take turns", apart, together)
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
	slowdown, d := 4*time.Millisecond, 3*time.Second
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		d = 30 * time.Second
	}
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
	if o.otherwise != nil {
		t.Errorf("failed otherwise: %v", o.otherwise)
	}
	if bar := 3*o.unloaded + 5*time.Millisecond; p95 > bar {
		t.Errorf("p95 of what was accepted is %v, the bar is %v", p95, bar)
	}
	if o.perSecond < 0.9*o.saturatedPerSec {
		t.Errorf("%.0f/s done, %.0f/s when saturated", o.perSecond, o.saturatedPerSec)
	}
	if o.refused == 0 || o.late*20 > o.refused || o.withoutAdvice > 0 {
		t.Errorf("%d refused, %d not at once, %d without RetryAfter", o.refused, o.late, o.withoutAdvice)
	}
	if st := r.Stats().Writer; st.Refused < uint64(o.refused) || line(r, lane.Normal).Refused.Delay == 0 {
		t.Errorf("counted %+v", line(r, lane.Normal))
	}
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
