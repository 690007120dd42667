//go:build linux && !race

package trace_test

import (
	"math"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine/core/trace"
)

// threadTime is the processor time of this thread: what other programs take does not count.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	const thread = 1 // RUSAGE_THREAD
	if err := syscall.Getrusage(thread, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The race detector multiplies the cost, so it is not asked.
//
// The budget of a traced statement on its caller's path: 250 ns of processor time with the two looks at the clock, at the best of many
// rounds, since a neighbour on the same core can make any of them slower. A machine on which the looks alone, a quarter of the cost, take longer than
// that allows is slow as a whole, and gets as much more.
func TestFlightCost(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	statement := &trace.Statement{Query: trace.Describe("SELECT a FROM t WHERE b = 1"), Lane: "reader", Class: "signal"}
	for _, sampled := range []bool{false, true} {
		f := fly(t, trace.Options{Sink: discard{}, Records: 1 << 12})
		ctx := parent(t.Context(), sampled)
		best, clock := math.Inf(1), math.Inf(1)
		const calls = 100_000
		for range 12 {
			began := threadTime(t)
			for range calls {
				statement.Start = time.Now()
				statement.Duration = time.Since(statement.Start)
				f.Statement(ctx, statement)
			}
			best = min(best, float64(threadTime(t)-began)/calls)
			began = threadTime(t)
			for range calls {
				statement.Start = time.Now()
				statement.Duration = time.Since(statement.Start)
			}
			clock = min(clock, float64(threadTime(t)-began)/calls)
		}
		t.Logf("sampled %v: %.0f ns a statement, of which %.0f ns for the clock", sampled, best, clock)
		if limit := max(250, 5*clock); best > limit {
			t.Errorf("sampled %v: a record costs %.0f ns, the budget is %.0f", sampled, best, limit)
		}
	}
}
