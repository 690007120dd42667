package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// hostile guests do the thing that they are named after when a batch has more than one row, and accept a batch of one. After each of them the
// host has to be well, and the next call has to work.
func hostileGuests() map[string]struct {
	text string
	kind plugins.FaultKind
} {
	type g = struct {
		text string
		kind plugins.FaultKind
	}
	// rows is the number of rows of the batch.
	bad := func(body string) string {
		return "func $v (i32 i32) -> (i64) (i32 i32 i64) tg_validate\nlocal.get 0\ni32.load 8\ni32.const 1\ni32.le_u\nif\ni64.const 0\nreturn\nend\n" + body + "\nend\n"
	}
	answer := func(ptr, n string) string {
		return bad("i64.const " + ptr + "\ni64.const 32\ni64.shl\ni64.const " + n + "\ni64.or")
	}
	return map[string]g{
		"infinite loop":      {small(bad("loop\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"empty loop in loop": {small(bad("loop\nloop\nbr 1\nend\nend\nunreachable")), plugins.FaultFuel},
		"exponential calls":  {small(exponential() + bad("call $e30\ni64.const 0")), plugins.FaultFuel},
		"recursion":          {small("func $r (i64) -> (i64)\nlocal.get 0\ni64.const 1\ni64.add\ncall $r\ni64.const 1\ni64.add\nend\n" + bad("i64.const 0\ncall $r")), plugins.FaultStack},
		"wide recursion": {small("func $r (i64) -> (i64) (" + strings.Repeat("i64 ", 1900) + ")\n" + strings.Repeat("local.get 0\n", 500) + "local.get 0\ncall $r\n" + strings.Repeat("i64.add\n", 500) +
			"end\n" + bad("i64.const 0\ncall $r")), plugins.FaultStack},
		"mutual recursion by table": {small("table 1\nelem 0 $r\nfunc $r (i64) -> (i64)\nlocal.get 0\ni32.const 0\ncall_indirect (i64) -> (i64)\nend\n" + bad("i64.const 0\ncall $r")), plugins.FaultStack},
		"memory.grow":               {small(bad("loop\ni32.const 1\nmemory.grow\ndrop\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"memory.grow and a trap":    {small(bad("i32.const 100000\nmemory.grow\ndrop\nunreachable")), plugins.FaultOutOfMemory},
		"memory.grow, then touch":   {"memory 4\n" + guest(bad("i32.const 200\nmemory.grow\ndrop\nloop\ni32.const 0\ni32.const 7\ni32.const 13369344\nmemory.fill\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"memory.fill in a loop":     {"memory 256\n" + guest(bad("loop\ni32.const 0\ni32.const 7\ni32.const 16777216\nmemory.fill\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"memory.copy in a loop":     {"memory 256\n" + guest(bad("loop\ni32.const 1\ni32.const 0\ni32.const 16777215\nmemory.copy\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"fill past the end":         {small(bad("i32.const 0\ni32.const 7\ni32.const -1\nmemory.fill\ni64.const 0")), plugins.FaultTrap},
		"load past the end":         {small(bad("i32.const -1\ni64.load 100")), plugins.FaultTrap},
		"division by zero":          {small(bad("i64.const 1\ni64.const 0\ni64.div_s")), plugins.FaultTrap},
		"unreachable":               {small(bad("unreachable")), plugins.FaultTrap},
		"wrong indirect call":       {small("table 1\n" + bad("i32.const 0\ncall_indirect () -> (i64)")), plugins.FaultTrap},
		"giant block":               {small(answer("0", "0x7fffffff")), plugins.FaultABI},
		"block past the end":        {small(answer("0xfffffff0", "64")), plugins.FaultABI},
		"block across the end":      {small(answer("262136", "64")), plugins.FaultABI},
		"block of nothing":          {small(answer("8", "0")), plugins.FaultABI},
		"lying number of verdicts":  {small("data 16 \"\\x01\\x00\\x01\\x00\\xff\\xff\\xff\\xff\"\n" + answer("16", "64")), plugins.FaultABI},
		"lying row":                 {small("data 16 \"\\x01\\x00\\x01\\x00\\x01\\x00\\x00\\x00\\xff\\xff\\xff\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\"\n" + answer("16", "32")), plugins.FaultABI},
		"lying message": {small("data 16 \"\\x01\\x00\\x01\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\xff\\xff\\xff\\x7f\\x08\\x00\\x00\\x00\"\n" +
			answer("16", "32")), plugins.FaultABI},
		"error block":                 {small("data 16 \"\\x03\\x00\\x01\\x00\\x01\\x00\\x00\\x00\"\n" + answer("16", "32")), plugins.FaultFailed},
		"actions for verdicts":        {small("data 16 \"\\x02\\x00\\x01\\x00\\x01\\x00\\x00\\x00\"\n" + answer("16", "32")), plugins.FaultABI},
		"endless log":                 {"import tg log $log (i32 i32 i32)\n" + small(bad("loop\ni32.const 1\ni32.const 0\ni32.const 200000\ncall $log\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"log past the end":            {"import tg log $log (i32 i32 i32)\n" + small(bad("i32.const 1\ni32.const -8\ni32.const 200000\ncall $log\ni64.const 0")), plugins.FaultABI},
		"exit":                        {"import wasi_snapshot_preview1 proc_exit $x (i32)\n" + small(bad("i32.const 0\ncall $x\ni64.const 0")), plugins.FaultTrap},
		"endless random":              {"import wasi_snapshot_preview1 random_get $r (i32 i32) -> (i32)\n" + small(bad("loop\ni32.const 0\ni32.const 200000\ncall $r\ndrop\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"spilled recursion":           {small(spills("local.get 0\nlocal.get 0\ni32.load %[1]d\ncall $nop\ni32.store %[1]d\n", 3000) + bad("i32.const 0\ncall $s\ni64.extend_i32_u")), plugins.FaultStack},
		"recursion of written locals": {small(spills("local.get 0\ni32.load %[1]d\nlocal.set 1\ncall $nop\nlocal.get 0\nlocal.get 1\ni32.store %[1]d\n", 3000) + bad("i32.const 0\ncall $s\ni64.extend_i32_u")), plugins.FaultStack},
		"recursion of many ways":      {small(spills("local.get 0\nif\ni32.const %[1]d\nlocal.set 1\nend\ncall $nop\nlocal.get 0\nlocal.get 1\ni32.store %[1]d\n", 3000) + bad("i32.const 0\ncall $s\ni64.extend_i32_u")), plugins.FaultStack},
		"endless write":               {"import wasi_snapshot_preview1 fd_write $w (i32 i32 i32 i32) -> (i32)\nmemory 256\n" + guest(bad(write(15_000_000))), plugins.FaultFuel},
		"write of nothing":            {"import wasi_snapshot_preview1 fd_write $w (i32 i32 i32 i32) -> (i32)\nmemory 256\n" + guest(bad(write(0))), plugins.FaultFuel},
		"random bytes all over":       {"import wasi_snapshot_preview1 random_get $r (i32 i32) -> (i32)\nmemory 256\n" + guest(bad("loop\ni32.const 0\ni32.const 16777216\ncall $r\ndrop\nbr 0\nend\nunreachable")), plugins.FaultFuel},
		"corrupts itself":             {small("data 64 \"ok\"\nglobal i64 mut 5\n" + bad("i64.const 99\nglobal.set 0\ni32.const 0\ni32.const 255\ni32.const 262144\nmemory.fill\nunreachable")), plugins.FaultTrap},
	}
}

// spills is a recursion through a function whose native frame is large while it never holds much: it keeps one value after the other over a call, in a loop that
// it does not come to, and so does not pay for.
func spills(step string, n int) string {
	var b strings.Builder
	b.WriteString("func $nop ()\nend\nfunc $s (i32) -> (i32) (i32)\nlocal.get 0\nif\nloop\n")
	for i := range n {
		fmt.Fprintf(&b, step, 8*i)
	}
	b.WriteString("end\nend\ni32.const 0\ncall $s\nend\n")
	return b.String()
}

// write is a loop that writes a thousand vectors at once, all of them about the same lines without anything in them.
func write(size int) string {
	return "i32.const 0\ni32.const 10\ni32.const 15000000\nmemory.fill\nloop\nlocal.get 2\ni32.const " + strconv.Itoa(size) + "\ni32.store 15000004\nlocal.get 2\ni32.const 0\ni32.store 15000000\n" +
		"local.get 2\ni32.const 8\ni32.add\nlocal.tee 2\ni32.const 8192\ni32.lt_u\nbr_if 0\nend\nloop\ni32.const 1\ni32.const 15000000\ni32.const 1000\ni32.const 0\ncall $w\ndrop\nbr 0\nend\nunreachable"
}

// exponential is a tree of calls without a loop: 2^30 of them.
func exponential() string {
	var b strings.Builder
	b.WriteString("func $e0 ()\nend\n")
	for i := 1; i <= 30; i++ {
		name, below := "$e"+strconv.Itoa(i), "$e"+strconv.Itoa(i-1)
		b.WriteString("func " + name + " ()\ncall " + below + "\ncall " + below + "\nend\n")
	}
	return b.String()
}

// TestHostileGuests: each fault costs one batch, is of its kind, comes in time, and leaves the instance as it was.
func TestHostileGuests(t *testing.T) {
	const fuel, deadline = 20_000_000, 200 * time.Millisecond
	h := host(t, wasm.Options{})
	for name, g := range hostileGuests() {
		t.Run(name, func(t *testing.T) {
			u := mustLoad(t, h, assemble(t, g.text), func(m *plugins.Manifest) {
				m.Capabilities.Log = true
				m.Limits = plugins.Limits{Fuel: fuel, FuelPerRow: 1, MemoryPages: 256, Deadline: plugins.Duration(deadline)}
			})
			var one, two abi.Batch
			orders(&one, 1)
			orders(&two, 2)
			// Three rounds that are as they should be. Where the machine stops us meanwhile the deadline comes first, or the answer late: those do not count.
			limit, late := time.Now().Add(20*time.Second), time.Duration(0)
			for rounds := 0; rounds < 3; {
				if time.Now().After(limit) {
					t.Fatalf("%d rounds in time, and at last %v where the deadline is %v", rounds, late, deadline)
				}
				if out, err := call(u, &one); err != nil && kindOf(t, err) == plugins.FaultDeadline {
					continue
				} else if err != nil || len(out.Verdicts) > 0 {
					t.Fatalf("a good batch: %v %v", out, err)
				}
				from := time.Now()
				out, err := call(u, &two)
				took := time.Since(from)
				got := kindOf(t, err)
				if got != g.kind && got != plugins.FaultDeadline {
					t.Fatalf("%v: %v; want %v", got, err, g.kind)
				}
				if out.Pages > 256 {
					t.Errorf("%d pages", out.Pages)
				}
				if g.kind == plugins.FaultFuel && out.Fuel > fuel+10_000_000 {
					t.Errorf("burnt %d", out.Fuel)
				}
				if late = took; took <= deadline+50*time.Millisecond && (got == g.kind || g.kind == plugins.FaultFuel) {
					rounds++
				}
			}
			if all, idle := u.Stats(); all > 1 || idle != all {
				t.Errorf("%d instances, %d idle", all, idle)
			}
		})
	}
}

// TestDeadline lets a guest have all the fuel there is: the clock ends it.
func TestDeadline(t *testing.T) {
	const deadline = 50 * time.Millisecond
	for _, name := range []string{"infinite loop", "exponential calls", "memory.fill in a loop", "endless random", "endless log", "write of nothing", "random bytes all over"} {
		t.Run(name, func(t *testing.T) {
			u := mustLoad(t, host(t, wasm.Options{}), assemble(t, hostileGuests()[name].text), func(m *plugins.Manifest) {
				m.Capabilities.Log = true
				m.Limits = plugins.Limits{Fuel: plugins.MaxFuel, MemoryPages: 256, Deadline: plugins.Duration(deadline)}
			})
			var b abi.Batch
			orders(&b, 2)
			best := time.Hour // other programs use this machine, too
			for limit := time.Now().Add(20 * time.Second); best > deadline+50*time.Millisecond; {
				from := time.Now()
				_, err := call(u, &b)
				best = min(best, time.Since(from))
				if got := kindOf(t, err); got != plugins.FaultDeadline {
					t.Fatal(err)
				}
				if time.Now().After(limit) {
					t.Fatalf("took %v, the deadline is %v", best, deadline)
				}
			}
		})
	}
}

// TestCallerGivesUp: that is nobody's fault, and not to be counted as one.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, hostileGuests()["infinite loop"].text), func(m *plugins.Manifest) {
		m.Limits = plugins.Limits{Fuel: plugins.MaxFuel, Deadline: plugins.Duration(plugins.MaxDeadline)}
	})
	var b abi.Batch
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := u.Call(ctx, plugins.HookValidate, orders(&b, 2), at()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, plugins.ErrFault) {
		t.Error(err)
	}
	if _, err := call(u, orders(&b, 1)); err != nil {
		t.Error(err)
	}
}

// TestThousandFaults looks for what faults leave behind.
func TestThousandFaults(t *testing.T) {
	h := host(t, wasm.Options{})
	for _, name := range []string{"unreachable", "recursion", "memory.grow and a trap", "memory.grow, then touch"} {
		t.Run(name, func(t *testing.T) {
			u := mustLoad(t, h, assemble(t, hostileGuests()[name].text), func(m *plugins.Manifest) {
				m.Limits = plugins.Limits{Fuel: 1_000_000, MemoryPages: 256, Deadline: plugins.Duration(plugins.MaxDeadline)}
			})
			var b abi.Batch
			orders(&b, 2)
			round := func(n int) {
				for range n {
					if _, err := call(u, &b); err == nil {
						t.Fatal("no fault")
					}
				}
			}
			inUse := func() (uint64, int) {
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapInuse + m.StackInuse, runtime.NumGoroutine()
			}
			round(50)
			mem, routines := inUse()
			round(1000)
			// What is left behind stays; what is on its way out goes.
			for limit := time.Now().Add(20 * time.Second); ; {
				mem2, routines2 := inUse()
				if mem2 <= mem+mem/10+4<<20 && routines2 <= routines {
					break
				}
				if time.Now().After(limit) {
					t.Fatalf("before %d bytes and %d goroutines, after %d and %d", mem, routines, mem2, routines2)
				}
			}
		})
	}
}
