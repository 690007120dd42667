//go:build linux && !race

package engine_test

import (
	"math"
	"runtime"
	"syscall"
	"testing"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
)

// TestObservingCost: what is recorded and measured of a statement on its caller's path takes at most 250 ns of processor time, with the two looks at the
// clock, at the best of many rounds, and allocates nothing; with everything switched on that is by default.
func TestObservingCost(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	answering := make(chan struct{})
	close(answering)
	db := open(t, func(c *engine.Config) { c.Trace.Sink = &collector{gate: answering} })
	recorder := db.Recorder()
	st := &trace.Statement{Query: trace.Describe("SELECT a FROM t WHERE b = 1"), Lane: "reader", Class: "normal", RowsReturned: 1, Work: trace.Work{VMSteps: 9}}
	for _, sampled := range []bool{false, true} {
		ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
			TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}, TraceFlags: oteltrace.TraceFlags(0).WithSampled(sampled)}))
		record := func() {
			st.Start = time.Now()
			st.Duration = time.Since(st.Start)
			recorder.Statement(ctx, st)
		}
		for range 70_000 { // each place of the ring is there
			record()
		}
		const calls = 50_000
		best := math.Inf(1)
		for range 20 {
			began := threadTime(t)
			for range calls {
				record()
			}
			best = min(best, float64(threadTime(t)-began)/calls)
		}
		allocations := testing.AllocsPerRun(10_000, record)
		t.Logf("sampled %v: %.0f ns and %v allocations a statement", sampled, best, allocations)
		if best > 250 || !sampled && allocations != 0 { // sampled ones are exported meanwhile, which allocates elsewhere
			t.Errorf("sampled %v: %.0f ns and %v allocations a statement; the budget is 250 and none", sampled, best, allocations)
		}
	}
}

// threadTime is the processor time of this thread.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	const thread = 1 // RUSAGE_THREAD
	if err := syscall.Getrusage(thread, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
