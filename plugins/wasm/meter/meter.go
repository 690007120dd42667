package meter

import (
	"fmt"
	"strconv"

	"github.com/tidegate/engine/plugins/wasm/module"
)

// Names that the host and the rewritten module share.
const (
	ImportModule = "__tg"
	ImportYield  = "yield"   // (fuel, stack i64) → i64: the next slice
	ImportDenied = "refused" // (): memory.grow failed
	ExportFuel   = "__tg_fuel"
	ExportStack  = "__tg_stack"
	exportGlobal = "__tg_g"
)

// What things cost.
const (
	// EntryCost is what calling a function costs besides its instructions, so that fuel bounds recursion too.
	EntryCost = 16
	// PieceSize is how many bytes one memory.fill or memory.copy moves before the host gets a chance.
	PieceSize = 1 << 20
	// PageCost is what one page of memory.grow costs: it has to be cleared.
	PageCost = 8192
	// bytesShift: eight bytes moved cost a unit.
	bytesShift = 3
	// frameBytes is what a native frame takes besides its values, with a reserve.
	frameBytes = 128
	// largeFrame is from where on a function pays its frame though it calls nothing.
	largeFrame = 16 << 10
)

// Options of Rewrite.
type Options struct {
	// MaxPages is the most pages of 64 KiB that the memory may have.
	MaxPages uint32
	// Unmetered leaves the payments out, to measure what they cost. Such a module cannot be stopped.
	Unmetered bool
}

// Result is a rewritten module.
type Result struct {
	// Wasm is the binary.
	Wasm []byte
	// Globals are the exported names of those globals of the guest that may change.
	Globals []string
	// Volatile says that the guest changes its table or drops segments while it runs: a snapshot of memory and globals does not bring it back.
	Volatile bool
}

// Rewrite returns a metered copy of a module. It is deterministic.
//
// # Errors
//
// A *module.Error where the module begins with more memory than it may have, or is larger than it may be once it is metered.
func Rewrite(m *module.Module, o Options) (*Result, error) {
	if m.Memory != nil && m.Memory.Min > o.MaxPages {
		return nil, &module.Error{What: fmt.Sprintf("the module begins with %d pages of memory and may have %d: raise limits.memory_pages", m.Memory.Min, o.MaxPages)}
	}
	r := &rewriter{m: m, o: o, res: &Result{}, imports: uint32(len(m.Imports))}
	r.yield, r.denied = r.imports, r.imports+1
	r.fuel, r.stack = uint32(len(m.Globals)), uint32(len(m.Globals))+1
	r.types = append(r.types, m.Types...)
	r.plan()
	if err := r.write(); err != nil {
		return nil, err
	}
	return r.res, nil
}

type rewriter struct {
	m             *module.Module
	o             Options
	res           *Result
	types         []module.FuncType
	imports       uint32 // of the guest
	yield, denied uint32 // functions of the host
	fuel, stack   uint32 // globals
	bodies        [][]byte
	extra         []extra // functions behind those of the module
	helpers       map[helperKey]uint32
	unrolled      int     // bytes that were written again
	leafs         []int64 // of the module's own functions: what a call pays for one that does not pay itself; 0 is none
	paying        bool    // whether the present function pays for leaves
}

type extra struct {
	typ  uint32
	body []byte
	name string // of the function that it is a copy of; "" for none
}

// typeIndex finds a signature, or adds it.
func (r *rewriter) typeIndex(t module.FuncType) uint32 {
	for i, have := range r.types {
		if have.Equal(t) {
			return uint32(i)
		}
	}
	r.types = append(r.types, t)
	return uint32(len(r.types) - 1)
}

// function is the new number of a function.
func (r *rewriter) function(old uint32) uint32 {
	if old < r.imports {
		return old
	}
	return old + 2
}

// plan rewrites the bodies, which decides what else is needed.
func (r *rewriter) plan() {
	r.helpers = map[helperKey]uint32{}
	r.findLeaves()
	for i := range r.m.Bodies {
		r.paying = r.pays(i)
		r.bodies = append(r.bodies, r.body(i))
	}
}

