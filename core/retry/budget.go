package retry

import (
	"sync"
	"sync/atomic"
)

// Burst is how many further runs a Budget grants ahead of any traffic, and the most that it saves up.
const Burst = 10

// PerRetry is the number of calls that earn one further run: ten, so that retries never add more than a tenth to the traffic.
const PerRetry = 10

// Budget is the token bucket that keeps retries from becoming the load that makes the next call fail. The zero value is full. Safe for
// concurrent use.
type Budget struct {
	calls atomic.Uint64

	mu      sync.Mutex
	seen    uint64 // calls that were turned into credit
	spent   int    // below a full bucket, in calls
	granted uint64
	denied  uint64
}

// Call counts one call. It is the only part on the way of calls that succeed: one atomic addition.
func (b *Budget) Call() { b.calls.Add(1) }

// Take asks for one further run.
func (b *Budget) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls.Load()
	b.spent -= int(min(calls-b.seen, uint64(b.spent)))
	b.seen = calls
	if b.spent+PerRetry > Burst*PerRetry {
		b.denied++
		return false
	}
	b.spent += PerRetry
	b.granted++
	return true
}

// BudgetStats is what a Budget has seen.
type BudgetStats struct {
	Calls   uint64 // calls of callers
	Granted uint64 // further runs
	Denied  uint64 // further runs that the budget refused
}

// Stats returns the figures so far.
func (b *Budget) Stats() BudgetStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetStats{Calls: b.calls.Load(), Granted: b.granted, Denied: b.denied}
}
