package wasm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// script is a guest that goes through steps, and answers with the number of the first that came out otherwise.
type script struct {
	b    strings.Builder
	step int
}

func (s *script) do(format string, a ...any) { fmt.Fprintf(&s.b, format+"\n", a...) }

// is compares an i64 that the code leaves.
func (s *script) is(want int64, format string, a ...any) {
	s.step++
	s.do(format, a...)
	s.do("i64.const %d\ni32.const %d\ncall $is", want, s.step)
}

// guest is the whole module. run gives the step that failed, and what it was.
func (s *script) guest(imports string) string {
	return imports + guest(expects+"func $v (i32 i32) -> (i64) tg_validate\ni32.const 44\ni32.const 0\ni32.store\n"+s.b.String()+"i64.const 16\ni64.const 32\ni64.shl\ni64.const 32\ni64.or\nend\n")
}

func (s *script) run(t *testing.T, h *wasm.Host, imports string) {
	t.Helper()
	u := mustLoad(t, h, assemble(t, s.guest(imports)), grantAll)
	var b abi.Batch
	for range 2 { // what was slept is forgotten with the call
		out, err := call(u, orders(&b, 1))
		if err != nil || len(out.Verdicts) != 1 {
			t.Fatalf("%+v %v", out, err)
		}
		if failed := int(out.Verdicts[0].Aux); failed != 0 {
			parts := strings.Split(s.b.String(), "call $is\n")
			t.Fatalf("step %d of %d came out otherwise:\n%s", failed, s.step, parts[failed-1])
		}
	}
}

const end = 4 << 16 // of the memory

// TestPoll: clocks alone can be waited for, up to a second each, and the clock of the call goes on by just what was to be slept: up to the instant where that is absolute.
func TestPoll(t *testing.T) {
	t.Parallel()
	const sub, event, number, now = 100_000, 110_000, 120_000, 120_008
	s := &script{}
	slept := time.Duration(0)
	clock := func(by time.Duration) {
		slept += by
		s.is(0, "i32.const 1\ni64.const 0\ni32.const %d\ncall $clock\ni64.extend_i32_u", now)
		s.is(at().Add(slept).UnixNano(), "i32.const %d\ni64.load", now)
	}
	poll := func(want int64, sub, event, n, number int) {
		s.is(want, "i32.const %d\ni32.const %d\ni32.const %d\ni32.const %d\ncall $poll\ni64.extend_i32_u", sub, event, n, number)
	}
	subscribe := func(kind int, timeout int64, flags int) {
		s.do("i32.const %d\ni64.const 0x1122334455667788\ni64.store", sub)
		s.do("i32.const %d\ni32.const %d\ni32.store8 8", sub, kind)
		s.do("i32.const %d\ni64.const %d\ni64.store 24", sub, timeout)
		s.do("i32.const %d\ni32.const %d\ni32.store 40", sub, flags)
	}
	clock(0)
	for _, c := range []struct {
		kind    int
		timeout int64
		flags   int
		sleeps  time.Duration
		code    int64
	}{
		{0, at().Add(250 * time.Millisecond).UnixNano(), 1, 250 * time.Millisecond, 0}, // absolute
		{0, at().Add(250 * time.Millisecond).UnixNano(), 1, 0, 0},                      // over already
		{0, at().Add(400 * time.Millisecond).UnixNano(), 1, 150 * time.Millisecond, 0}, // counted from where the clock is now
		{0, at().Add(-time.Hour).UnixNano(), 1, 0, 0},
		{0, at().Add(time.Hour).UnixNano(), 1, time.Second, 0},
		{0, int64(30 * time.Millisecond), 0, 30 * time.Millisecond, 0},
		{0, int64(2 * time.Second), 0, time.Second, 0},
		{0, -1, 0, 0, 0},
		{1, int64(time.Second), 0, 0, 8}, // a descriptor is none
		{2, int64(time.Second), 0, 0, 8},
	} {
		subscribe(c.kind, c.timeout, c.flags)
		s.do("i32.const %d\ni64.const -1\ni64.store 8\ni32.const %[1]d\ni64.const -1\ni64.store 24\ni32.const %d\ni32.const 9\ni32.store", event, number)
		poll(0, sub, event, 1, number)
		s.is(0x1122334455667788, "i32.const %d\ni64.load", event)
		s.is(c.code, "i32.const %d\ni64.load16_u 8", event)
		s.is(int64(c.kind), "i32.const %d\ni64.load8_u 10", event)
		s.is(0, "i32.const %d\ni64.load 24", event)
		s.is(1, "i32.const %d\ni64.load32_u", number)
		clock(c.sleeps)
	}
	subscribe(0, 0, 0)
	poll(28, sub, event, 0, number)
	poll(28, sub, event, 65, number)
	poll(28, sub, event, -1, number)
	poll(0, 200_000, 210_000, 64, number) // zeros
	poll(21, end-47, event, 1, number)
	poll(0, end-48, event, 1, number)
	poll(21, sub, end-31, 1, number)
	poll(21, sub, end-32, 2, number)
	poll(0, sub, end-32, 1, number)
	poll(21, sub, event, 1, end-3)
	clock(0)
	s.run(t, host(t, wasm.Options{}), "import wasi_snapshot_preview1 poll_oneoff $poll (i32 i32 i32 i32) -> (i32)\nimport wasi_snapshot_preview1 clock_time_get $clock (i32 i64 i32) -> (i32)\n")
}

