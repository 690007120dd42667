package meter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/meter"
)

// tiny are leaves of every form: (a, b i32) → i32.
func tiny() map[string]string {
	return map[string]string{
		"adds":     "local.get 0\nlocal.get 1\ni32.add\nend\n",
		"returns":  "local.get 0\ni32.const 3\ni32.and\nif\nlocal.get 1\nreturn\nend\nlocal.get 0\nend\n",
		"branches": "block\nblock\nlocal.get 0\nbr_table 0 1 0\nend\nlocal.get 1\nreturn\nend\nlocal.get 0\ni32.const 7\ni32.xor\nend\n",
		"has more": "local.get 0\nlocal.set 2\nlocal.get 2\nlocal.get 1\ni32.sub\nend\n",
		"stores":   "global.get 0\ni32.const 1\ni32.add\nglobal.set 0\ni32.const 8\nglobal.get 0\ni32.store\nlocal.get 0\nend\n",
		"traps":    "local.get 0\ni32.const 17\ni32.eq\nif\nunreachable\nend\nlocal.get 1\ni32.load\nend\n",
	}
}

// TestLeaves: who calls a small function without loops and calls pays for it, and it does what it did, called by its number, through the table or by the host.
func TestLeaves(t *testing.T) {
	t.Parallel()
	const turn = "local.get 0\ni32.const 1\ni32.sub\nlocal.tee 0\nbr_if 0\nend\nlocal.get 2\nend\n"
	for name, body := range tiny() {
		text := "memory 1\ntable 1\nglobal i32 mut 0\nfunc $g (i32 i32) -> (i32) (i32) g\n" + body + "elem 0 $g\n" +
			"func $loop (i32 i32) -> (i32) (i32) loop\nloop\nlocal.get 1\nlocal.get 0\ncall $g\nlocal.set 2\n" + turn +
			"func $twice (i32 i32) -> (i32) (i32) twice\nloop\nlocal.get 0\ni32.const 1\ni32.and\nif\nlocal.get 1\nlocal.get 0\nlocal.get 1\ncall $g\ncall $g\nlocal.set 2\nend\n" + turn +
			"func $table (i32 i32) -> (i32) (i32) table\nloop\nlocal.get 1\nlocal.get 0\ni32.const 0\ncall_indirect (i32 i32) -> (i32)\nlocal.set 2\n" + turn +
			"func $once (i32 i32) -> (i32) once\nlocal.get 0\nlocal.get 1\ncall $g\nend\n"
		plain, metered, err := pair(t, assemble(t, text), 1<<40)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, fn := range []string{"g", "once", "loop", "twice", "table"} {
			for n := range uint64(24) {
				for _, v := range []uint64{0, 1, 5, 17} {
					if !same(t, name+" in "+fn, plain, metered, fn, n+1, v) && name != "traps" {
						t.Fatalf("%s in %s: nothing to compare for %d and %d", name, fn, n+1, v)
					}
				}
			}
		}
	}
}

// TestLeavesArePaidFor: by each turn of a loop and each call in a row as much as they run, and by a call that has no number as much as ever. So many calls in a row that they would run for long pay one by one.
func TestLeavesArePaidFor(t *testing.T) {
	t.Parallel()
	const work, row = 40, 300
	g := "memory 1\ntable 1\nglobal i64 mut 0\nfunc $g () g\n" + strings.Repeat("global.get 0\ni64.const 1\ni64.add\nglobal.set 0\n", work/4) + "end\nelem 0 $g\n"
	turn := "local.get 0\ni32.const 1\ni32.sub\nlocal.tee 0\nbr_if 0\nend\nend\n"
	text := g + "func $loop (i32) loop\nloop\ncall $g\n" + turn + "func $table (i32) table\nloop\ni32.const 0\ncall_indirect () -> ()\n" + turn + "func $row (i32) row\n" + strings.Repeat("call $g\n", row) + "end\nfunc $long (i32) long\n" + strings.Repeat("call $g\n", 10*row) + "end\n"
	_, metered, err := pair(t, assemble(t, text), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	burnt := func(fn string, args ...uint64) int64 {
		if _, err := metered.call(fn, args...); err != nil {
			t.Fatal(fn, err)
		}
		return metered.c.burnt
	}
	const call = 4 + work + meter.EntryCost
	for _, fn := range []string{"loop", "table"} {
		if per := (burnt(fn, 1001) - burnt(fn, 1)) / 1000; per < call+5 || per > call+12 {
			t.Errorf("a turn of %s pays %d, want %d and a little", fn, per, call)
		}
	}
	if got := burnt("row", 1); got < row*call || got > row*call+meter.EntryCost {
		t.Errorf("%d calls in a row pay %d, want %d", row, got, row*call)
	}
	if before := metered.c.yields; burnt("long", 1) < 10*row*call || metered.c.yields < before+10*row*call/2000 {
		t.Errorf("%d calls in a row pay %d, and come by %d times", 10*row, metered.c.burnt, metered.c.yields-before)
	}
	if got := burnt("g"); got != work+meter.EntryCost {
		t.Errorf("called by the host it pays %d", got)
	}
}

// TestLeavesAreBounded: copies of leaves do not make a large module of a small one, and calls of what has none pay as ever.
func TestLeavesAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("memory 1\nglobal i64 mut 0\n")
	const functions = 2000
	for i := range functions {
		fmt.Fprintf(&b, "func $f%d ()\n%send\n", i, strings.Repeat("global.get 0\ni64.const 9000000000000000000\ni64.add\nglobal.set 0\n", 14))
	}
	b.WriteString("func $all () all\n")
	for i := range functions {
		fmt.Fprintf(&b, "call $f%d\n", i)
	}
	b.WriteString("end\n")
	wasm := assemble(t, b.String())
	if got := len(rewrite(t, wasm).Wasm); got > len(wasm)*6/5+256<<10+functions*24 {
		t.Errorf("%d bytes of %d", got, len(wasm))
	}
	_, metered, err := pair(t, wasm, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := metered.call("all"); err != nil || metered.c.burnt < functions*(4+56+meter.EntryCost) {
		t.Errorf("%v: %d", err, metered.c.burnt)
	}
}
