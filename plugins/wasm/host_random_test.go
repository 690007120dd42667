package wasm_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk/abi"
)

// TestRandomGuests loads random modules as plug-ins, half of them with random damage, and calls those that load: whatever they do, the host goes on.
func TestRandomGuests(t *testing.T) {
	n := 200
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		n = 5000
	}
	h := host(t, wasm.Options{})
	loaded, refused, faults := 0, 0, map[plugins.FaultKind]int{}
	for seed := range uint64(n) {
		module := assemble(t, wasmtest.Random(seed)+guest("func $v (i32 i32) -> (i64) tg_validate\nlocal.get 0\nlocal.get 1\ni64.extend_i32_u\ncall $f0\nend\n"))
		if r := rand.New(rand.NewPCG(seed, 1)); seed%2 == 1 {
			module = bytes.Clone(module)
			for range 1 + r.IntN(3) {
				module[8+r.IntN(len(module)-8)] = byte(r.Uint32())
			}
		}
		u, err := load(t, h, module, func(m *plugins.Manifest) {
			m.Limits = plugins.Limits{Fuel: 5_000_000, MemoryPages: 16, Deadline: plugins.Duration(time.Second)}
		})
		if err != nil {
			kindOf(t, err) // fails where it is no fault
			refused++
			continue
		}
		loaded++
		var b abi.Batch
		for range 2 {
			if _, err := call(u, orders(&b, 3)); err != nil {
				faults[kindOf(t, err)]++
			}
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	}
	if loaded < n/2 {
		t.Errorf("only %d of %d were loaded", loaded, n)
	}
	t.Logf("%d loaded, %d refused, faults %v", loaded, refused, faults)
}
