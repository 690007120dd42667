package wasm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// stingy is a guest whose arena is 64 KiB, the first one, and no more; what comes behind it in memory shows whether the host wrote there. It counts its calls, and fails at
// the second one since it was clean.
func stingy(more string) string {
	return "memory 4\nglobal i32 mut 0\nfunc $marker () -> () tg_abi_1\nend\nfunc $alloc (i32) -> (i32) tg_alloc\nlocal.get 0\ni32.const 65536\ni32.gt_u\nif\ni32.const 0\nreturn\nend\ni32.const 4096\nend\n" + more
}

// TestArenaRefused: a batch for which the guest has no memory is a fault of that batch. The instance is clean behind it, and judges what fits.
func TestArenaRefused(t *testing.T) {
	t.Parallel()
	const once = "func $v (i32 i32) -> (i64) tg_validate\nglobal.get 0\nif\nunreachable\nend\ni32.const 1\nglobal.set 0\ni32.const 69632\ni32.load\nif\nunreachable\nend\ni64.const 0\nend\n"
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, stingy(once)), func(m *plugins.Manifest) { m.Policy.Reset, m.Limits.Instances = "call", 1 })
	var b abi.Batch
	for i := range 3 {
		if _, err := call(u, orders(&b, 1)); err != nil {
			t.Errorf("round %d, a small batch: %v", i, err)
		}
		if b.Size() >= 64<<10 {
			t.Fatal("it is not small")
		}
		if _, err := call(u, orders(&b, 5000)); kindOf(t, err) != plugins.FaultOutOfMemory {
			t.Errorf("round %d, a large batch: %v", i, err)
		}
	}
	if _, err := call(u, orders(&b, 1)); err != nil {
		t.Error(err)
	}
}

// TestConfigurationThatFindsNoRoom: a configuration for which the guest has no memory is not written anywhere else; the plug-in is not loaded.
func TestConfigurationThatFindsNoRoom(t *testing.T) {
	t.Parallel()
	module := assemble(t, stingy(accept+"func $c (i32 i32) -> (i64) tg_configure\ni64.const 0\nend\n"))
	for size, fits := range map[int]bool{1 << 10: true, 70 << 10: false} {
		_, err := load(t, host(t, wasm.Options{}), module, func(m *plugins.Manifest) { m.Config = map[string]any{"text": strings.Repeat("x", size)} })
		if fits != (err == nil) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !fits && kindOf(t, err) != plugins.FaultOutOfMemory {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestFirstArenaRefused: a guest that has no arena, or gives one that is not in its memory, is not loaded.
func TestFirstArenaRefused(t *testing.T) {
	t.Parallel()
	for at, want := range map[int]plugins.FaultKind{0: plugins.FaultOutOfMemory, 4100: plugins.FaultABI, 4<<16 - 65528: plugins.FaultABI, 4<<16 - 65536: 0} {
		module := assemble(t, fmt.Sprintf("memory 4\nfunc $marker () -> () tg_abi_1\nend\nfunc $alloc (i32) -> (i32) tg_alloc\ni32.const %d\nend\n", at)+accept)
		_, err := load(t, host(t, wasm.Options{}), module, nil)
		if want == 0 && err != nil || want != 0 && kindOf(t, err) != want {
			t.Errorf("an arena at %d: %v", at, err)
		}
	}
}
