package meter_test

import (
	"fmt"
	"strings"
	"testing"
)

// smallLoops are loops that are written several times, each with another way out of it. The first parameter is a value, the second the number of turns; a call in the
// function makes it pay for its frame, so that return becomes a branch.
func smallLoops() map[string]string {
	const (
		head  = "memory 1\nglobal i64 mut 0\nfunc $g () g\nend\nfunc $f (i64 i32) -> (i64) f\n"
		work  = "local.get 0\ni64.const 31\ni64.mul\ni64.const 7\ni64.add\nlocal.set 0\n"
		count = "local.get 1\ni32.const 1\ni32.sub\nlocal.tee 1\n"
		odd   = "local.get 0\ni64.const 5\ni64.shr_u\ni32.wrap_i64\ni32.const 3\ni32.and\n"
	)
	return map[string]string{
		"falls out":      head + "loop\n" + work + count + "br_if 0\nend\nlocal.get 0\nend\n",
		"has a value":    head + "loop i64\n" + work + count + "br_if 0\nlocal.get 0\nend\ni64.const 3\ni64.add\nend\n",
		"branches out":   head + "block\nblock\nloop\n" + work + count + "i32.eqz\nbr_if 1\n" + odd + "i32.eqz\nbr_if 2\nbr 0\nend\nend\nlocal.get 0\ni64.const 1\ni64.add\nlocal.set 0\nend\nlocal.get 0\nend\n",
		"from a block":   head + "block\nloop\nblock\n" + work + count + "i32.eqz\nbr_if 2\n" + odd + "br_table 1 0 1 0\nend\n" + work + "br 0\nend\nend\nlocal.get 0\nend\n",
		"from an if":     head + "block\nloop\n" + work + count + "i32.eqz\nbr_if 1\n" + odd + "if\nbr 1\nelse\n" + work + "br 1\nend\nend\nend\nlocal.get 0\nend\n",
		"returns":        head + "loop\n" + work + count + "i32.eqz\nif\nlocal.get 0\nreturn\nend\nbr 0\nend\nunreachable\nend\n",
		"gives frames":   head + "call $g\nblock\nloop\n" + work + count + "i32.eqz\nif\nlocal.get 0\nreturn\nend\nbr 0\nend\nend\nunreachable\nend\n",
		"has parameters": head + "local.get 0\nraw 03 02\ni64.const 31\ni64.mul\n" + count + "br_if 0\nraw 0b\nend\nfunc $h (i64) -> (i64)\nlocal.get 0\nend\n",
		"out of a body":  head + "block i64\nloop\n" + work + "local.get 0\n" + count + "i32.eqz\nbr_if 1\ndrop\nbr 0\nend\nunreachable\nend\nend\n",
	}
}

// TestSmallLoops: whichever copy of its body a loop is left from, it computes the same, and it pays for four turns at a time.
func TestSmallLoops(t *testing.T) {
	t.Parallel()
	for name, text := range smallLoops() {
		plain, metered, err := pair(t, assemble(t, text), 1<<20)
		if err != nil {
			t.Fatal(name, err)
		}
		for turns := range uint64(20) {
			for _, v := range []uint64{0, 1, 2, 99} {
				if !same(t, name, plain, metered, "f", v, turns+1) {
					t.Fatalf("%s: %d turns do not return", name, turns+1)
				}
			}
		}
	}
	_, metered, err := pair(t, assemble(t, smallLoops()["falls out"]), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var burnt []int64
	for turns := range uint64(12) {
		if _, err := metered.call("f", 1, turns+1); err != nil {
			t.Fatal(err)
		}
		burnt = append(burnt, metered.c.burnt)
	}
	step := burnt[4] - burnt[0]
	for i, b := range burnt {
		if want := burnt[0] + int64(i/4)*step; b != want {
			t.Errorf("%d turns burn %d, want %d", i+1, b, want)
		}
	}
	if per := step / 4; per < 11 || per > 13 { // work, count and branch are eleven instructions, and one is for the turn
		t.Errorf("a turn pays %d", per)
	}
}

// TestUnrollingIsBounded: a module that consists of small loops does not grow to four times its size.
func TestUnrollingIsBounded(t *testing.T) {
	t.Parallel()
	const each, functions = 200, 120
	loop := "loop\n" + strings.Repeat("local.get 0\ni64.const 1234567890123\ni64.add\nlocal.set 0\n", 9) + "local.get 1\nbr_if 0\nend\n"
	var many strings.Builder
	many.WriteString("memory 1\n")
	for i := range functions {
		fmt.Fprintf(&many, "func $f%d (i64 i32) f%d\n%send\n", i, i, strings.Repeat(loop, 10))
	}
	for what, c := range map[string]struct {
		text        string
		loops, most int
	}{
		"one function":   {"memory 1\nfunc $f (i64 i32) f\n" + strings.Repeat(loop, each) + "end\n", each, 12 << 10},
		"many functions": {many.String(), 10 * functions, 290 << 10},
	} {
		wasm := assemble(t, c.text)
		res := rewrite(t, wasm).Wasm
		if more := len(res) - len(wasm) - 25*c.loops; more < c.most/2 || more > c.most { // a payment has 25 bytes
			t.Errorf("%s: it grew by %d bytes besides its payments", what, more)
		}
		if _, err := instantiate(t, res, &counter{}, pages); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
