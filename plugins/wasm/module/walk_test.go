package module_test

import (
	"slices"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/module"
)

// TestValues: what an instruction computes is counted, what is there already is not, and what is called says how much it leaves. Too few make frames cheaper than they are.
func TestValues(t *testing.T) {
	t.Parallel()
	m, err := module.Parse(assemble(t, `memory 1
table 1
global i64 mut 1
func $two () -> (i64 i64)
  unreachable
end
func $f (i32) -> ()
  i32.const 0
  drop
  i64.const 0
  drop
  f64.const 0
  drop
  local.get 0
  local.tee 0
  local.set 0
  global.get 0
  i32.wrap_i64
  i32.eqz
  i64.load 8
  drop
  call $two
  drop
  drop
  i32.const 0
  call_indirect () -> (i64)
  drop
  i32.const 0
  i32.const 0
  i32.store 0
  nop
end`))
	if err != nil {
		t.Fatal(err)
	}
	w := module.NewWalker(m, 1)
	var got []int
	for w.Next() {
		got = append(got, w.Values())
	}
	want := []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 3, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0}
	if w.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("%v, want %v: %v", got, want, w.Err())
	}
}
