package wasm_test

import (
	"testing"
	"time"

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
	fuel, best := int64(0), time.Hour
	b.ReportAllocs()
	for b.Loop() {
		from := time.Now()
		out, err := call(u, orders(&batch, rows))
		if err != nil || len(out.Verdicts) > 0 {
			b.Fatal(out, err)
		}
		best = min(best, time.Since(from))
		fuel = out.Fuel
	}
	b.ReportMetric(float64(best.Nanoseconds())/float64(rows), "best-ns/row")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportMetric(float64(fuel)/float64(rows), "fuel/row")
}

// BenchmarkMetering takes turns between a metered and a plain run of the same guest, and reports the ratio of the best times: a figure that a loaded
// machine does not change much.
func BenchmarkMetering(b *testing.B) {
	tight := small("func $v (i32 i32) -> (i64) (i32 i32) tg_validate\nloop\nlocal.get 2\nlocal.get 3\ni32.add\nlocal.set 2\nlocal.get 3\ni32.const 1\ni32.add\nlocal.tee 3\ni32.const 100000\ni32.lt_u\nbr_if 0\nend\nlocal.get 2\ni64.extend_i32_u\ni64.const 0\ni64.mul\nend\n")
	// The worst that we know: nothing but calls of a function that does next to nothing.
	calls := small("func $add (i32 i32) -> (i32)\nlocal.get 0\nlocal.get 1\ni32.add\nend\nfunc $v (i32 i32) -> (i64) (i32 i32) tg_validate\nloop\nlocal.get 2\nlocal.get 3\ncall $add\nlocal.set 2\nlocal.get 3\ni32.const 1\ni32.add\nlocal.tee 3\ni32.const 100000\ni32.lt_u\nbr_if 0\nend\nlocal.get 2\ni64.extend_i32_u\ni64.const 0\ni64.mul\nend\n")
	for _, g := range []struct {
		name  string
		build func() []byte
	}{
		{"go rule", func() []byte { return wasmtest.Go(b, "testdata/limit") }},
		{"c rule", func() []byte { return wasmtest.C(b, "testdata/limit.c") }},
		{"tight loop", func() []byte { return assemble(b, tight) }},
		{"tiny calls", func() []byte { return assemble(b, calls) }},
	} {
		b.Run(g.name, func(b *testing.B) {
			module := g.build()
			var units [2]*wasm.Unit
			for i := range units {
				h := host(b, wasm.Options{})
				if i == 1 {
					wasm.Unmetered(h)
				}
				units[i] = mustLoad(b, h, module, func(m *plugins.Manifest) { m.Limits.Deadline = plugins.Duration(plugins.MaxDeadline) })
			}
			var batch abi.Batch
			orders(&batch, 1000)
			best := [2]time.Duration{time.Hour, time.Hour}
			for b.Loop() {
				for i, u := range units {
					from := time.Now()
					if out, err := call(u, &batch); err != nil || len(out.Verdicts) > 0 {
						b.Fatal(out, err)
					}
					best[i] = min(best[i], time.Since(from))
				}
			}
			b.ReportMetric(float64(best[0])/float64(best[1]), "metered/plain")
			b.ReportMetric(float64(best[0].Nanoseconds()), "best-ns")
		})
	}
}
