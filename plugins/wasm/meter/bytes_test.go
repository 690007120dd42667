package meter_test

import (
	"errors"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/meter"
)

const moves = `memory 80 100
data passive "0123456789abcdef"
func $fill (i32 i32 i32) fill
local.get 0
local.get 1
local.get 2
memory.fill
end
func $copy (i32 i32 i32) copy
local.get 0
local.get 1
local.get 2
memory.copy
end
func $init (i32 i32 i32) init
local.get 0
local.get 1
local.get 2
memory.init 0
end
func $grow (i32) -> (i32) grow
local.get 0
memory.grow
end
func $pattern (i32) (i32) pattern
loop
local.get 1
local.get 1
i32.const 31
i32.mul
i32.store8
local.get 1
i32.const 1
i32.add
local.tee 1
local.get 0
i32.lt_u
br_if 0
end
end
`

// TestBytesMoved compares moves that are cut into pieces with the instruction itself, overlapping both ways and around the size of a piece.
func TestBytesMoved(t *testing.T) {
	t.Parallel()
	const large = 100
	wasm := assemble(t, moves)
	plain, metered, err := pairWith(t, wasm, 1<<40, large)
	if err != nil {
		t.Fatal(err)
	}
	piece := uint64(meter.PieceSize)
	if !same(t, "pattern", plain, metered, "pattern", 5<<20) {
		t.Fatal("there is no pattern")
	}
	for _, n := range []uint64{0, 1, piece - 1, piece, piece + 1, 2 * piece, 3*piece + 77} {
		for _, at := range [][2]uint64{{0, 1000}, {1000, 0}, {5, 5}, {piece, 0}, {0, piece}, {7, piece + 9}} {
			if !same(t, "copy", plain, metered, "copy", at[0], at[1], n) {
				t.Errorf("copy %v %d trapped", at, n)
			}
		}
		if !same(t, "fill", plain, metered, "fill", n/2, n, n) {
			t.Errorf("fill %d trapped", n)
		}
	}
	for _, args := range [][3]uint64{{0, 0, 16}, {80, 3, 7}, {9, 16, 0}} {
		if !same(t, "init", plain, metered, "init", args[0], args[1], args[2]) {
			t.Errorf("init %v trapped", args)
		}
	}
	end := uint64(80 << 16)
	for _, c := range []struct {
		fn   string
		args []uint64
	}{
		{"fill", []uint64{end, 1, 1}}, {"fill", []uint64{0xffffffff, 1, 2}}, {"fill", []uint64{0, 1, 0xffffffff}}, {"fill", []uint64{end - piece, 1, piece + 1}},
		{"copy", []uint64{end - 1, 0, 2}}, {"copy", []uint64{0, end, 1}}, {"copy", []uint64{0xfffffff0, 0, 2 * piece}}, {"copy", []uint64{100, 50, 0xffffff00}}, {"copy", []uint64{0xff000000, 0, 0x01000000 + 2*piece}},
		{"init", []uint64{0, 10, 7}}, {"init", []uint64{end, 0, 1}},
	} {
		plain, metered, err := pairWith(t, wasm, 1<<40, large)
		if err != nil {
			t.Fatal(err)
		}
		if same(t, "past the end", plain, metered, c.fn, c.args...) {
			t.Errorf("%s %v did not trap", c.fn, c.args)
		}
	}
}

// TestBytesArePaidFor: fuel grows with what is moved.
func TestBytesArePaidFor(t *testing.T) {
	t.Parallel()
	_, metered, err := pairWith(t, assemble(t, moves), 1<<40, 100)
	if err != nil {
		t.Fatal(err)
	}
	burnt := func(fn string, args ...uint64) int64 {
		if _, err := metered.call(fn, args...); err != nil {
			t.Fatal(err)
		}
		return metered.c.burnt
	}
	for _, fn := range []string{"fill", "copy"} {
		if little, much := burnt(fn, 0, 0, 8), burnt(fn, 0, 0, 4<<20); much-little < 4<<20/8-1 {
			t.Errorf("%s: %d for 8 bytes, %d for 4 MiB", fn, little, much)
		}
	}
	if none, ten := burnt("grow", 0), burnt("grow", 10); ten-none != 10*meter.PageCost {
		t.Errorf("grow: %d, ten pages %d", none, ten)
	}
	metered.c.denied = 0
	if out, err := metered.call("grow", 11); err != nil || int32(out[0]) != -1 || metered.c.denied != 1 {
		t.Errorf("%v %v: the host was told %d times", out, err, metered.c.denied)
	}
	metered.c.limit = 1000
	if _, err := metered.call("fill", 0, 0, 4<<20); !errors.Is(err, errFuel) {
		t.Errorf("4 MiB for 1000 units: %v", err)
	}
}

// TestMemoryIsBounded: the module's own maximum counts where it is lower.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{"memory 1": 15, "memory 1 3": 2, "memory 1 1": 0, "memory 2 60000": 14} {
		_, metered, err := pair(t, assemble(t, text+"\nfunc $g () -> (i32) (i32) g\nloop\ni32.const 1\nmemory.grow\ni32.const -1\ni32.ne\nif\nlocal.get 0\ni32.const 1\ni32.add\nlocal.set 0\nbr 1\nend\nend\nlocal.get 0\nend\n"), 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := metered.call("g"); err != nil || out[0] != want {
			t.Errorf("%s: grew by %v, want %d: %v", text, out, want, err)
		}
	}
}
