package orderlimits_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/policies/orderlimits"
	"github.com/tidegate/engine/sdk/abi"
)

// BenchmarkRule is a call about orders that pass, with its encoding: the rule as a module and as a Go value. The best turn of each is reported, and their
// ratio, which a loaded machine does not change much.
func BenchmarkRule(b *testing.B) {
	module := wasmtest.Go(b, "wasm")
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	load := func(h plugins.Host, name string, module []byte) plugins.Unit {
		m := plugintest.Manifest(b, ".", name, module)
		doc, err := m.Document()
		if err != nil {
			b.Fatal(err)
		}
		u, err := h.Load(b.Context(), plugins.Source{Manifest: m, Module: module, Config: doc})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = u.Close() })
		return u
	}
	units := []plugins.Unit{load(host, "order-limits.wasm", module), load(builtin.New(map[string]func() any{"order-limits": orderlimits.New}, plugins.Services{}), "order-limits", nil)}
	for _, rows := range []int{1, 1000} {
		b.Run(map[int]string{1: "1row", 1000: "1000rows"}[rows], func(b *testing.B) {
			var batch abi.Batch
			batch.Reset(abi.OpInsert, 0, 5)
			for i := range rows {
				batch.Int(int64(i % 40))
				batch.Int(int64(i % 240))
				batch.Int(int64(i % 5000))
				batch.Int(1_000_000 + int64(i))
				batch.Int(1_000_000)
			}
			best, fuel := [2]time.Duration{time.Hour, time.Hour}, int64(0) // of the last call
			for b.Loop() {
				for i, u := range units {
					from := time.Now()
					out, err := u.Call(context.Background(), plugins.HookValidate, &batch, from)
					if err != nil || len(out.Verdicts) > 0 {
						b.Fatal(out, err)
					}
					best[i] = min(best[i], time.Since(from))
					if out.Fuel > 0 {
						fuel = out.Fuel
					}
				}
			}
			b.ReportMetric(float64(best[0].Nanoseconds())/float64(rows), "wasm-ns/row")
			b.ReportMetric(float64(best[1].Nanoseconds())/float64(rows), "builtin-ns/row")
			b.ReportMetric(float64(fuel)/float64(rows), "fuel/row")
		})
	}
}
