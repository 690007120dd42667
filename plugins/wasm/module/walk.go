package module

// Walker goes through the instructions of one function, checks their indexes, and keeps the height of the operand stack. Next it, then read its fields.
type Walker struct {
	// Op and Sub are the instruction; Sub counts after the prefix OpBulk.
	Op  byte
	Sub uint32
	// Index is the function, type, local, global, label or segment that the instruction names.
	Index uint32
	// Labels are the targets of a br_table, the default last; they are nil for other instructions.
	Labels []uint32
	// From and To are where the instruction stands in the code.
	From, To int
	// Cost is what the instruction weighs in fuel.
	Cost int
	// MaxHeight is the largest height of the operand stack so far, values that a call would have to save.
	MaxHeight int

	m      *Module
	r      reader
	fn     FuncType
	locals uint32
	height int
	seen   struct{ targets, instructions, values int } // values are those of this instruction
	frames []frame
}

type frame struct {
	op              byte
	base            int // height below the parameters
	params, results int
}

// NewWalker starts at the first instruction of the function with this number among the module's own.
func NewWalker(m *Module, own int) *Walker {
	body := &m.Bodies[own]
	w := &Walker{m: m, r: reader{b: body.Code, base: body.Offset}, fn: m.Types[m.Funcs[own]]}
	w.locals = uint32(len(w.fn.Params))
	for _, l := range body.Locals {
		w.locals += l.N
	}
	w.frames = append(w.frames, frame{op: OpBlock, results: len(w.fn.Results)})
	return w
}

// Err is the first thing wrong with the code.
func (w *Walker) Err() error {
	if w.r.err != nil {
		return w.r.err
	}
	return nil
}

// Locals is the number of parameters and locals.
func (w *Walker) Locals() int { return int(w.locals) }

// Type is the signature of the function.
func (w *Walker) Type() FuncType { return w.fn }

// Next reads an instruction; false at the end, or where Err has something.
func (w *Walker) Next() bool {
	if w.r.done() {
		if len(w.frames) > 0 {
			w.r.fail("a function ends before its last end")
		}
		return false
	}
	if len(w.frames) == 0 {
		w.r.fail("code follows the last end of a function")
		return false
	}
	if w.seen.instructions++; w.seen.instructions > maxInstruction {
		w.r.fail("a function of more than %d instructions: split it, or compile for size", maxInstruction)
		return false
	}
	w.From = w.r.off
	w.Op, w.Sub, w.Index, w.Labels = w.r.byte(), 0, 0, nil
	e := effectOf(w.Op)
	if w.Op == OpBulk {
		w.Sub = w.r.u32()
		e = bulk(w.Sub)
	}
	if e.imm == immRefused {
		w.r.off = w.From
		w.r.fail("%s", refusal(w.Op, w.Sub))
		return false
	}
	w.Cost = int(e.cost)
	w.pop(int(e.pop))
	w.immediate(e)
	w.push(int(e.push))
	w.computed(e)
	w.control()
	w.To = w.r.off
	return w.r.err == nil
}

// Values is how many values the instruction computes that a compiler may have to keep: an access to memory computes its address as well. Constants and locals, which are
// there already, are none; the end of a block leaves its results.
func (w *Walker) Values() int { return w.seen.values }

func (w *Walker) computed(e effect) {
	w.seen.values = int(e.push)
	switch {
	case w.Op == OpCall:
		if t, ok := w.m.TypeOf(w.Index); ok {
			w.seen.values = len(t.Results)
		}
	case w.Op == OpCallIndirect && w.r.err == nil:
		w.seen.values = len(w.m.Types[w.Index].Results) + 2 // the place in the table, and what lies there
	case e.imm == immMemory:
		w.seen.values += 2
	case e.imm == immLocal || e.imm == immI32 || e.imm == immI64 || e.imm == immBytes4 || e.imm == immBytes8:
		w.seen.values = 0
	}
}

// Depth is how many blocks are open after the instruction, that of the function itself included; 0 after the last end.
func (w *Walker) Depth() int { return len(w.frames) }

// BlockParams is how many parameters the innermost open block has.
func (w *Walker) BlockParams() int {
	if len(w.frames) == 0 {
		return 0
	}
	return w.frames[len(w.frames)-1].params
}

func (w *Walker) pop(n int) {
	w.height = max(w.height-n, w.frames[len(w.frames)-1].base)
}

func (w *Walker) push(n int) {
	w.height += n
	w.MaxHeight = max(w.MaxHeight, w.height)
}

