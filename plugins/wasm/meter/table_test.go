package meter_test

import (
	"fmt"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/meter"
	"github.com/tidegate/engine/plugins/wasm/module"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
)

func parse(t testing.TB, text string) *module.Module {
	t.Helper()
	b, err := wasmtest.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := module.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestVolatile: what a snapshot of memory and globals does not bring back is named, or a fault would leave it to the next call.
func TestVolatile(t *testing.T) {
	t.Parallel()
	const zeros = "i32.const 0\ni32.const 0\ni32.const 0\n"
	for body, want := range map[string]bool{
		"nop": false, zeros + "memory.copy": false, zeros + "memory.fill": false, zeros + "memory.init 0": false, "i32.const 0\ni32.const 0\ni32.store 0": false, "i32.const 1\nmemory.grow\ndrop": false,
		"data.drop 0": true, "elem.drop 0": true, zeros + "table.init 0": true, zeros + "table.copy": true,
	} {
		m := parse(t, "memory 1\ntable 4\nelem passive $f\ndata passive \"x\"\nfunc $f () -> () () run\n"+body+"\nend\nfunc $g ()\nnop\nend\n")
		res, err := meter.Rewrite(m, meter.Options{MaxPages: pages})
		if err != nil || res.Volatile != want {
			t.Errorf("%q: %v, %v", body, res.Volatile, err)
		}
	}
}

// TestTablesAreCharged: what changes a table is paid for by the size of the table, and never gives fuel back.
func TestTablesAreCharged(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"table.init 0", "table.copy"} {
		last := int64(0)
		for _, size := range []int{1, 100, 5_000} {
			b, err := wasmtest.Assemble(fmt.Sprintf("memory 1\ntable %[1]d %[1]d\nelem passive $f\nfunc $f () -> () () run\ni32.const 0\ni32.const 0\ni32.const 1\n%[2]s\nend\n", size, op))
			if err != nil {
				t.Fatal(err)
			}
			_, metered, err := pair(t, b, 1<<40)
			if err != nil {
				t.Fatal(err)
			}
			metered.c.slice = 1 << 30
			if _, err := metered.call("run"); err != nil {
				t.Fatal(err)
			}
			if burnt := metered.c.burnt; burnt < int64(size) || burnt <= last {
				t.Errorf("%s of a table of %d burns %d", op, size, burnt)
			} else {
				last = burnt
			}
		}
	}
}

// TestSegmentsStayAsTheyAre: segments of all kinds mean in the rewritten module what they meant, and so do tables without a maximum.
func TestSegmentsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"declared": "table 2 2\nfunc $f () -> () () run\nnop\nend\nraw 9 01 03 00 01 00\n",
		"passive":  "table 2 2\nelem passive $f\nfunc $f () -> () () run\nnop\nend\n",
		"active":   "table 2 2\nelem 1 $f\nfunc $f () -> () () run\nnop\nend\n",
		"no most":  "table 2\nelem 1 $f\nfunc $f () -> () () run\nnop\nend\n",
		"no table": "func $f () -> () () run\nnop\nend\n",
	} {
		m := parse(t, text)
		res, err := meter.Rewrite(m, meter.Options{MaxPages: pages})
		if err != nil {
			t.Fatal(err)
		}
		again, err := module.Parse(res.Wasm)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if fmt.Sprint(len(m.Elements), m.Table) != fmt.Sprint(len(again.Elements), again.Table) && (m.Table == nil) != (again.Table == nil) {
			t.Errorf("%s: %+v, was %+v", name, again.Table, m.Table)
		}
		for i, e := range m.Elements {
			if again.Elements[i].Mode != e.Mode || len(again.Elements[i].Funcs) != len(e.Funcs) {
				t.Errorf("%s: %+v, was %+v", name, again.Elements[i], e)
			}
		}
		plain, err := wasmtest.Assemble(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, metered, err := pair(t, plain, 1<<40); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, err := metered.call("run"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
