package wasm_test

import (
	"testing"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk/abi"
)

// BenchmarkCall is one call with its encoding, metered and not.
func BenchmarkCall(b *testing.B) {
	for _, g := range []struct {
		name  string
		build func() []byte
	}{
		{"go", func() []byte { return wasmtest.Go(b, "testdata/limit") }},
		{"c", func() []byte { return wasmtest.C(b, "testdata/limit.c") }},
	} {
		b.Run(g.name, func(b *testing.B) {
			module := g.build()
			for _, plain := range []bool{false, true} {
				h := host(b, wasm.Options{})
				name := "metered"
				if plain {
					wasm.Unmetered(h)
					name = "plain"
				}
				u := mustLoad(b, h, module, func(m *plugins.Manifest) { m.Limits.Deadline = plugins.Duration(plugins.MaxDeadline) })
				for _, rows := range []int{1, 1000} {
					b.Run(name+map[int]string{1: "/1row", 1000: "/1000rows"}[rows], func(b *testing.B) { bench(b, u, rows) })
				}
			}
		})
	}
}

func bench(b *testing.B, u *wasm.Unit, rows int) {
	var batch abi.Batch
	fuel := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		out, err := call(u, orders(&batch, rows))
		if err != nil || len(out.Verdicts) > 0 {
			b.Fatal(out, err)
		}
		fuel = out.Fuel
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportMetric(float64(fuel)/float64(rows), "fuel/row")
}
