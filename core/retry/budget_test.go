package retry_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/core/retry"
)

// TestBudget: however many calls fail, one in ten is run again, once the burst is used up.
func TestBudget(t *testing.T) {
	t.Parallel()
	var b retry.Budget
	granted := 0
	for range 100_000 {
		b.Call()
		for range 3 { // every call asks as often as the table could allow
			if b.Take() {
				granted++
			}
		}
	}
	if granted < 10_000 || granted > 10_000+retry.Burst {
		t.Errorf("%d further runs for 100,000 calls", granted)
	}
	st := b.Stats()
	if st.Calls != 100_000 || st.Granted != uint64(granted) || st.Denied != 300_000-uint64(granted) {
		t.Errorf("%+v", st)
	}
}

// TestBudgetSavesNoMoreThanABurst: a quiet day does not pay for a storm.
func TestBudgetSavesNoMoreThanABurst(t *testing.T) {
	t.Parallel()
	var b retry.Budget
	for range 1_000_000 {
		b.Call()
	}
	granted := 0
	for b.Take() {
		granted++
	}
	if granted != retry.Burst {
		t.Errorf("%d further runs at once, want %d", granted, retry.Burst)
	}
}

func TestBudgetFromManyGoroutines(t *testing.T) {
	t.Parallel()
	var b retry.Budget
	var granted atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10_000 {
				b.Call()
				if b.Take() {
					granted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := granted.Load(); n > 8_000+retry.Burst || n < 8_000 {
		t.Errorf("%d further runs for 80,000 calls", n)
	}
}

func BenchmarkCall(b *testing.B) {
	var budget retry.Budget
	b.ReportAllocs()
	for b.Loop() {
		budget.Call()
	}
}
