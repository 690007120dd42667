package meter_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestLoopsPay: each turn pays for at least the instructions that it ran, wherever in the loop it went, and for not much more.
func TestLoopsPay(t *testing.T) {
	t.Parallel()
	const heavy, turns = 150, 1000
	work := strings.Repeat("global.get 0\ni64.const 1\ni64.add\nglobal.set 0\n", heavy/4)
	count := "local.get 1\ni32.const 1\ni32.sub\nlocal.tee 1\nbr_if %d\n"
	// The first parameter says which way each turn goes, the second how many turns there are.
	dispatch := "memory 1\nglobal i64 mut 0\nfunc $f (i32 i32) f\nblock\nloop\nblock\nblock\nblock\nlocal.get 0\nbr_table 0 1 2 2\nend\n" +
		work + fmt.Sprintf(count, 2) + "br 3\nend\n" + work + work + fmt.Sprintf(count, 1) + "br 2\nend\n" + work + work + work + fmt.Sprintf(count, 0) + "end\nend\nend\n"
	arms := "memory 1\nglobal i64 mut 0\nfunc $f (i32 i32) f\nloop\nlocal.get 0\nif\n" + work + work + "else\n" + work + "end\nlocal.get 0\ni32.const 2\ni32.eq\nif\n" + work + "end\n" + fmt.Sprintf(count, 0) + "end\nend\n"
	narrow := "memory 1\nglobal i64 mut 0\nfunc $f (i32 i32) f\nloop\nglobal.get 0\ni64.const 1\ni64.add\nglobal.set 0\n" + fmt.Sprintf(count, 0) + "end\nend\n"
	nested := "memory 1\nglobal i64 mut 0\nfunc $f (i32 i32) (i32) f\nloop\nblock\nlocal.get 0\nbr_if 0\ni32.const 9\nlocal.set 2\nloop\n" + work +
		"local.get 2\ni32.const 1\ni32.sub\nlocal.tee 2\nbr_if 0\nend\nend\n" + work + fmt.Sprintf(count, 0) + "end\nend\n"
	// Each turn runs the inner loop to its end, a hundred turns.
	small := "memory 1\nfunc $f (i32 i32) (i32) f\nloop\ni32.const 100\nlocal.set 2\nloop\nlocal.get 2\ni32.const 1\ni32.sub\nlocal.tee 2\nbr_if 0\nend\n" + fmt.Sprintf(count, 0) + "end\nend\n"
	called := "memory 1\nfunc $g ()\nend\nfunc $f (i32 i32) f\nloop\ncall $g\n" + fmt.Sprintf(count, 0) + "end\nend\n"
	for _, c := range []struct {
		name, text string
		way        uint64
		least      int64 // instructions of a turn
	}{
		{"dispatch 0", dispatch, 0, heavy}, {"dispatch 1", dispatch, 1, 2 * heavy}, {"dispatch 2", dispatch, 2, 3 * heavy},
		{"else", arms, 0, heavy}, {"then", arms, 1, 2 * heavy}, {"then and more", arms, 2, 3 * heavy},
		{"narrow", narrow, 0, 9}, {"inner loop", nested, 0, 10 * heavy}, {"inner loop left out", nested, 1, heavy},
		{"small loop in a loop", small, 0, 507}, {"a call in a loop", called, 0, 25},
	} {
		_, metered, err := pair(t, assemble(t, c.text), 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		burnt := func(turns uint64) int64 {
			if _, err := metered.call("f", c.way, turns); err != nil {
				t.Fatal(c.name, err)
			}
			return metered.c.burnt
		}
		if per := (burnt(turns+1) - burnt(1)) / turns; per < c.least-2 || per > c.least+c.least/2+12 {
			t.Errorf("%s: a turn of %d instructions pays %d", c.name, c.least, per)
		}
	}
}

// TestFunctionsPay: a call pays for its entry, and for its frame while it lasts.
func TestFunctionsPay(t *testing.T) {
	t.Parallel()
	_, metered, err := pair(t, assemble(t, "memory 1\nfunc $f (i32) -> (i32) f\nlocal.get 0\ni32.eqz\nif\ni32.const 0\nreturn\nend\nlocal.get 0\ni32.const 1\ni32.sub\ncall $f\ni32.const 1\ni32.add\nend\n"), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	burnt := func(n uint64) int64 {
		if out, err := metered.call("f", n); err != nil || out[0] != n {
			t.Fatal(n, out, err)
		}
		return metered.c.burnt
	}
	if per := (burnt(101) - burnt(1)) / 100; per < 16+10 || per > 40 {
		t.Errorf("a call pays %d", per)
	}
	if _, err := metered.call("f", 1<<20); err == nil || !metered.c.stackLow {
		t.Errorf("a million calls deep: %v", err)
	}
}
