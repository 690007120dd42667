package module

// Opcodes that the walker and the rewriter treat on their own.
const (
	OpUnreachable  = 0x00
	OpBlock        = 0x02
	OpLoop         = 0x03
	OpIf           = 0x04
	OpElse         = 0x05
	OpEnd          = 0x0b
	OpBr           = 0x0c
	OpBrIf         = 0x0d
	OpBrTable      = 0x0e
	OpReturn       = 0x0f
	OpCall         = 0x10
	OpCallIndirect = 0x11
	OpMemoryGrow   = 0x40
	OpBulk         = 0xfc // a prefix; Sub says which

	SubMemoryInit = 8
	SubDataDrop   = 9
	SubMemoryCopy = 10
	SubMemoryFill = 11
	SubTableInit  = 12
	SubElemDrop   = 13
	SubTableCopy  = 14
)

// immediate says what follows an opcode.
type immediate byte

const (
	immRefused immediate = iota
	immNone
	immBlock    // a type of a block
	immLabel    // the depth of a label
	immLabels   // a vector of depths and one more
	immFunc     // a function
	immIndirect // a type and a table
	immLocal
	immGlobal
	immMemory   // alignment and offset
	immZero     // a memory, which is 0
	immI32      // a number
	immI64      // a number
	immBytes4   // a float
	immBytes8   // a float
	immDataMem  // a data segment and a memory
	immData     // a data segment
	immTwoMem   // two memories
	immElem     // an element segment
	immElemTab  // an element segment and a table
	immTwoTable // two tables
)

// effect is what an instruction carries and does to the height of the stack. Control, calls and locals are the walker's own business.
type effect struct {
	imm       immediate
	pop, push int8
	cost      uint8
	globalSet bool
}

// effectOf describes an opcode; immRefused for one that a plug-in may not use.
func effectOf(op byte) effect {
	e := effect{imm: immNone, cost: 1}
	switch {
	case op == OpUnreachable || op == 0x01 || op == OpElse || op == OpEnd || op == OpReturn:
	case op == OpBlock || op == OpLoop || op == OpIf:
		e.imm = immBlock
		e.pop = int8(one(op == OpIf))
	case op == OpBr:
		e.imm = immLabel
	case op == OpBrIf:
		e.imm, e.pop = immLabel, 1
	case op == OpBrTable:
		e.imm, e.pop, e.cost = immLabels, 1, 2
	case op == OpCall:
		e.imm, e.cost = immFunc, 4
	case op == OpCallIndirect:
		e.imm, e.cost, e.pop = immIndirect, 6, 1
	case op == 0x1a:
		e.pop = 1
	case op == 0x1b:
		e.pop, e.push = 3, 1
	case op == 0x20:
		e.imm, e.push = immLocal, 1
	case op == 0x21:
		e.imm, e.pop = immLocal, 1
	case op == 0x22:
		e.imm, e.pop, e.push = immLocal, 1, 1
	case op == 0x23:
		e.imm, e.push = immGlobal, 1
	case op == 0x24:
		e.imm, e.pop, e.globalSet = immGlobal, 1, true
	case op >= 0x28 && op <= 0x35:
		e.imm, e.pop, e.push = immMemory, 1, 1
	case op >= 0x36 && op <= 0x3e:
		e.imm, e.pop = immMemory, 2
	case op == 0x3f:
		e.imm, e.push = immZero, 1
	case op == OpMemoryGrow:
		e.imm, e.pop, e.push, e.cost = immZero, 1, 1, 8
	case op == 0x41:
		e.imm, e.push = immI32, 1
	case op == 0x42:
		e.imm, e.push = immI64, 1
	case op == 0x43:
		e.imm, e.push = immBytes4, 1
	case op == 0x44:
		e.imm, e.push = immBytes8, 1
	case op >= 0x45 && op <= 0xc4:
		return numeric(op)
	default:
		e.imm = immRefused
	}
	return e
}

// numeric describes 0x45 … 0xc4: comparisons, arithmetic and conversions. Division and square roots take the processor many cycles.
func numeric(op byte) effect {
	e := effect{imm: immNone, pop: 1, push: 1, cost: 1}
	binary := func(from, to byte) bool { return op >= from && op <= to }
	switch {
	case binary(0x46, 0x4f), binary(0x51, 0x66), binary(0x6a, 0x78), binary(0x7c, 0x8a), binary(0x92, 0x98), binary(0xa0, 0xa6):
		e.pop = 2
	}
	switch op {
	case 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x91, 0x95, 0x9f, 0xa3:
		e.cost = 8
	}
	return e
}

// bulk describes what follows the prefix 0xfc: saturating conversions and bulk memory.
func bulk(sub uint32) effect {
	switch sub {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		return effect{imm: immNone, pop: 1, push: 1, cost: 1}
	case SubMemoryInit:
		return effect{imm: immDataMem, pop: 3, cost: 8}
	case SubDataDrop:
		return effect{imm: immData, cost: 1}
	case SubMemoryCopy:
		return effect{imm: immTwoMem, pop: 3, cost: 8}
	case SubMemoryFill:
		return effect{imm: immZero, pop: 3, cost: 8}
	case SubTableInit:
		return effect{imm: immElemTab, pop: 3, cost: 8}
	case SubElemDrop:
		return effect{imm: immElem, cost: 1}
	case SubTableCopy:
		return effect{imm: immTwoTable, pop: 3, cost: 8}
	}
	return effect{imm: immRefused}
}

// refusal says what an instruction is that a plug-in may not use.
func refusal(op byte, sub uint32) string {
	switch {
	case op == OpBulk && sub == 15:
		return "table.grow escapes every limit of memory and is not allowed"
	case op == OpBulk:
		return "table.size and table.fill need reference types, which are not allowed"
	case op == 0x12 || op == 0x13:
		return "tail calls are not allowed"
	case op == 0x06 || op == 0x07 || op == 0x08 || op == 0x09 || op == 0x0a || op == 0x18 || op == 0x19 || op == 0x1f:
		return "exceptions are not allowed"
	case op == 0x1c || op == 0x25 || op == 0x26 || op >= 0xd0 && op <= 0xd6:
		return "reference types are not allowed"
	case op == 0xfd:
		return "SIMD is not allowed: compile without it (clang: -mno-simd128)"
	case op == 0xfe:
		return "atomic instructions are not allowed: compile without threads"
	}
	return "unknown instruction"
}