// TestWrite: what goes to standard output and error is logged; other descriptors, too many vectors, and memory that there is not, are errors that a guest can read.
func TestWrite(t *testing.T) {
	t.Parallel()
	const vectors, zeros, number = 100_000, 200_000, 120_000
	s := &script{}
	write := func(want int64, fd, vectors, n, number int) {
		s.is(want, "i32.const %d\ni32.const %d\ni32.const %d\ni32.const %d\ncall $write\ni64.extend_i32_u", fd, vectors, n, number)
	}
	vector := func(at, size int) {
		s.do("i32.const %[1]d\ni32.const %[2]d\ni32.store\ni32.const %[1]d\ni32.const %[3]d\ni32.store 4", vectors, at, size)
	}
	for _, fd := range []int{0, 3, -1} {
		write(8, fd, vectors, 0, number)
	}
	s.do("i32.const %d\ni32.const 9\ni32.store", number)
	write(0, 1, zeros, 1024, number)
	s.is(0, "i32.const %d\ni64.load32_u", number)
	write(28, 1, zeros, 1025, number)
	write(28, 2, zeros, -1, number)
	vector(64, 3)
	s.do("i32.const %d\ni32.const 64\ni32.store 8\ni32.const %[1]d\ni32.const 3\ni32.store 12", vectors)
	write(0, 1, vectors, 2, number)
	s.is(6, "i32.const %d\ni64.load32_u", number)
	write(0, 2, vectors, 1, number)
	s.is(3, "i32.const %d\ni64.load32_u", number)
	write(21, 1, vectors, 1, end-3)
	write(21, 1, end-7, 1, number)
	write(21, 1, end-4, 1, number)
	vector(end-2, 3)
	write(21, 1, vectors, 1, number)
	vector(end, 0)
	write(0, 1, vectors, 1, number)
	d := &desk{}
	s.run(t, host(t, wasm.Options{Services: servicesOf(d)}), "import wasi_snapshot_preview1 fd_write $write (i32 i32 i32 i32) -> (i32)\n")
	if len(d.lines) == 0 || slices.ContainsFunc(d.lines, func(line string) bool { return !strings.HasSuffix(line, " key") }) {
		t.Errorf("%q", d.lines)
	}
}

// TestImportsTwice: a module may import one function more than once; each is that function.
func TestImportsTwice(t *testing.T) {
	t.Parallel()
	s := &script{}
	for _, name := range []string{"$a", "$b"} {
		s.is(at().UnixNano(), "call %s", name)
	}
	for _, name := range []string{"$c", "$d"} {
		s.is(0, "i32.const 1\ni64.const 0\ni32.const 100000\ncall %s\ni64.extend_i32_u", name)
		s.is(at().UnixNano(), "i32.const 100000\ni64.load")
	}
	s.run(t, host(t, wasm.Options{}), "import tg now $a () -> (i64)\nimport tg now $b () -> (i64)\nimport wasi_snapshot_preview1 clock_time_get $c (i32 i64 i32) -> (i32)\nimport wasi_snapshot_preview1 clock_time_get $d (i32 i64 i32) -> (i32)\n")
}
