package module_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/module"
)

// instruction is what the specification says of one: its bytes, what it takes from the stack and what it leaves there.
type instruction struct {
	bytes     string
	pop, push int
	slow      bool // divisions, square roots and what works on many bytes
}

// instructions are all that a plug-in may use and that begin, end and leave no block.
func instructions() (all []instruction) {
	add := func(from, to, pop, push int, rest string) {
		for op := from; op <= to; op++ {
			slow := op >= 0x6d && op <= 0x70 || op >= 0x7f && op <= 0x82 || op == 0x91 || op == 0x95 || op == 0x9f || op == 0xa3 || op == 0x40
			all = append(all, instruction{strings.TrimSpace(fmt.Sprintf("%02x %s", op, rest)), pop, push, slow})
		}
	}
	add(0x01, 0x01, 0, 0, "")
	add(0x1a, 0x1a, 1, 0, "")
	add(0x1b, 0x1b, 3, 1, "")
	add(0x20, 0x20, 0, 1, "00")
	add(0x21, 0x21, 1, 0, "00")
	add(0x22, 0x22, 1, 1, "00")
	add(0x23, 0x23, 0, 1, "00")
	add(0x24, 0x24, 1, 0, "00")
	add(0x28, 0x35, 1, 1, "00 00")
	add(0x36, 0x3e, 2, 0, "00 00")
	add(0x3f, 0x3f, 0, 1, "00")
	add(0x40, 0x40, 1, 1, "00")
	add(0x41, 0x42, 0, 1, "07")
	add(0x43, 0x43, 0, 1, "00 00 00 00")
	add(0x44, 0x44, 0, 1, "00 00 00 00 00 00 00 00")
	for _, r := range [][3]int{ // unary, then binary, of each type
		{0x45, 0x45, 1}, {0x46, 0x4f, 2}, {0x50, 0x50, 1}, {0x51, 0x5a, 2}, {0x5b, 0x60, 2}, {0x61, 0x66, 2}, {0x67, 0x69, 1}, {0x6a, 0x78, 2}, {0x79, 0x7b, 1}, {0x7c, 0x8a, 2},
		{0x8b, 0x91, 1}, {0x92, 0x98, 2}, {0x99, 0x9f, 1}, {0xa0, 0xa6, 2}, {0xa7, 0xbf, 1}, {0xc0, 0xc4, 1},
	} {
		add(r[0], r[1], r[2], 1, "")
	}
	for sub := range 8 {
		all = append(all, instruction{fmt.Sprintf("fc %02x", sub), 1, 1, false})
	}
	return append(all, instruction{"fc 08 00 00", 3, 0, true}, instruction{"fc 09 00", 0, 0, false}, instruction{"fc 0a 00 00", 3, 0, true}, instruction{"fc 0b 00", 3, 0, true},
		instruction{"fc 0c 00 00", 3, 0, true}, instruction{"fc 0d 00", 0, 0, false}, instruction{"fc 0e 00 00", 3, 0, true})
}

// TestInstructions holds the table of instructions to the specification: a height that is too small makes frames cheaper than they are, and so recursion deeper.
func TestInstructions(t *testing.T) {
	t.Parallel()
	const before, after = 5, 10
	for _, c := range instructions() {
		text := "memory 1\ntable 1\nglobal i32 mut 1\nelem passive $f\ndata passive \"x\"\nfunc $f (i32) -> ()\n" + strings.Repeat("i32.const 1\n", before) + "raw " + c.bytes + "\n" +
			strings.Repeat("i32.const 1\n", after) + "unreachable\nend\n"
		m, err := module.Parse(assemble(t, text))
		if err != nil {
			t.Errorf("%s: %v", c.bytes, err)
			continue
		}
		w := module.NewWalker(m, 0)
		cost := 0
		for n := 0; w.Next(); n++ {
			if n == before {
				cost = int(w.Cost)
			}
		}
		if want := before - c.pop + c.push + after; w.Err() != nil || w.MaxHeight != want {
			t.Errorf("%s: the stack is %d high, want %d: %v", c.bytes, w.MaxHeight, want, w.Err())
		}
		if cost < 1 || c.slow != (cost >= 8) {
			t.Errorf("%s costs %d, slow is %v", c.bytes, cost, c.slow)
		}
	}
}

