package lane_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/core/lane"
)

// BenchmarkCommit is a durable transaction of one row, from so many callers at once: closures on their callers'
// goroutines, and single statements on the lane's own.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 10, 100} {
		for _, lent := range []bool{true, false} {
			how := "statement"
			if lent {
				how = "closure"
			}
			b.Run(fmt.Sprintf("%s/callers=%d", how, callers), func(b *testing.B) {
				r := build(b, nil)
				r.must(b, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, v INTEGER NOT NULL) STRICT")
				var next atomic.Int64
				b.ReportAllocs()
				before := r.Stats()
				b.SetParallelism(max(1, callers/2)) // times GOMAXPROCS, of which CI has two
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						work := run("INSERT INTO t VALUES (?, 1)", next.Add(1))
						var err error
						if lent {
							_, err = r.Update(b.Context(), lane.JobOptions{}, work)
						} else {
							_, err = r.Do(b.Context(), lane.JobOptions{}, work)
						}
						if err != nil {
							b.Error(err)
						}
					}
				})
				b.StopTimer()
				after := r.Stats()
				b.ReportMetric(float64(b.N)/float64(after.Syncs-before.Syncs), "txn/fsync")
			})
		}
	}
}
