package module

import (
	"encoding/binary"
	"unicode/utf8"
)

// Parse reads a binary and checks what package doc says. The module points into b, which must stay as it is.
//
// # Errors
//
// An *Error that says which rule is broken.
func Parse(b []byte) (*Module, error) {
	if len(b) > MaxFile {
		return nil, &Error{"larger than 16 MiB", MaxFile}
	}
	if len(b) < 8 || string(b[:4]) != "\x00asm" || binary.LittleEndian.Uint32(b[4:]) != 1 {
		return nil, &Error{"no WebAssembly binary of version 1", 0}
	}
	p := &parser{m: &Module{}, r: reader{b: b, off: 8}}
	last, custom := byte(0), 0
	for !p.r.done() {
		id := p.r.byte()
		body := p.r.bytes(int(p.r.u32()))
		if p.r.err != nil {
			return nil, p.r.err
		}
		s := &reader{b: body, base: p.r.base + p.r.off - len(body)}
		if id == 0 {
			if custom++; custom > maxCustom {
				return nil, &Error{"too many custom sections", s.base}
			}
			p.custom(s)
			continue
		}
		if order := orderOf(id); order == 0 || order <= orderOf(last) {
			return nil, &Error{"a section is unknown, out of order or there twice", s.base}
		}
		last = id
		p.section(id, s)
		if s.err == nil && !s.done() {
			s.fail("a section has more bytes than its contents")
		}
		if s.err != nil {
			return nil, s.err
		}
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return p.m, nil
}

type parser struct {
	m         *Module
	r         reader
	dataCount int
	elements  int
}

// orderOf gives the place of a section: the one of data counts stands before the code.
func orderOf(id byte) int {
	switch {
	case id == 12:
		return 19
	case id == 13:
		return 0 // tags of exceptions
	case id >= 1 && id <= 9:
		return int(id)
	case id == 10 || id == 11:
		return int(id) + 10
	}
	return 0
}

func (p *parser) section(id byte, s *reader) {
	switch id {
	case 1:
		p.types(s)
	case 2:
		p.imports(s)
	case 3:
		for range s.count("functions", maxFunctions) {
			p.m.Funcs = append(p.m.Funcs, p.typeIndex(s))
		}
	case 4:
		p.table(s)
	case 5:
		p.memory(s)
	case 6:
		for range s.count("globals", maxGlobals) {
			g := Global{Type: p.valType(s), Mutable: p.flag(s)}
			g.Init = p.constant(s)
			p.m.Globals = append(p.m.Globals, g)
		}
	case 7:
		p.exports(s)
	case 8:
		s.fail("a start section would run code while the module loads: export _initialize instead")
	case 9:
		p.elementSegments(s)
	case 10:
		p.code(s)
	case 11:
		p.data(s)
	case 12:
		p.m.DataCount, p.dataCount = true, int(s.u32())
	}
}

func (p *parser) valType(s *reader) ValType {
	switch t := ValType(s.byte()); t {
	case I32, I64, F32, F64:
		return t
	case 0x7b:
		s.fail("SIMD is not allowed: compile without it (clang: -mno-simd128)")
	default:
		s.fail("unknown type of a value 0x%x", byte(t))
	}
	return I32
}

func (p *parser) flag(s *reader) bool {
	c := s.byte()
	if c > 1 {
		s.fail("a flag is neither 0 nor 1")
	}
	return c == 1
}

func (p *parser) types(s *reader) {
	for range s.count("types", maxTypes) {
		if s.byte() != 0x60 {
			s.fail("a type is not one of functions")
		}
		var t FuncType
		for range s.count("parameters", maxParams) {
			t.Params = append(t.Params, p.valType(s))
		}
		for range s.count("results", maxParams) {
			t.Results = append(t.Results, p.valType(s))
		}
		p.m.Types = append(p.m.Types, t)
	}
}

func (p *parser) typeIndex(s *reader) uint32 {
	i := s.u32()
	if s.err == nil && int(i) >= len(p.m.Types) {
		s.fail("no such type")
	}
	return i
}

func (p *parser) imports(s *reader) {
	for range s.count("imports", maxImports) {
		imp := Import{Module: s.name(), Name: s.name()}
		if kind := s.byte(); kind != KindFunc && s.err == nil {
			s.fail("imports %s.%s, which is no function: a plug-in may import functions only", imp.Module, imp.Name)
		}
		imp.Type = p.typeIndex(s)
		if s.err != nil {
			return
		}
		p.m.Imports = append(p.m.Imports, imp)
	}
}

func (p *parser) limits(s *reader, most uint32, what string) *Limits {
	flags := s.byte()
	if flags > 1 {
		s.fail("shared and 64-bit memories are not allowed: compile without threads and memory64")
	}
	l := &Limits{Min: s.u32(), HasMax: flags&1 != 0}
	if l.HasMax {
		l.Max = s.u32()
	}
	if l.Min > most {
		s.fail("%s of %d, at most %d is allowed", what, l.Min, most)
	}
	return l
}

func (p *parser) table(s *reader) {
	switch s.count("tables", 1) {
	case 0:
		return
	case 1:
	}
	if s.byte() != 0x70 {
		s.fail("a table holds something other than functions: reference types are not allowed")
	}
	p.m.Table = p.limits(s, maxTable, "a table")
}

func (p *parser) memory(s *reader) {
	if s.count("memories", 1) == 1 {
		p.m.Memory = p.limits(s, 65536, "a memory")
	}
}

// constant reads a constant expression and returns it with its end. Only constants are left: nothing can be imported that global.get could name.
func (p *parser) constant(s *reader) []byte {
	from := s.off
	switch op := s.byte(); op {
	case 0x41:
		s.signed(32)
	case 0x42:
		s.signed(64)
	case 0x43:
		s.bytes(4)
	case 0x44:
		s.bytes(8)
	default:
		s.fail("a constant expression is no plain constant")
	}
	if s.byte() != 0x0b {
		s.fail("a constant expression is no plain constant")
	}
	return s.b[from:s.off:s.off]
}

func (p *parser) exports(s *reader) {
	seen := map[string]bool{}
	for range s.count("exports", maxExports) {
		e := Export{Name: s.name(), Kind: s.byte(), Index: s.u32()}
		if s.err != nil {
			return
		}
		most := 0
		switch e.Kind {
		case KindFunc:
			most = p.m.NumFuncs()
		case KindTable:
			most = one(p.m.Table != nil)
		case KindMemory:
			most = one(p.m.Memory != nil)
		case KindGlobal:
			most = len(p.m.Globals)
		}
		switch {
		case int(e.Index) >= most:
			s.fail("export %q names nothing of the module", e.Name)
		case seen[e.Name]:
			s.fail("export %q is there twice", e.Name)
		case !utf8.ValidString(e.Name):
			s.fail("the name of an export is no UTF-8")
		}
		seen[e.Name] = true
		p.m.Exports = append(p.m.Exports, e)
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p *parser) elementSegments(s *reader) {
	for range s.count("element segments", maxSegments) {
		var e Element
		flags := s.u32()
		switch flags {
		case 0:
			e.Offset = p.constant(s)
		case 1, 3:
			e.Mode = Passive
			if flags == 3 {
				e.Mode = Declared
			}
		case 2:
			if s.u32() != 0 {
				s.fail("an element segment of another table")
			}
			e.Offset = p.constant(s)
		default:
			s.fail("an element segment of expressions: reference types are not allowed")
		}
		if flags != 0 && s.byte() != 0 {
			s.fail("an element segment of something other than functions")
		}
		if e.Mode == Active && p.m.Table == nil {
			s.fail("an element segment without a table")
		}
		n := s.count("elements of a segment", maxElements)
		if p.elements += n; p.elements > maxElements {
			s.fail("more than %d elements of segments", maxElements)
		}
		if s.err == nil && e.Mode == Active && !p.m.Table.holds(e.Offset, n) {
			s.fail("an element segment runs past the end of its table")
		}
		for range n {
			fn := s.u32()
			if s.err == nil && int(fn) >= p.m.NumFuncs() {
				s.fail("an element names no function of the module")
			}
			e.Funcs = append(e.Funcs, fn)
		}
		if s.err != nil {
			return
		}
		p.m.Elements = append(p.m.Elements, e)
	}
}

// holds reports whether so many elements have room from a constant offset on. The runtime leaves those out that have none, without a word.
func (l *Limits) holds(offset []byte, n int) bool {
	r := reader{b: offset}
	if r.byte() != 0x41 {
		return false
	}
	return int64(uint32(r.signed(32)))+int64(n) <= int64(l.Min)
}

func (p *parser) code(s *reader) {
	n := s.count("functions with code", maxFunctions)
	if n != len(p.m.Funcs) && s.err == nil {
		s.fail("%d functions are declared, %d have code", len(p.m.Funcs), n)
	}
	for range n {
		size := int(s.u32())
		if size > maxBody && s.err == nil {
			s.fail("a function of %d bytes, at most %d are allowed: split it, or compile for size", size, maxBody)
		}
		raw := s.bytes(size)
		if s.err != nil {
			return
		}
		f := &reader{b: raw, base: s.base + s.off - size}
		var body Body
		total := uint64(0)
		for range f.count("groups of locals", maxLocals) {
			l := Locals{N: f.u32()}
			l.Type = p.valType(f)
			if total += uint64(l.N); total > maxLocals {
				f.fail("more than %d locals in a function", maxLocals)
			}
			body.Locals = append(body.Locals, l)
		}
		body.Code, body.Offset = f.b[f.off:], f.base+f.off
		if f.err != nil {
			s.err = f.err
			return
		}
		p.m.Bodies = append(p.m.Bodies, body)
	}
}

func (p *parser) data(s *reader) {
	for range s.count("data segments", maxSegments) {
		var d Data
		switch s.u32() {
		case 0:
			d.Offset = p.constant(s)
		case 1:
			d.Mode = Passive
		case 2:
			if s.u32() != 0 {
				s.fail("a data segment of another memory")
			}
			d.Offset = p.constant(s)
		default:
			s.fail("unknown kind of data segment")
		}
		if d.Mode == Active && p.m.Memory == nil {
			s.fail("a data segment without a memory")
		}
		d.Bytes = s.bytes(int(s.u32()))
		if s.err != nil {
			return
		}
		p.m.Data = append(p.m.Data, d)
	}
}

// custom keeps the names of functions, which say where a trap was; what is wrong with them does no harm, so they are dropped then.
func (p *parser) custom(s *reader) {
	if s.name() != "name" || p.m.Names != nil {
		return
	}
	for !s.done() {
		id := s.byte()
		sub := &reader{b: s.bytes(int(s.u32()))}
		if id != 1 {
			continue
		}
		names := map[uint32]string{}
		for range sub.count("names", maxFunctions) {
			fn := sub.u32()
			if n := sub.name(); sub.err == nil && utf8.ValidString(n) && len(n) <= 200 {
				names[fn] = n
			}
		}
		if sub.err == nil {
			p.m.Names = names
		}
	}
}

// finish checks what needs the whole module.
func (p *parser) finish() error {
	m := p.m
	if len(m.Bodies) != len(m.Funcs) {
		return &Error{"functions are declared that have no code", 0}
	}
	if m.DataCount && p.dataCount != len(m.Data) {
		return &Error{"the number of data segments is not what the module says", 0}
	}
	for i := range m.Bodies {
		w := NewWalker(m, i)
		for w.Next() {
		}
		if err := w.Err(); err != nil {
			return err
		}
	}
	return nil
}
