package wasm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
)

// TestInspect: what is told of a module is what is in it, and what would refuse it is said without compiling anything.
func TestInspect(t *testing.T) {
	t.Parallel()
	const imports = "import tg now $now () -> (i64)\nimport tg log $log (i32 i32 i32)\nimport wasi_snapshot_preview1 fd_write $w (i32 i32 i32 i32) -> (i32)\nimport wasi_snapshot_preview1 path_open $p (i32) -> (i32)\n"
	granted := func(m *plugins.Manifest) { m.Capabilities.Now = true }
	for _, c := range []struct {
		name, text string
		change     func(*plugins.Manifest)
		speaks     bool
		imports    string
		exports    string
		functions  int
		pages      [2]uint32
		metered    bool
		refusals   []string // a part of each
	}{
		{name: "good", text: "memory 3 16\n" + guest(accept) + "func $x () -> () something\nend\n", speaks: true, exports: "[tg_abi_1 tg_alloc tg_validate]", imports: "[]", functions: 4, pages: [2]uint32{3, 16}, metered: true},
		{name: "without a maximum", text: small(accept), speaks: true, exports: "[tg_abi_1 tg_alloc tg_validate]", imports: "[]", functions: 3, pages: [2]uint32{4, 0}, metered: true},
		{name: "imports", text: imports + small(accept), change: granted, speaks: true, exports: "[tg_abi_1 tg_alloc tg_validate]", functions: 3, pages: [2]uint32{4, 0}, metered: true,
			imports:  "[{tg now :l true} {tg log iii: false} {wasi_snapshot_preview1 fd_write iiii:i true} {wasi_snapshot_preview1 path_open i:i false}]",
			refusals: []string{"import tg.log is not granted"}},
		{name: "another ABI", text: strings.ReplaceAll(small(accept), "tg_abi_1", "tg_abi_9"), exports: "[tg_alloc tg_validate]", imports: "[]", functions: 3, pages: [2]uint32{4, 0}, metered: true,
			refusals: []string{"the module speaks tg_abi_9"}},
		{name: "no memory", text: guest(accept), speaks: true, exports: "[tg_abi_1 tg_alloc tg_validate]", imports: "[]", functions: 3, metered: true, refusals: []string{"the module has no memory"}},
		{name: "too much memory", text: "memory 300\n" + guest(accept), change: func(m *plugins.Manifest) { m.Limits.MemoryPages = 256 }, speaks: true, exports: "[tg_abi_1 tg_alloc tg_validate]", imports: "[]",
			functions: 3, pages: [2]uint32{300, 0}, refusals: []string{"raise limits.memory_pages"}},
		{name: "both", text: "memory 300\n", change: func(m *plugins.Manifest) { m.Limits.MemoryPages = 256 }, exports: "[]", imports: "[]", pages: [2]uint32{300, 0},
			refusals: []string{"the module does not export tg_abi_1", "raise limits.memory_pages"}},
	} {
		code := assemble(t, c.text)
		m := manifest(code)
		if c.change != nil {
			c.change(m)
		}
		got := wasm.Inspect(m, code)
		if got.Speaks != c.speaks || fmt.Sprint(got.Imports) != c.imports || fmt.Sprint(got.Exports) != c.exports || got.Functions != c.functions || [2]uint32{got.Pages, got.MostPages} != c.pages ||
			got.Size != len(code) || (got.Metered > len(code)) != c.metered || !c.metered && got.Metered != 0 {
			t.Errorf("%s: %+v", c.name, got)
		}
		if !slices.EqualFunc(got.Refusals, c.refusals, strings.Contains) {
			t.Errorf("%s is refused with %q, want %q", c.name, got.Refusals, c.refusals)
		}
		if _, err := load(t, host(t, wasm.Options{}), code, c.change); (err == nil) != (len(c.refusals) == 0) {
			t.Errorf("%s: load says %v", c.name, err)
		}
	}
	for _, code := range []string{"", "not a module", "\x00asm\x02\x00\x00\x00"} {
		got := wasm.Inspect(manifest([]byte(code)), []byte(code))
		if len(got.Refusals) != 1 || got.Size != len(code) || got.Metered != 0 || got.Speaks || got.Functions != 0 {
			t.Errorf("%q: %+v", code, got)
		}
	}
}
