package wasmtest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
)

// Assemble turns text into a binary, a line at a time; ';' begins a comment. Blocks are flat, labels and locals are numbers, functions have names:
//
//	import tg log $log (i32 i32 i32) -> ()
//	memory 1 16                                exported as "memory"; the maximum may be left out
//	table 4                                    with its maximum after it, if any
//	elem 0 $f $g                               from number 0 of the table on; "elem passive $f" is a passive segment
//	global i32 mut 7                           or const
//	data 8 "text"                              Go's quotes; "data passive" is a passive segment
//	func $f (i32 i32) -> (i64) (i32) tg_validate    parameters, results, locals, and the name of the export, if any
//	  local.get 0
//	  if i64 … else … end
//	  raw fc 0f 00                             bytes as they are
//	end
//	raw 8 01 00                                at the top level: a section and its bytes, appended in order of the numbers
//
// It checks nothing: hostile modules are what it is for.
//
// # Errors
//
// A line that it does not understand.
func Assemble(text string) ([]byte, error) {
	a := &assembler{funcs: map[string]uint32{}, sections: map[byte][]byte{}, raw: map[byte][]byte{}, opcodes: opcodes()}
	lines := strings.Split(text, "\n")
	for _, line := range lines { // functions may be called before they are written
		if f := fields(line); len(f) > 3 && f[0] == "import" {
			a.funcs[f[3]] = uint32(len(a.funcs))
		}
	}
	for _, line := range lines {
		if f := fields(line); len(f) > 1 && f[0] == "func" {
			a.funcs[f[1]] = uint32(len(a.funcs))
		}
	}
	for i, line := range lines {
		if err := a.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", i+1, strings.TrimSpace(line), err)
		}
	}
	return a.module(), nil
}

type assembler struct {
	funcs    map[string]uint32
	types    [][]byte
	imports  [][]byte
	own      [][]byte // type indexes
	globals  [][]byte
	exports  [][]byte
	elems    [][]byte
	bodies   [][]byte
	data     [][]byte
	sections map[byte][]byte
	raw      map[byte][]byte // sections as they are, instead of what the other lines make
	opcodes  map[string][]byte
	body     []byte
	depth    int
}

func fields(line string) []string {
	if i := strings.IndexByte(line, ';'); i >= 0 && !strings.Contains(line, `"`) {
		line = line[:i]
	}
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(line))
}

