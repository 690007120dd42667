package wasmtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Random is the text of a module made of a seed: valid, and every loop in it ends. It exports f0 … f3 (i32, i64) → i64 and a memory; it uses calls, indirect
// calls, bounded recursion, loops, early returns, br_table, bulk memory, memory.grow, globals, and instructions that may trap.
func Random(seed uint64) string {
	g := &generator{r: rand.New(rand.NewPCG(seed, 0x7469646567617465))}
	g.line("memory 4 8")
	g.line("table 4")
	g.line("elem 0 $f0 $f1 $f2 $f3")
	g.line("data 16 %q", "the quick brown fox jumps over the lazy dog")
	g.line("data passive %q", strings.Repeat("tide", 16))
	g.line("global i64 mut %d", g.r.Int64N(1000))
	g.line("global i32 mut 400") // how many calls there may still be
	for fn := range 4 {
		g.function(fn)
	}
	for fn := range leaves {
		g.leaf(fn)
	}
	return g.out.String()
}

// generator writes the lines. Locals of every function: 0 i32, 1 i64 (the parameters), 2 i32, 3 i64, 4 f64, and from 5 on counters of loops.
type generator struct {
	r    *rand.Rand
	out  strings.Builder
	used int
}

const maxCounters = 6

func (g *generator) line(format string, a ...any) { fmt.Fprintf(&g.out, format+"\n", a...) }

func (g *generator) function(fn int) {
	g.used = 0
	g.line("func $f%d (i32 i64) -> (i64) (i32 i64 f64%s) f%d", fn, strings.Repeat(" i32", maxCounters), fn)
	// Calls come to an end, in whichever circle they go.
	g.line("global.get 1\ni32.eqz\nif\nlocal.get 1\nreturn\nend")
	g.line("global.get 1\ni32.const 1\ni32.sub\nglobal.set 1")
	g.statements(3)
	g.i64(2)
	g.line("end")
}

// leaves is how many functions there are that call nothing.
const leaves = 3

func (g *generator) leaf(fn int) {
	g.line("func $leaf%d (i32 i64) -> (i64) (i64)", fn)
	if g.r.IntN(2) == 0 {
		g.line("local.get 0\ni32.const %d\ni32.and\nif\nlocal.get 1\nreturn\nend", 1<<g.r.IntN(3))
	}
	if g.r.IntN(2) == 0 {
		g.line("global.get 0\nlocal.get 1\ni64.xor\nlocal.tee 2\nglobal.set 0")
	}
	g.line("block\nlocal.get 0\nbr_if 0\nlocal.get 1\ni64.const %d\n%s\nlocal.set 2\nend\nlocal.get 2\nend", g.r.Int64N(100), g.pick("i64.add", "i64.rotl", "i64.div_u", "i64.mul"))
}

func (g *generator) statements(depth int) {
	for range 1 + g.r.IntN(4) {
		g.statement(depth)
	}
}

func (g *generator) statement(depth int) {
	kind := g.r.IntN(16)
	if depth <= 0 && kind > 6 && kind < 14 {
		kind -= 7
	}
	switch kind {
	case 0, 1:
		g.i32(depth)
		g.line("local.set %d", 2*g.r.IntN(2))
	case 2, 3:
		g.i64(depth)
		g.line("local.set %d", 1+2*g.r.IntN(2))
	case 4:
		g.address()
		g.i64(depth)
		g.line("i64.store %d", g.r.IntN(64))
	case 5:
		g.i64(depth)
		g.line("global.set 0")
	case 6:
		g.f64(depth)
		g.line("local.set 4")
	case 7, 8:
		g.loop(depth)
	case 9:
		g.i32(1)
		g.line("if")
		g.statements(depth - 1)
		if g.r.IntN(2) == 0 {
			g.line("else")
			g.statements(depth - 1)
		}
		g.line("end")
	case 10:
		g.line("block\nblock\nblock")
		g.i32(1)
		g.line("i32.const 3\ni32.and\nbr_table 0 1 2 0\nend")
		g.statements(depth - 1)
		g.line("br 0\nend")
		g.statements(depth - 1)
		g.line("end")
	case 11:
		g.bulk()
	case 12:
		g.line("i32.const %d\nmemory.grow\nlocal.set 2", g.r.IntN(3))
	case 14, 15:
		g.tight()
	case 13:
		if g.r.IntN(6) == 0 {
			g.i32(1)
			g.line("i32.eqz\nif")
			g.i64(1)
			g.line("return\nend")
		}
	}
}

func (g *generator) loop(depth int) {
	if g.used == maxCounters {
		return
	}
	c := 5 + g.used
	g.used++
	g.line("i32.const %d\nlocal.set %d\nloop", 1+g.r.IntN(12), c)
	g.statements(depth - 1)
	g.line("local.get %d\ni32.const 1\ni32.sub\nlocal.tee %d\nbr_if 0\nend", c, c)
}

