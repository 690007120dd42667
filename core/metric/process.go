package metric

import "runtime/metrics"

// GatherProcess adds the readings of the Go runtime.
func GatherProcess(add func(Reading)) {
	samples := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	value := func(i int) float64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0 // a runtime that does not have it
		}
		return float64(samples[i].Value.Uint64())
	}
	add(Reading{ID: GoGoroutines, Value: value(0)})
	add(Reading{ID: GoMemoryUsed, Value: value(1) - value(2)})
	add(Reading{ID: GoMemoryAllocated, Value: value(3)})
	add(Reading{ID: GoCollections, Value: value(4)})
}
