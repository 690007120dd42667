package module

import "slices"

// Sizes that bound the work of reading, rewriting and compiling. They are far above what compilers emit.
const (
	MaxFile        = 16 << 20
	maxTypes       = 10_000
	maxParams      = 200
	maxImports     = 200
	maxFunctions   = 50_000
	maxGlobals     = 5_000
	maxExports     = 5_000
	maxSegments    = 50_000
	maxTable       = 65_536
	maxElements    = 200_000
	maxCustom      = 1_000
	maxBody        = 512 << 10
	maxLocals      = 2_000
	maxInstruction = 100_000 // of one function
	maxNesting     = 10_000
	maxTargets     = 200_000 // of the br_tables of one function
)

// ValType is a type of values: I32, I64, F32 or F64.
type ValType byte

// The types of values.
const (
	I32 ValType = 0x7f
	I64 ValType = 0x7e
	F32 ValType = 0x7d
	F64 ValType = 0x7c
)

// FuncType is a signature.
type FuncType struct{ Params, Results []ValType }

// Equal reports whether two signatures are the same.
func (t FuncType) Equal(o FuncType) bool {
	return slices.Equal(t.Params, o.Params) && slices.Equal(t.Results, o.Results)
}

// Import is an imported function: nothing else can be imported.
type Import struct {
	Module, Name string
	Type         uint32
}

// Limits are sizes of a memory in pages of 64 KiB, or of a table in elements.
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// Global is a global of the module. Init is the constant expression with its end.
type Global struct {
	Type    ValType
	Mutable bool
	Init    []byte
}

// Kinds of exports.
const (
	KindFunc byte = iota
	KindTable
	KindMemory
	KindGlobal
)

// Export is an exported function, table, memory or global.
type Export struct {
	Name  string
	Kind  byte
	Index uint32
}

// Modes of segments.
const (
	Active byte = iota
	Passive
	Declared
)

// Element is a segment of function numbers for the table. Offset is the constant expression with its end, of an active one.
type Element struct {
	Mode   byte
	Offset []byte
	Funcs  []uint32
}

// Data is a segment of the memory.
type Data struct {
	Mode   byte
	Offset []byte
	Bytes  []byte
}

// Locals are some locals of one type.
type Locals struct {
	N    uint32
	Type ValType
}

// Body is the code of a function, with its last end.
type Body struct {
	Locals []Locals
	Code   []byte
	Offset int // of Code in the file
}

// Module is a parsed binary. Its slices point into the bytes that it was parsed from.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Funcs     []uint32 // types of the module's own functions
	Table     *Limits
	Memory    *Limits
	Globals   []Global
	Exports   []Export
	Elements  []Element
	DataCount bool
	Bodies    []Body
	Data      []Data
	Names     map[uint32]string // of functions, as far as the module says
}

// TypeOf returns the signature of a function by its number, imports first; false where there is no such function.
func (m *Module) TypeOf(fn uint32) (FuncType, bool) {
	if n := uint32(len(m.Imports)); fn < n {
		return m.Types[m.Imports[fn].Type], true
	} else if fn -= n; fn < uint32(len(m.Funcs)) {
		return m.Types[m.Funcs[fn]], true
	}
	return FuncType{}, false
}

// Export returns the export of a name and kind.
func (m *Module) Export(name string, kind byte) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name && e.Kind == kind {
			return e, true
		}
	}
	return Export{}, false
}

// NumFuncs is how many functions there are, imported ones included.
func (m *Module) NumFuncs() int { return len(m.Imports) + len(m.Funcs) }
