package meter

import "github.com/tidegate/engine/plugins/wasm/module"

// survey is what the first passes learn of a function.
type survey struct {
	entry  int64     // instructions outside of loops
	pays   []payment // inside of loops, in the order of their places
	calls  bool
	frame  int64 // bytes of the native frame at most
	locals int
}

// payment is made behind the instruction that ends at a place in the old code.
type payment struct {
	at    int
	n     int64
	check bool // at the header of a loop
	small bool // for turnsPaid turns of it
}

// wideLoop is the weight from which on a loop with branches in it pays piece by piece. Functions of Go guests are one loop around a br_table, which
// every jump backwards goes through: if each turn paid for the whole function, a rule in Go would seem to burn many times what it does.
const wideLoop = 200

// weight is what an instruction costs. Table moves cost the most that they can move.
func (r *rewriter) weight(w *module.Walker) int64 {
	switch {
	case w.Op == module.OpBlock || w.Op == module.OpLoop || w.Op == module.OpElse || w.Op == module.OpEnd:
		return 0 // no code comes of them
	case w.Op == module.OpBulk && (w.Sub == module.SubTableInit || w.Sub == module.SubTableCopy) && r.m.Table != nil:
		return int64(w.Cost) + int64(r.m.Table.Min)
	case w.Op == module.OpCall:
		_, cost := r.leaf(w.Index)
		return int64(w.Cost) + cost
	}
	return int64(w.Cost)
}

// shapes weighs the loops of a function, in the order of their headers, and learns the rest of the survey.
func (r *rewriter) shapes(own int, s *survey) []shape {
	w := module.NewWalker(r.m, own)
	s.locals = w.Locals()
	native := newFrame(s.locals)
	var all []shape
	type open struct{ depth, loop int }
	var inside []open
	for w.Next() {
		native.see(w)
		if w.Op == module.OpLoop {
			if n := len(inside); n > 0 {
				all[inside[n-1].loop].outside = true
			}
			inside = append(inside, open{w.Depth(), len(all)})
			all = append(all, shape{from: w.To, typed: w.BlockParams() > 0})
		} else if n := len(inside); n > 0 {
			in := &all[inside[n-1].loop]
			in.weight += r.weight(w)
			in.branches = in.branches || w.Op == module.OpBlock || w.Op == module.OpIf
			in.outside = in.outside || r.leaves(w)
			if w.Depth() < inside[n-1].depth {
				in.to = w.From
				inside = inside[:n-1]
			}
		}
		s.calls = s.calls || w.Op == module.OpCall || w.Op == module.OpCallIndirect
		r.res.Volatile = r.res.Volatile || w.Op == module.OpBulk && (w.Sub >= module.SubTableInit || w.Sub == module.SubDataDrop)
	}
	s.frame = native.bytes(w.MaxHeight)
	return all
}

// survey finds out who pays what where. A piece of a wide loop begins at its header, in each arm of an if, and behind the end of each block and each if, which
// are all the places that a jump forward can come to. Code behind an inner loop belongs to the piece before it.
func (r *rewriter) survey(own int) survey {
	var s survey
	shapes := r.shapes(own, &s)
	w := module.NewWalker(r.m, own)
	type open struct {
		depth, pay int // pay is the piece that goes on behind the loop; -1 is the entry
		wide       bool
	}
	var inside []open
	cur, next, grown := -1, 0, 0
	for w.Next() {
		n := len(inside)
		closes := n > 0 && w.Depth() < inside[n-1].depth
		if cur >= 0 {
			s.pays[cur].n += r.weight(w)
		} else {
			s.entry += r.weight(w)
		}
		switch {
		case w.Op == module.OpLoop:
			inside = append(inside, open{w.Depth(), cur, shapes[next].wide()})
			s.pays = append(s.pays, payment{at: w.To, check: true, n: 1, small: r.unrolls(shapes[next], &grown)})
			cur, next = len(s.pays)-1, next+1
		case closes:
			cur = inside[n-1].pay
			inside = inside[:n-1]
		case n > 0 && inside[n-1].wide && (w.Op == module.OpEnd || w.Op == module.OpIf || w.Op == module.OpElse):
			s.pays = append(s.pays, payment{at: w.To})
			cur = len(s.pays) - 1
		}
	}
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
	pays := s.pays
	for w.Next() {
		if len(pays) == 0 || pays[0].at != w.To {
			r.instruction(c, w, old, frame)
			continue
		}
		p := pays[0]
		pays = pays[1:]
		if p.small {
			r.unroll(c, w, old, func() { r.pay(c, p.n*turnsPaid, true, scratch) }, frame)
			continue
		}
		r.instruction(c, w, old, frame)
		if p.n > 0 && !r.o.Unmetered {
			r.pay(c, p.n, p.check, scratch)
		}
	}
}

// pay takes fuel and looks what is left.
func (r *rewriter) pay(c *code, n int64, check bool, scratch uint32) {
	r.take(c, r.fuel, n, scratch)
	if check {
		c.get(scratch)
		r.check(c)
	}
}

// instruction copies an instruction, or writes what stands for it.
func (r *rewriter) instruction(c *code, w *module.Walker, old []byte, frame bool) {
	switch {
	case w.Op == module.OpCall:
		to := r.function(w.Index)
		if own, cost := r.leaf(w.Index); cost > 0 {
			to = r.helper(helperKey{leafHelper, own})
		}
		c.op(module.OpCall, to)
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
		c.op(module.OpCall, r.helper(helperKey{kind: initHelper, number: w.Index}))
	default:
		c.byte(old[w.From:w.To]...)
	}
}
