package alert_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/internal/histogram"
)

// BenchmarkStep evaluates seventeen rules of the kinds of the defaults over 150 series, with full windows: the cost of one interval.
func BenchmarkStep(b *testing.B) {
	var all []alert.Definition
	for i, when := range []string{"p95(lat{class=\"c1\"}[2m]) > 500s for 1m least 20", "p95(lat{class=\"c2\"}[10m]) > 500s", "increase(err{type!=\"x\"}[5m]) / increase(lat[5m]) > 200%", "increase(err[5m]) by (type) > 1000000",
		"rate(busy[1m]) > 80000% for 5m", "max(level) by (pool) >= 1e9", "max(level) > 1e9", "full(free[3h]) < 1s", "increase(err[15m]) > 1e9"} {
		all = append(all, alert.Definition{Name: fmt.Sprint("A", i), When: when}, alert.Definition{Name: fmt.Sprint("B", i), When: when})
	}
	rules, mistakes := alert.Compile(all[:17], metrics())
	if mistakes != nil {
		b.Fatal(mistakes)
	}
	watch, at := alert.NewWatch(rules, interval, start()), start()
	var h histogram.Histogram
	for v := range int64(300) {
		h.Add(v * v * 1000)
	}
	samples := []alert.Sample{{Name: "busy"}, {Name: "free"}}
	for i := range 20 {
		samples = append(samples, alert.Sample{Name: "lat", Labels: []alert.Label{{Key: "class", Value: fmt.Sprint("c", i)}}})
	}
	for i := range 28 {
		samples = append(samples, alert.Sample{Name: "err", Labels: []alert.Label{{Key: "type", Value: fmt.Sprint("t", i)}}})
	}
	for i := range 100 {
		samples = append(samples, alert.Sample{Name: "level", Labels: []alert.Label{{Key: "name", Value: fmt.Sprint("n", i)}, {Key: "pool", Value: fmt.Sprint("p", i%10)}}})
	}
	step := func(i int) {
		h.Add(int64(i) * int64(time.Millisecond))
		for k := range samples {
			samples[k].Value = float64(i)
			if samples[k].Name == "lat" {
				samples[k].Histogram = h.Snapshot()
			}
		}
		at = at.Add(interval)
		watch.Step(at, samples)
	}
	for i := range 1100 {
		step(i)
	}
	b.ReportAllocs()
	for i := range b.N {
		step(1100 + i)
	}
}