// tight is a loop of a few instructions, which may be left and begun again from anywhere in it.
func (g *generator) tight() {
	if g.used == maxCounters {
		return
	}
	c := 5 + g.used
	g.used++
	work := func() {
		g.line("local.get 3\ni64.const %d\n%s\nlocal.set 3", g.r.Int64N(1<<20)+3, g.pick("i64.add", "i64.mul", "i64.xor", "i64.rotl", "i64.sub"))
	}
	odd := func() {
		g.line("local.get 3\ni64.const %d\ni64.shr_u\ni32.wrap_i64\ni32.const %d\ni32.and", g.r.IntN(40), 1+g.r.IntN(3))
	}
	result := g.r.IntN(2) == 0
	g.line("i32.const %d\nlocal.set %d\nblock\nloop%s", g.r.IntN(30), c, map[bool]string{true: " i64"}[result])
	g.line("local.get %d\ni32.eqz\nbr_if 1\nlocal.get %d\ni32.const 1\ni32.sub\nlocal.set %d", c, c, c)
	work()
	switch g.r.IntN(4) {
	case 0:
		g.line("block")
		odd()
		g.line("br_table 0 1 2 0\nend")
	case 1:
		odd()
		g.line("i32.eqz\nif")
		work()
		g.line("%s\nend", g.pick("br 1", "br 2", "local.get 3\nreturn", "local.get 3\nglobal.set 0"))
	case 2:
		g.line("i32.const 64\nlocal.get 3\ni64.store8 0")
	}
	odd()
	g.line("br_if %d", g.r.IntN(2))
	if result {
		g.line("local.get 3\ni64.const 1\ni64.add\nend\nlocal.set 1\nend")
		return
	}
	g.line("%s\nend\nend", g.pick("br 0", "br 1", "nop"))
}

func (g *generator) bulk() {
	switch g.r.IntN(3) {
	case 0:
		g.address()
		g.line("i32.const %d\ni32.const %d\nmemory.fill", g.r.IntN(256), g.r.IntN(300))
	case 1:
		g.address()
		g.address()
		g.line("i32.const %d\nmemory.copy", g.r.IntN(300))
	case 2:
		g.address()
		g.line("i32.const %d\ni32.const %d\nmemory.init 1", g.r.IntN(30), g.r.IntN(34))
	}
}

// address is mostly inside the memory.
func (g *generator) address() {
	g.i32(0)
	mask := 0x7fff
	if g.r.IntN(20) == 0 {
		mask = 0x7ffff
	}
	g.line("i32.const %d\ni32.and", mask)
}

func (g *generator) pick(from ...string) string { return from[g.r.IntN(len(from))] }

func (g *generator) i32(depth int) {
	switch k := g.r.IntN(6); {
	case depth <= 0 || k < 2:
		g.line("%s", g.pick("local.get 0", "local.get 2", fmt.Sprintf("i32.const %d", g.r.Int32()), fmt.Sprintf("i32.const %d", g.r.IntN(9)), "memory.size"))
	case k == 2:
		g.i64(depth - 1)
		g.line("%s", g.pick("i32.wrap_i64", "i64.eqz"))
	case k == 3:
		g.address()
		g.line("%s", g.pick("i32.load 4", "i32.load8_u", "i32.load16_s 2"))
	default:
		g.i32(depth - 1)
		g.i32(depth - 1)
		g.line("%s", g.pick("i32.add", "i32.sub", "i32.mul", "i32.xor", "i32.shr_u", "i32.rotl", "i32.lt_s", "i32.ge_u", "i32.rem_u", "i32.div_s", "i32.and"))
	}
}

func (g *generator) i64(depth int) {
	switch k := g.r.IntN(10); {
	case depth <= 0 || k < 2:
		g.line("%s", g.pick("local.get 1", "local.get 3", "global.get 0", fmt.Sprintf("i64.const %d", g.r.Int64()), fmt.Sprintf("i64.const %d", g.r.IntN(9))))
	case k == 2:
		g.i32(depth - 1)
		g.line("%s", g.pick("i64.extend_i32_s", "i64.extend_i32_u"))
	case k == 3:
		g.address()
		g.line("%s", g.pick("i64.load 8", "i64.load32_s", "i64.load8_u 1"))
	case k == 4:
		g.f64(depth - 1)
		g.line("raw fc 06") // i64.trunc_sat_f64_s
	case k == 5:
		g.i32(depth - 1)
		g.i64(depth - 1)
		g.line("call $f%d", g.r.IntN(4))
	case k == 9: // a small function without loops and calls
		g.i32(depth - 1)
		g.i64(depth - 1)
		g.line("call $leaf%d", g.r.IntN(leaves))
	case k == 6:
		g.i32(depth - 1)
		g.i64(depth - 1)
		g.i32(0)
		g.line("i32.const %d\ni32.and\ncall_indirect (i32 i64) -> (i64)", g.pick4())
	default:
		g.i64(depth - 1)
		g.i64(depth - 1)
		g.line("%s", g.pick("i64.add", "i64.sub", "i64.mul", "i64.xor", "i64.shl", "i64.rotr", "i64.div_u", "i64.rem_s", "i64.or"))
	}
}

// pick4 is a mask under which a call goes to one of the four functions, or, seldom, past the table.
func (g *generator) pick4() int {
	if g.r.IntN(20) == 0 {
		return 7
	}
	return 3
}

func (g *generator) f64(depth int) {
	switch k := g.r.IntN(4); {
	case depth <= 0 || k == 0:
		g.line("%s", g.pick("local.get 4", fmt.Sprintf("f64.const %v", g.r.Float64())))
	case k == 1:
		g.i64(depth - 1)
		g.line("f64.convert_i64_s")
	default:
		g.f64(depth - 1)
		g.f64(depth - 1)
		g.line("%s", g.pick("f64.add", "f64.sub", "f64.mul", "f64.div", "f64.min"))
	}
}
