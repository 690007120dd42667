package engine

import (
	"math"
	"runtime/metrics"

	"github.com/tidegate/engine/core/alert/diagnose"
)

// hostWatch tells how the machine treats this process: how long goroutines waited for a processor, and how long the garbage collector stopped
// everything. The zero value is ready; it is used by one goroutine.
type hostWatch struct{ scheduling, pauses []uint64 }

// read adds the levels of the time since the call before.
func (h *hostWatch) read(levels map[string]diagnose.Level) {
	samples := []metrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	for i, of := range []struct {
		name  string
		seen  *[]uint64
		share float64
	}{{"host/scheduling", &h.scheduling, 0.99}, {"host/gc_pause", &h.pauses, 1}} {
		if samples[i].Value.Kind() != metrics.KindFloat64Histogram {
			continue // a runtime that does not have it
		}
		if v, ok := recent(samples[i].Value.Float64Histogram(), of.seen, of.share); ok {
			levels[of.name] = diagnose.Of(v)
		}
	}
}

// recent is the value that the share p of what came since the counts in seen does not exceed.
func recent(now *metrics.Float64Histogram, seen *[]uint64, p float64) (float64, bool) {
	before := *seen
	total := uint64(0)
	came := make([]uint64, len(now.Counts))
	for i, n := range now.Counts {
		if came[i] = n; len(before) == len(came) {
			came[i] = n - before[i]
		}
		total += came[i]
	}
	*seen = append((*seen)[:0], now.Counts...)
	if total == 0 || before == nil {
		return 0, false
	}
	rest := uint64(math.Ceil(p * float64(total)))
	for i, n := range came {
		if rest <= n {
			if end := now.Buckets[i+1]; !math.IsInf(end, 1) {
				return end, true
			}
			return now.Buckets[i], true
		}
		rest -= n
	}
	return 0, false
}
