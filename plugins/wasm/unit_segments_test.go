package wasm_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// TestElementSegments: segments of every kind can be loaded. The runtime once panicked at those that are not active, and took the process with it.
func TestElementSegments(t *testing.T) {
	t.Parallel()
	h := host(t, wasm.Options{})
	const validate = "func $v (i32 i32) -> (i64) tg_validate\ni64.const 0\nend\n"
	for name, table := range map[string]string{
		"active": "table 2 2\nelem 1 $v\n", "passive": "table 2 2\nelem passive $v\n", "declared": "table 2 2\nraw 9 01 03 00 01 00\n", "without a most": "table 2\nelem 0 $v\n",
	} {
		var b abi.Batch
		if _, err := mustLoad(t, h, assemble(t, table+small(validate)), nil).Call(t.Context(), plugins.HookValidate, orders(&b, 1), time.Time{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var f *plugins.Fault
	if _, err := load(t, h, assemble(t, "table 2 2\nelem 2 $v\n"+small(validate)), nil); !errors.As(err, &f) {
		t.Errorf("a segment past the end of its table: %v", err)
	}
}

// TestTableAfterAFault: a guest that has filled its table before it trapped finds it empty again.
func TestTableAfterAFault(t *testing.T) {
	t.Parallel()
	h := host(t, wasm.Options{})
	for name, fill := range map[string]string{
		"table.init": "i32.const 0\ni32.const 0\ni32.const 1\ntable.init 0\n",
		"table.copy": "i32.const 0\ni32.const 1\ni32.const 1\ntable.copy\n",
	} {
		u := mustLoad(t, h, assemble(t, "table 2 2\nelem passive $yes\nelem 1 $yes\n"+small("func $yes () -> (i64)\ni64.const 0\nend\nfunc $v (i32 i32) -> (i64) tg_validate\nlocal.get 0\ni32.load 8\ni32.const 1\ni32.gt_u\nif\n"+fill+
			"unreachable\nend\ni32.const 0\ncall_indirect () -> (i64)\nend\n")), func(m *plugins.Manifest) { m.Limits.Instances = 1 })
		for i, rows := range []int{1, 2, 1} {
			var b abi.Batch
			_, err := u.Call(t.Context(), plugins.HookValidate, orders(&b, rows), time.Time{})
			var f *plugins.Fault
			if !errors.As(err, &f) || f.Kind != plugins.FaultTrap {
				t.Errorf("%s, call %d: %v, want a trap", name, i, err)
			}
		}
	}
}
