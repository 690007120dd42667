package meter_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestFramesAreWeighed: recursion ends where the frames, as large as the compiler can make them, are as large together as the stack that there is. So what gets a place in the
// frame must be paid for, also where little of it is there at one time; and what gets none must cost nothing, or guests would not come as deep as they may.
func TestFramesAreWeighed(t *testing.T) {
	t.Parallel()
	const (
		steps = 500
		stack = 1 << 20 // of the harness
	)
	// depth is how deep a function comes that has the step so many times in its body, in a branch that it never takes.
	depth := func(step string) int {
		var b strings.Builder
		b.WriteString("memory 1\nfunc $nop ()\nend\nfunc $two () -> (i32 i32)\ni32.const 1\ni32.const 2\nend\nfunc $s (i32) -> () (i32 i64) s\n" +
			"i32.const 0\ni32.const 0\ni32.load\ni32.const 1\ni32.add\ni32.store\nlocal.get 0\nif\n")
		for i := range steps {
			fmt.Fprintf(&b, "%s\n", strings.ReplaceAll(step, "%d", fmt.Sprint(8*i)))
		}
		b.WriteString("end\ni32.const 0\ncall $s\nend\n")
		_, metered, err := pair(t, assemble(t, b.String()), 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		metered.c.slice = 1 << 30
		if _, err := metered.call("s", 0); err == nil || !metered.c.stackLow {
			t.Fatalf("a recursion without an end: %v", err)
		}
		n, _ := metered.mod.Memory().ReadUint32Le(0)
		return int(n)
	}
	for _, c := range []struct {
		name, step string
		values     int // of a step
	}{
		{"nothing", "nop", 0},
		{"constants", "i64.const 7\nlocal.set 2\ni32.const 7\nlocal.set 1", 0},
		{"locals", "local.get 1\nlocal.set 1", 0},
		{"sums", "local.get 0\nlocal.get 1\ni32.add\ndrop", 1},
		{"loads", "local.get 0\ni32.load %d\ndrop", 3},
		{"stores", "local.get 0\nlocal.get 1\ni32.store %d", 2},
		{"results", "call $two\ndrop\ndrop", 2},
		{"ways", "local.get 0\nif\ni32.const %d\nlocal.set 1\nend", 1},
		{"ways within ways", "local.get 0\nif\nlocal.get 0\nif\ni32.const %d\nlocal.set 1\nend\nend", 2},
		{"results of blocks", "block i32\ni32.const %d\nend\ndrop", 1},
		{"ways of two", "local.get 0\nif\ni32.const %d\nlocal.set 1\nlocal.get 1\nlocal.tee 1\ndrop\ni64.const 1\nlocal.set 2\nend", 2},
	} {
		got := depth(c.step)
		frame := 8 * steps * c.values
		if most := stack / (frame + 128); got > most {
			t.Errorf("%s: it comes %d deep, and frames of %d bytes leave room for %d", c.name, got, frame, most)
		}
		if least := stack / (frame + 400); got < least {
			t.Errorf("%s: it comes %d deep only, and frames of %d bytes leave room for %d", c.name, got, frame, least)
		}
	}
}