// TestRefusedInstructions: what a plug-in may not use is refused, and the words say what it is.
func TestRefusedInstructions(t *testing.T) {
	t.Parallel()
	for want, all := range map[string][]string{
		"table.grow escapes":  {"fc 0f 00"},
		"need reference":      {"fc 10 00", "fc 11 00", "fc 12"},
		"tail calls":          {"12 00", "13 00 00"},
		"exceptions":          {"06 40", "07 00", "08 00", "09 00", "0a 00", "18 00", "19", "1f 40 00"},
		"reference types":     {"1c 01 7f", "25 00", "26 00", "d0 70", "d1", "d2 00", "d3 00", "d4", "d5 00", "d6 00"},
		"SIMD":                {"fd 0c"},
		"atomic":              {"fe 00 02 00"},
		"unknown instruction": {"14", "15", "16", "17", "1d", "1e", "27", "c5", "cf", "d7", "fb 00", "ff"},
	} {
		for _, raw := range all {
			if _, err := module.Parse(assemble(t, "memory 1\ntable 1\nfunc $f (i32) -> ()\nraw "+raw+"\nunreachable\nend\n")); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", raw, err, want)
			}
		}
	}
}

// TestParseRefusesBytes lists files that are no modules, or hold what a rewritten module would give another meaning.
func TestParseRefusesBytes(t *testing.T) {
	t.Parallel()
	const header = "\x00asm\x01\x00\x00\x00"
	f := "memory 1\nfunc $f ()\nnop\nend\n"
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":                    {nil, "no WebAssembly binary"},
		"seven bytes":                {[]byte(header[:7]), "no WebAssembly binary"},
		"a text":                     {[]byte("(module) and more"), "no WebAssembly binary"},
		"a component":                {[]byte("\x00asm\x0d\x00\x01\x00"), "no WebAssembly binary"},
		"too large":                  {make([]byte, module.MaxFile+1), "larger than 16 MiB"},
		"a type without an end":      {[]byte(header + "\x01\x02\x01\x60"), "ends too early"},
		"more than its contents":     {[]byte(header + "\x05\x04\x01\x00\x01\x00"), "more bytes than its contents"},
		"SIMD in a type":             {[]byte(header + "\x01\x05\x01\x60\x01\x7b\x00"), "SIMD"},
		"a reference in a type":      {[]byte(header + "\x01\x05\x01\x60\x01\x70\x00"), "unknown type"},
		"an element of expressions":  {assemble(t, "table 1\n"+f+"raw 9 01 05 70 00"), "reference types are not allowed"},
		"data.drop of none":          {assemble(t, "memory 1\nfunc $f ()\nraw fc 09 00\nend\n"), "data segment 0"},
		"elem.drop of none":          {assemble(t, "table 1\nfunc $f ()\nraw fc 0d 00\nend\n"), "element segment 0"},
		"blocks of ten thousand":     {assemble(t, "func $f ()\n"+strings.Repeat("block\n", 10_000)+strings.Repeat("end\n", 10_001)), "nested more than"},
		"values that are not there":  {assemble(t, "memory 1\nfunc $f ()\nraw 41\nend\n"), ""},
		"a function without its end": {assemble(t, "func $f ()\nnop\n"), ""},
	} {
		if _, err := module.Parse(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := module.Parse(assemble(t, "func $f ()\n"+strings.Repeat("block\n", 9_000)+strings.Repeat("end\n", 9_001))); err != nil {
		t.Errorf("blocks of nine thousand: %v", err)
	}
}