func leb(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func sleb(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func valType(s string) (byte, error) {
	switch s {
	case "i32":
		return 0x7f, nil
	case "i64":
		return 0x7e, nil
	case "f32":
		return 0x7d, nil
	case "f64":
		return 0x7c, nil
	}
	return 0, fmt.Errorf("unknown type %q", s)
}

// list reads ( … ) and returns the types and what follows.
func list(f []string) (types []byte, rest []string, err error) {
	if len(f) == 0 || f[0] != "(" {
		return nil, f, nil
	}
	for i, s := range f[1:] {
		if s == ")" {
			return types, f[i+2:], nil
		}
		t, err := valType(s)
		if err != nil {
			return nil, nil, err
		}
		types = append(types, t)
	}
	return nil, nil, fmt.Errorf("no closing parenthesis")
}

func (a *assembler) signature(f []string) (typ uint32, rest []string, err error) {
	params, rest, err := list(f)
	if err != nil {
		return 0, nil, err
	}
	var results []byte
	if len(rest) > 0 && rest[0] == "->" {
		if results, rest, err = list(rest[1:]); err != nil {
			return 0, nil, err
		}
	}
	return a.typ(params, results), rest, nil
}

func (a *assembler) typ(params, results []byte) uint32 {
	t := append(leb([]byte{0x60}, uint64(len(params))), params...)
	t = append(leb(t, uint64(len(results))), results...)
	for i, have := range a.types {
		if string(have) == string(t) {
			return uint32(i)
		}
	}
	a.types = append(a.types, t)
	return uint32(len(a.types) - 1)
}

func name(s string) []byte { return append(leb(nil, uint64(len(s))), s...) }

func (a *assembler) line(line string) error {
	f := fields(line)
	if len(f) == 0 {
		return nil
	}
	if a.depth > 0 {
		return a.instruction(f)
	}
	switch f[0] {
	case "import":
		typ, _, err := a.signature(f[4:])
		a.imports = append(a.imports, leb(append(append(name(f[1]), name(f[2])...), 0), uint64(typ)))
		return err
	case "memory":
		a.exports = append(a.exports, append(name("memory"), 2, 0))
		return a.limits(5, nil, f[1:])
	case "table":
		return a.limits(4, []byte{0x70}, f[1:])
	case "global":
		return a.global(f[1:])
	case "elem":
		return a.elem(f[1:])
	case "data":
		return a.segment(f[1], line)
	case "func":
		return a.function(f)
	case "raw":
		id, err := strconv.ParseUint(f[1], 10, 8)
		if err != nil {
			return err
		}
		b, err := raw(f[2:])
		a.raw[byte(id)] = b
		return err
	}
	return fmt.Errorf("unknown directive")
}

func raw(f []string) ([]byte, error) {
	var out []byte
	for _, s := range f {
		v, err := strconv.ParseUint(s, 16, 8)
		if err != nil {
			return nil, err
		}
		out = append(out, byte(v))
	}
	return out, nil
}

func (a *assembler) limits(id byte, prefix []byte, f []string) error {
	b := append([]byte{1}, prefix...)
	b = append(b, byte(len(f)-1))
	for _, s := range f {
		v, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return err
		}
		b = leb(b, v)
	}
	a.sections[id] = b
	return nil
}

func (a *assembler) global(f []string) error {
	t, err := valType(f[0])
	if err != nil {
		return err
	}
	g := []byte{t, 0}
	if f[1] == "mut" {
		g[1] = 1
	}
	init, err := constant(f[0]+".const", f[2])
	a.globals = append(a.globals, append(append(g, init...), 0x0b))
	return err
}

func (a *assembler) elem(f []string) error {
	var e []byte
	if f[0] == "passive" {
		e = []byte{1, 0}
	} else {
		at, err := strconv.ParseInt(f[0], 0, 32)
		if err != nil {
			return err
		}
		e = append(sleb([]byte{0, 0x41}, at), 0x0b)
	}
	e = leb(e, uint64(len(f)-1))
	for _, s := range f[1:] {
		fn, err := a.fn(s)
		if err != nil {
			return err
		}
		e = leb(e, uint64(fn))
	}
	a.elems = append(a.elems, e)
	return nil
}

func (a *assembler) segment(at, line string) error {
	text, err := strconv.Unquote(line[strings.IndexByte(line, '"'):])
	if err != nil {
		return err
	}
	d := []byte{1}
	if at != "passive" {
		v, err := strconv.ParseInt(at, 0, 32)
		if err != nil {
			return err
		}
		d = append(sleb([]byte{0, 0x41}, v), 0x0b)
	}
	a.data = append(a.data, append(d, name(text)...))
	return nil
}

// fn is the number of a function by its name or as a number.
func (a *assembler) fn(s string) (uint32, error) {
	if i, ok := a.funcs[s]; ok {
		return i, nil
	}
	v, err := strconv.ParseUint(s, 0, 32)
	return uint32(v), err
}

func (a *assembler) function(f []string) error {
	typ, rest, err := a.signature(f[2:])
	if err != nil {
		return err
	}
	locals, rest, err := list(rest)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		a.exports = append(a.exports, leb(append(name(rest[0]), 0), uint64(a.funcs[f[1]])))
	}
	a.own = append(a.own, leb(nil, uint64(typ)))
	a.body = leb(nil, uint64(len(locals)))
	for _, t := range locals {
		a.body = append(a.body, 1, t)
	}
	a.depth = 1
	return nil
}

func constant(op, arg string) ([]byte, error) {
	switch op {
	case "i32.const":
		v, err := strconv.ParseInt(arg, 0, 64)
		return sleb([]byte{0x41}, int64(int32(v))), err
	case "i64.const":
		v, err := strconv.ParseInt(arg, 0, 64)
		return sleb([]byte{0x42}, v), err
	case "f32.const":
		v, err := strconv.ParseFloat(arg, 32)
		return binary.LittleEndian.AppendUint32([]byte{0x43}, math.Float32bits(float32(v))), err
	}
	v, err := strconv.ParseFloat(arg, 64)
	return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(v)), err
}

func (a *assembler) module() []byte {
	vector := func(id byte, items [][]byte) {
		if len(items) == 0 {
			return
		}
		b := leb(nil, uint64(len(items)))
		for _, item := range items {
			b = append(b, item...)
		}
		a.sections[id] = b
	}
	vector(1, a.types)
	vector(2, a.imports)
	vector(3, a.own)
	vector(6, a.globals)
	vector(7, a.exports)
	vector(9, a.elems)
	vector(10, a.bodies)
	vector(11, a.data)
	a.sections[12] = leb(nil, uint64(len(a.data)))
	maps.Copy(a.sections, a.raw)
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11} {
		if b, ok := a.sections[id]; ok {
			out = append(leb(append(out, id), uint64(len(b))), b...)
		}
	}
	return out
}