// write puts the sections together.
func (r *rewriter) write() error {
	i64 := module.I64
	yieldType := r.typeIndex(module.FuncType{Params: []module.ValType{i64, i64}, Results: []module.ValType{i64}})
	deniedType := r.typeIndex(module.FuncType{})
	out := &writer{b: []byte("\x00asm\x01\x00\x00\x00")}
	var s writer
	flush := func(id byte, n int) {
		if n > 0 {
			out.section(id, s.b)
		}
		s.b = s.b[:0]
	}

	s.u32(uint32(len(r.types)))
	for _, t := range r.types {
		s.byte(0x60)
		s.types(t.Params)
		s.types(t.Results)
	}
	flush(1, 1)

	s.u32(r.imports + 2)
	for _, i := range r.m.Imports {
		writeImport(&s, i.Module, i.Name, i.Type)
	}
	writeImport(&s, ImportModule, ImportYield, yieldType)
	writeImport(&s, ImportModule, ImportDenied, deniedType)
	flush(2, 1)

	s.u32(uint32(len(r.m.Funcs) + len(r.extra)))
	for _, t := range r.m.Funcs {
		s.u32(t)
	}
	for _, e := range r.extra {
		s.u32(e.typ)
	}
	flush(3, len(r.m.Funcs)+len(r.extra))

	r.state(&s, flush)
	r.exports(&s)
	flush(7, 1)
	r.segments(&s, flush)
	r.names(&s)
	flush(0, len(s.b))
	r.res.Wasm = out.b
	if len(out.b) > 4*module.MaxFile {
		return &module.Error{What: "the module is too large once it is metered: make it smaller", Offset: len(out.b)}
	}
	return nil
}

func writeImport(s *writer, mod, name string, typ uint32) {
	s.name(mod)
	s.name(name)
	s.byte(module.KindFunc)
	s.u32(typ)
}

// state writes the table, the memory and the globals.
func (r *rewriter) state(s *writer, flush func(byte, int)) {
	if t := r.m.Table; t != nil {
		s.u32(1)
		s.byte(0x70)
		s.limits(module.Limits{Min: t.Min, Max: t.Min, HasMax: true}) // nothing can make it grow
		flush(4, 1)
	}
	if mem := r.m.Memory; mem != nil {
		most := r.o.MaxPages
		if mem.HasMax {
			most = min(most, max(mem.Max, mem.Min))
		}
		s.u32(1)
		s.limits(module.Limits{Min: mem.Min, Max: most, HasMax: true})
		flush(5, 1)
	}
	s.u32(uint32(len(r.m.Globals)) + 2)
	for _, g := range r.m.Globals {
		s.byte(byte(g.Type), 0)
		if g.Mutable {
			s.b[len(s.b)-1] = 1
		}
		s.byte(g.Init...)
	}
	for range 2 {
		s.byte(byte(module.I64), 1, opI64Const, 0, module.OpEnd)
	}
	flush(6, 1)
}

func (r *rewriter) exports(s *writer) {
	var e writer
	n := uint32(0)
	add := func(name string, kind byte, index uint32) {
		e.name(name)
		e.byte(kind)
		e.u32(index)
		n++
	}
	for _, x := range r.m.Exports {
		if x.Kind == module.KindFunc {
			x.Index = r.function(x.Index)
		}
		add(x.Name, x.Kind, x.Index)
	}
	add(ExportFuel, module.KindGlobal, r.fuel)
	add(ExportStack, module.KindGlobal, r.stack)
	for i, g := range r.m.Globals {
		if g.Mutable {
			name := exportGlobal + strconv.Itoa(i)
			add(name, module.KindGlobal, uint32(i))
			r.res.Globals = append(r.res.Globals, name)
		}
	}
	s.u32(n)
	s.byte(e.b...)
}

// segments writes elements, code and data.
func (r *rewriter) segments(s *writer, flush func(byte, int)) {
	s.u32(uint32(len(r.m.Elements)))
	for _, e := range r.m.Elements {
		switch e.Mode {
		case module.Active:
			s.byte(0)
			s.byte(e.Offset...)
		case module.Passive:
			s.byte(1, 0)
		default:
			s.byte(3, 0)
		}
		s.u32(uint32(len(e.Funcs)))
		for _, fn := range e.Funcs {
			s.u32(r.function(fn))
		}
	}
	flush(9, len(r.m.Elements))

	s.u32(uint32(len(r.m.Data)))
	flush(12, one(r.m.DataCount))

	s.u32(uint32(len(r.bodies) + len(r.extra)))
	for _, b := range r.bodies {
		s.sized(b)
	}
	for _, e := range r.extra {
		s.sized(e.body)
	}
	flush(10, len(r.bodies)+len(r.extra))

	s.u32(uint32(len(r.m.Data)))
	for _, d := range r.m.Data {
		s.byte(d.Mode)
		s.byte(d.Offset...)
		s.sized(d.Bytes)
	}
	flush(11, len(r.m.Data))
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// names keeps what functions are called, for the text of a trap.
func (r *rewriter) names(s *writer) {
	if len(r.m.Names) == 0 {
		return
	}
	var list writer
	n := uint32(0)
	for old := range uint32(r.m.NumFuncs()) {
		if name, ok := r.m.Names[old]; ok {
			list.u32(r.function(old))
			list.name(name)
			n++
		}
	}
	for i, x := range r.extra {
		if x.name != "" {
			list.u32(r.function(uint32(r.m.NumFuncs())) + uint32(i))
			list.name(x.name)
			n++
		}
	}
	var sub writer
	sub.u32(n)
	sub.byte(list.b...)
	s.name("name")
	s.section(1, sub.b)
}
