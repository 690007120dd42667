package meter

import "github.com/tidegate/engine/plugins/wasm/module"

// frame weighs the native frame of a function. The compiler gives each value that it cannot keep in a register a place of its own in the frame, and uses no place twice: a
// function that holds one value at a time over a call may still have a frame of a hundred kilobytes. So every value counts that could get such a place: what an
// instruction leaves on the stack, and each local that a block or a loop has written, once where that block ends or the loop begins, since there the values of several
// ways meet in a new one.
type frame struct {
	values int64
	open   [][]written // by the blocks that are open, that of the function first
	in     []int       // of a local: which of them has it in its list, the innermost; -1 is none
}

// written is a local in the list of a block, and which block around it has it, too.
type written struct {
	local  uint32
	before int
}

func newFrame(locals int) *frame {
	f := &frame{open: make([][]written, 1, 16), in: make([]int, locals)}
	for i := range f.in {
		f.in[i] = -1
	}
	return f
}

// see takes the instruction that the walker is at.
func (f *frame) see(w *module.Walker) {
	switch w.Op {
	case module.OpBlock, module.OpLoop, module.OpIf:
		f.open = append(f.open, nil)
		f.values += int64(w.BlockParams())
	case module.OpEnd:
		f.values += int64(w.Values())
		f.closes()
	case opLocalSet, opLocalTee:
		if top := len(f.open) - 1; f.in[w.Index] < top {
			f.open[top] = append(f.open[top], written{w.Index, f.in[w.Index]})
			f.in[w.Index] = top
		}
	default:
		f.values += int64(w.Values())
	}
}

// closes ends the innermost block: what it has written the block around it has written as well.
func (f *frame) closes() {
	top := len(f.open) - 1
	if top == 0 {
		return
	}
	f.values += int64(len(f.open[top]))
	for _, x := range f.open[top] {
		if f.in[x.local] = x.before; x.before < top-1 {
			f.open[top-1] = append(f.open[top-1], x)
			f.in[x.local] = top - 1
		}
	}
	f.open = f.open[:top]
}

// bytes is what the frame takes at most; height is the largest of the operand stack.
func (f *frame) bytes(height int) int64 {
	return frameBytes + 8*(int64(len(f.in)+height)+f.values)
}