// below reads an index and checks it.
func (w *Walker) below(n int, what string) uint32 {
	i := w.r.u32()
	if w.r.err == nil && uint64(i) >= uint64(n) {
		w.r.fail("an instruction names %s %d, and the module has %d", what, i, n)
	}
	return i
}

func (w *Walker) immediate(e effect) {
	m := w.m
	switch e.imm {
	case immBlock:
		w.block()
	case immLabel:
		w.Index = w.below(len(w.frames), "label")
	case immLabels:
		n := w.r.count("targets of a br_table", maxTargets)
		if w.seen.targets += n + 1; w.seen.targets > maxTargets {
			w.r.fail("more than %d targets of br_tables in a function", maxTargets)
		}
		for range n + 1 {
			w.Labels = append(w.Labels, w.below(len(w.frames), "label"))
		}
	case immFunc:
		w.Index = w.below(m.NumFuncs(), "function")
		w.call(w.Index)
	case immIndirect:
		w.Index = w.below(len(m.Types), "type")
		w.below(one(m.Table != nil), "table")
		if w.r.err == nil {
			w.pop(len(m.Types[w.Index].Params))
			w.push(len(m.Types[w.Index].Results))
		}
	case immLocal:
		w.Index = w.below(int(w.locals), "local")
	case immGlobal:
		w.global(e.globalSet)
	case immMemory:
		w.r.u32()
		w.r.u32()
		w.needMemory()
	case immZero:
		w.zero()
	case immI32:
		w.r.signed(32)
	case immI64:
		w.r.signed(64)
	case immBytes4:
		w.r.bytes(4)
	case immBytes8:
		w.r.bytes(8)
	default:
		w.segments(e.imm)
	}
}

func (w *Walker) segments(imm immediate) {
	switch imm {
	case immDataMem:
		w.Index = w.below(len(w.m.Data), "data segment")
		w.zero()
	case immData:
		w.Index = w.below(len(w.m.Data), "data segment")
	case immTwoMem:
		w.zero()
		w.zero()
	case immElem:
		w.Index = w.below(len(w.m.Elements), "element segment")
	case immElemTab:
		w.Index = w.below(len(w.m.Elements), "element segment")
		w.below(one(w.m.Table != nil), "table")
	case immTwoTable:
		w.below(one(w.m.Table != nil), "table")
		w.below(one(w.m.Table != nil), "table")
	}
}

func (w *Walker) zero() {
	if w.r.byte() != 0 {
		w.r.fail("an instruction names another memory")
	}
	w.needMemory()
}

func (w *Walker) needMemory() {
	if w.m.Memory == nil {
		w.r.fail("an instruction needs a memory, and the module has none")
	}
}

func (w *Walker) global(set bool) {
	w.Index = w.below(len(w.m.Globals), "global")
	if set && w.r.err == nil && !w.m.Globals[w.Index].Mutable {
		w.r.fail("an instruction writes a constant global")
	}
}

func (w *Walker) call(fn uint32) {
	if t, ok := w.m.TypeOf(fn); ok {
		w.pop(len(t.Params))
		w.push(len(t.Results))
	}
}

// block reads the type of a block and opens its frame.
func (w *Walker) block() {
	f := frame{op: w.Op}
	switch c := w.r.b[min(w.r.off, len(w.r.b)-1)]; {
	case c == 0x40:
		w.r.byte()
	case c == byte(I32) || c == byte(I64) || c == byte(F32) || c == byte(F64):
		w.r.byte()
		f.results = 1
	default:
		i := w.r.signed(33)
		if i < 0 || i >= int64(len(w.m.Types)) {
			w.r.fail("a block has an unknown type")
			return
		}
		f.params, f.results = len(w.m.Types[i].Params), len(w.m.Types[i].Results)
	}
	w.pop(f.params)
	f.base = w.height
	if w.frames = append(w.frames, f); len(w.frames) > maxNesting {
		w.r.fail("blocks are nested more than %d deep", maxNesting)
	}
	w.push(f.params)
}

// control opens and closes frames after the immediates were read.
func (w *Walker) control() {
	top := &w.frames[len(w.frames)-1]
	switch w.Op {
	case OpElse:
		if top.op != OpIf {
			w.r.fail("an else without its if")
			return
		}
		top.op = OpElse
		w.height = top.base
		w.push(top.params)
	case OpEnd:
		w.seen.values = top.results
		w.height = top.base
		w.frames = w.frames[:len(w.frames)-1]
		w.height += top.results
		w.MaxHeight = max(w.MaxHeight, w.height)
	case OpBr, OpBrTable, OpReturn, OpUnreachable:
		w.height = top.base
	}
}
