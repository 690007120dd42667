package meter

import "github.com/tidegate/engine/plugins/wasm/module"

// helperKey names a function that stands for an instruction which works on many bytes.
type helperKey struct {
	kind   helperKind
	number uint32 // of the segment, or of the leaf among the module's own functions
}

type helperKind byte

const (
	fillHelper helperKind = iota // (to, value, n)
	copyHelper                   // (to, from, n)
	initHelper                   // (to, from, n)
	growHelper                   // (pages) → pages before, or -1
	leafHelper                   // a leaf that does not pay
)

// helper is the number of the function, which it adds when it is asked for the first time.
func (r *rewriter) helper(k helperKey) uint32 {
	if fn, ok := r.helpers[k]; ok {
		return fn
	}
	i32 := module.I32
	typ := module.FuncType{Params: []module.ValType{i32, i32, i32}}
	c := &code{}
	signature, name := -1, ""
	switch k.kind {
	case fillHelper:
		r.fill(c)
	case copyHelper:
		r.copy(c)
	case initHelper:
		r.init(c, k.number)
	case growHelper:
		typ = module.FuncType{Params: []module.ValType{i32}, Results: []module.ValType{i32}}
		r.grow(c)
	case leafHelper:
		signature, name = int(r.m.Funcs[k.number]), r.m.Names[r.imports+k.number]
		r.copyOf(c, k.number)
	}
	c.byte(module.OpEnd)
	if signature < 0 {
		signature = int(r.typeIndex(typ))
	}
	fn := uint32(r.m.NumFuncs()+2) + uint32(len(r.extra))
	r.extra = append(r.extra, extra{uint32(signature), c.b, name})
	r.helpers[k] = fn
	return fn
}

// Parameters and locals of the functions below.
const (
	pTo, pFrom, pN = 0, 1, 2
	lPiece         = 3 // i32
	lFuel          = 4 // i64
)

// locals declares lPiece and lFuel.
func locals(c *code) { c.byte(2, 1, byte(module.I32), 1, byte(module.I64)) }

// payBytes takes what so many bytes cost, and calls the host where fuel runs out.
func (r *rewriter) payBytes(c *code, n uint32) {
	c.op(opGlobGet, r.fuel)
	c.get(n)
	c.byte(opExtendU)
	c.i64(bytesShift)
	c.byte(opI64ShrU, opI64Sub)
	c.op(opLocalTee, lFuel)
	c.op(opGlobSet, r.fuel)
	c.get(lFuel)
	r.check(c)
}

// piece sets lPiece to min(n, PieceSize).
func piece(c *code) {
	c.get(pN)
	c.i32(PieceSize)
	c.get(pN)
	c.i32(PieceSize)
	c.byte(opI32LtU, 0x1b) // select
	c.set(lPiece)
}

// add moves a parameter by the piece.
func add(c *code, local uint32, op byte) {
	c.get(local)
	c.get(lPiece)
	c.byte(op)
	c.set(local)
}

// again goes back to the loop while bytes are left.
func again(c *code) {
	c.get(pN)
	c.byte(module.OpBrIf, 0, module.OpEnd)
}

func (r *rewriter) fill(c *code) {
	locals(c)
	c.byte(module.OpLoop, noResult)
	piece(c)
	r.payBytes(c, lPiece)
	c.get(pTo)
	c.get(pFrom)
	c.get(lPiece)
	c.byte(module.OpBulk, module.SubMemoryFill, 0)
	add(c, pTo, opI32Add)
	add(c, pN, opI32Sub)
	again(c)
}

// copy goes up or down, whichever does not write over what it has still to read.
func (r *rewriter) copy(c *code) {
	locals(c)
	copyPiece := func() { c.byte(module.OpBulk, module.SubMemoryCopy, 0, 0) }
	c.get(pTo)
	c.get(pFrom)
	c.byte(opI32LeU)
	c.get(pN)
	c.i32(PieceSize)
	c.byte(opI32LeU, 0x72, opIf, noResult) // or
	c.byte(module.OpLoop, noResult)
	piece(c)
	r.payBytes(c, lPiece)
	c.get(pTo)
	c.get(pFrom)
	c.get(lPiece)
	copyPiece()
	add(c, pTo, opI32Add)
	add(c, pFrom, opI32Add)
	add(c, pN, opI32Sub)
	again(c)
	c.byte(module.OpElse)
	for _, p := range []uint32{pTo, pFrom} { // from the end, an address that wraps around would look like a good one
		c.get(p)
		c.byte(opExtendU)
		c.get(pN)
		c.byte(opExtendU, opI64Add, 0x3f, 0, opExtendU) // memory.size
		c.i64(16)
		c.byte(opI64Shl, opI64GtU, opIf, noResult, module.OpUnreachable, module.OpEnd)
	}
	c.byte(module.OpLoop, noResult)
	piece(c)
	r.payBytes(c, lPiece)
	add(c, pN, opI32Sub)
	for _, p := range []uint32{pTo, pFrom} {
		c.get(p)
		c.get(pN)
		c.byte(opI32Add)
	}
	c.get(lPiece)
	copyPiece()
	again(c)
	c.byte(module.OpEnd)
}

func (r *rewriter) init(c *code, segment uint32) {
	locals(c)
	r.payBytes(c, pN)
	c.get(pTo)
	c.get(pFrom)
	c.get(pN)
	c.byte(module.OpBulk, module.SubMemoryInit)
	c.u32(segment)
	c.byte(0)
}

// grow pays for the pages first, except for more than there can be, which fail for nothing. The host learns of a failure: what traps next is out of memory.
func (r *rewriter) grow(c *code) {
	const pages, result, fuel = 0, 1, 2
	c.byte(2, 1, byte(module.I32), 1, byte(module.I64))
	c.get(pages)
	c.i32(int64(int32(r.o.MaxPages)))
	c.byte(opI32LeU, opIf, noResult)
	c.op(opGlobGet, r.fuel)
	c.get(pages)
	c.byte(opExtendU)
	c.i64(PageCost)
	c.byte(opI64Mul, opI64Sub)
	c.op(opLocalTee, fuel)
	c.op(opGlobSet, r.fuel)
	c.get(fuel)
	r.check(c)
	c.byte(module.OpEnd)
	c.get(pages)
	c.byte(module.OpMemoryGrow, 0)
	c.op(opLocalTee, result)
	c.i32(-1)
	c.byte(opI32Eq, opIf, noResult)
	c.op(module.OpCall, r.denied)
	c.byte(module.OpEnd)
	c.get(result)
}
