package meter

import "github.com/tidegate/engine/plugins/wasm/module"

// survey is what the first pass learns of a function.
type survey struct {
	entry  int64   // instructions outside of loops
	loops  []int64 // instructions of each loop outside of inner loops, in the order of their headers
	calls  bool
	frame  int64 // bytes of the native frame at most
	locals int
}

func (r *rewriter) survey(own int) survey {
	w := module.NewWalker(r.m, own)
	s := survey{locals: w.Locals()}
	type open struct{ depth, loop int }
	var inside []open
	for w.Next() {
		if w.Op == module.OpLoop {
			inside = append(inside, open{w.Depth(), len(s.loops)})
			s.loops = append(s.loops, 0)
		}
		cost := int64(w.Cost)
		if w.Op == module.OpBulk && (w.Sub == module.SubTableInit || w.Sub == module.SubTableCopy) && r.m.Table != nil {
			cost += int64(r.m.Table.Min) // the most that it can move
		}
		if n := len(inside); n > 0 {
			s.loops[inside[n-1].loop] += cost
			if w.Depth() < inside[n-1].depth {
				inside = inside[:n-1]
			}
		} else {
			s.entry += cost
		}
		s.calls = s.calls || w.Op == module.OpCall || w.Op == module.OpCallIndirect
		r.res.Volatile = r.res.Volatile || w.Op == module.OpBulk && (w.Sub >= module.SubTableInit || w.Sub == module.SubDataDrop)
	}
	s.frame = frameBytes + 8*int64(s.locals+w.MaxHeight)
	return s
}

// body returns the new code of one of the module's own functions, with its locals.
func (r *rewriter) body(own int) []byte {
	s := r.survey(own)
	old := &r.m.Bodies[own]
	fn := r.m.Types[r.m.Funcs[own]]
	scratch := uint32(s.locals)
	frame := (s.calls || s.frame > largeFrame) && !r.o.Unmetered
	c := &code{}
	c.b = make([]byte, 0, len(old.Code)+len(old.Code)/4+64)
	c.u32(uint32(len(old.Locals) + 1))
	for _, l := range old.Locals {
		c.u32(l.N)
		c.byte(byte(l.Type))
	}
	c.byte(1, byte(module.I64))

	r.enter(c, s, scratch, frame)
	if frame {
		c.byte(module.OpBlock)
		r.blockType(c, fn)
	}
	r.instructions(c, own, s, scratch, frame)
	if frame {
		c.op(opGlobGet, r.stack)
		c.i64(s.frame)
		c.byte(opI64Add)
		c.op(opGlobSet, r.stack)
		c.byte(module.OpEnd)
	}
	return c.b
}

// enter pays for the function and its frame, and looks at both at once.
func (r *rewriter) enter(c *code, s survey, scratch uint32, frame bool) {
	if r.o.Unmetered {
		return
	}
	r.take(c, r.fuel, s.entry+EntryCost, scratch)
	c.get(scratch)
	if frame {
		r.take(c, r.stack, s.frame, scratch)
		c.get(scratch)
		c.byte(opI64Or)
	}
	r.check(c)
}

// take subtracts from a global and leaves the rest in a local.
func (r *rewriter) take(c *code, global uint32, n int64, scratch uint32) {
	c.op(opGlobGet, global)
	c.i64(n)
	c.byte(opI64Sub)
	c.op(opLocalTee, scratch)
	c.op(opGlobSet, global)
}

// check calls the host where the i64 on the stack is below zero.
func (r *rewriter) check(c *code) {
	c.i64(0)
	c.byte(opI64LtS, opIf, noResult)
	c.op(opGlobGet, r.fuel)
	c.op(opGlobGet, r.stack)
	c.op(module.OpCall, r.yield)
	c.op(opGlobSet, r.fuel)
	c.byte(module.OpEnd)
}

func (r *rewriter) blockType(c *code, fn module.FuncType) {
	switch len(fn.Results) {
	case 0:
		c.byte(noResult)
	case 1:
		c.byte(byte(fn.Results[0]))
	default:
		c.signed(int64(r.typeIndex(module.FuncType{Results: fn.Results})))
	}
}

// instructions copies the code, with payments at the headers of loops and new numbers of functions.
func (r *rewriter) instructions(c *code, own int, s survey, scratch uint32, frame bool) {
	old := r.m.Bodies[own].Code
	w := module.NewWalker(r.m, own)
	loop := 0
	for w.Next() {
		switch {
		case w.Op == module.OpLoop:
			c.byte(old[w.From:w.To]...)
			if !r.o.Unmetered {
				r.take(c, r.fuel, s.loops[loop], scratch)
				c.get(scratch)
				r.check(c)
			}
			loop++
		case w.Op == module.OpCall:
			c.op(module.OpCall, r.function(w.Index))
		case w.Op == module.OpCallIndirect:
			c.op(module.OpCallIndirect, w.Index)
			c.byte(0)
		case w.Op == module.OpReturn && frame:
			c.op(module.OpBr, uint32(w.Depth()-1)) // to the end of the block around the body, where the frame is given back
		case w.Op == module.OpMemoryGrow:
			c.op(module.OpCall, r.helper(helperKey{kind: growHelper}))
		case w.Op == module.OpBulk && w.Sub == module.SubMemoryFill:
			c.op(module.OpCall, r.helper(helperKey{kind: fillHelper}))
		case w.Op == module.OpBulk && w.Sub == module.SubMemoryCopy:
			c.op(module.OpCall, r.helper(helperKey{kind: copyHelper}))
		case w.Op == module.OpBulk && w.Sub == module.SubMemoryInit:
			c.op(module.OpCall, r.helper(helperKey{kind: initHelper, segment: w.Index}))
		default:
			c.byte(old[w.From:w.To]...)
		}
	}
}
