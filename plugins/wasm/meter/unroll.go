package meter

import "github.com/tidegate/engine/plugins/wasm/module"

// A small loop costs more to pay for than to run: the payment is a chain through memory, and the call of the host in it makes the compiler keep the loop's values
// in memory, too. So its body is written several times, and one payment at the header covers a turn of each:
//
//	block T               ; where the loop ends
//	  loop T              ; pays for all of them
//	    block             ; one around each but the last
//	      body            ; a branch to the loop's header comes to the end of this block, and so to the next body
//	      br 2            ; what falls out of the body leaves the loop
//	    end
//	    body              ; the last: a branch to the header goes there
//	  end
//	end
//
// A loop that ends after one turn has paid for the others, too: its price is that of its turns, rounded up.
const (
	// turnsPaid is how often a body is written.
	turnsPaid = 4
	// smallLoop is the weight up to which it is.
	smallLoop = 40
	// smallBody is how many bytes it may have: constants are heavy where the weight does not say so.
	smallBody = 160
	// moreCode is how many bytes a function, and mostMore how many a module may grow by it: compiling takes time, and a module may consist of such loops.
	moreCode, mostMore = 8 << 10, 256 << 10
)

// shape is a loop: what it weighs outside of inner loops, and whether anything in it can be skipped.
type shape struct {
	weight   int64
	branches bool
	from, to int  // the bytes of its body
	typed    bool // it has parameters
	outside  bool // it has inner loops, or calls of more than leaves
}

func (s shape) wide() bool { return s.branches && s.weight > wideLoop }

func (s shape) small() bool {
	return !s.outside && !s.typed && s.weight <= smallLoop && s.to-s.from <= smallBody
}

// unrolls decides about a small loop, and takes what it adds from what the function and the module may grow.
func (r *rewriter) unrolls(l shape, grown *int) bool {
	more := (turnsPaid - 1) * (l.to - l.from)
	if r.o.Unmetered || !l.small() || *grown+more > moreCode || r.unrolled+more > mostMore {
		return false
	}
	*grown += more
	r.unrolled += more
	return true
}

// leaves says whether an instruction leaves the function for a while, for more than a leaf.
func (r *rewriter) leaves(w *module.Walker) bool {
	if w.Op == module.OpCall {
		_, cost := r.leaf(w.Index)
		return cost == 0
	}
	return away(w)
}

// away says whether an instruction leaves the function for a while.
func away(w *module.Walker) bool {
	switch w.Op {
	case module.OpLoop, module.OpCall, module.OpCallIndirect, module.OpMemoryGrow:
		return true
	case module.OpBulk:
		return w.Sub >= module.SubMemoryInit
	}
	return false
}

// unroll writes the loop whose header the walker has just read, with the payment at its header, and goes on to its end.
func (r *rewriter) unroll(c *code, w *module.Walker, old []byte, pay func(), frame bool) {
	typ := old[w.From+1 : w.To]
	depth := w.Depth()
	var body []module.Walker
	for w.Next() && w.Depth() >= depth {
		body = append(body, *w)
	}
	c.byte(module.OpBlock)
	c.byte(typ...)
	c.byte(module.OpLoop)
	c.byte(typ...)
	pay()
	for range turnsPaid - 1 {
		c.byte(module.OpBlock, noResult)
	}
	for more := uint32(turnsPaid); more > 0; more-- { // more is how many blocks lie around this body that were not around the old one
		for i := range body {
			r.inside(c, &body[i], old, depth, more, frame)
		}
		if more > 1 {
			c.op(module.OpBr, more)
		}
		c.byte(module.OpEnd)
	}
	c.byte(module.OpEnd)
}

// inside copies an instruction to where more blocks are around the loop; branches out of it have further to go.
func (r *rewriter) inside(c *code, w *module.Walker, old []byte, depth int, more uint32, frame bool) {
	label := func(l uint32) {
		if w.Depth()-int(l) < depth {
			l += more
		}
		c.u32(l)
	}
	switch {
	case w.Op == module.OpReturn && frame:
		c.byte(module.OpBr)
		label(uint32(w.Depth() - 1))
	case w.Op == module.OpBr || w.Op == module.OpBrIf:
		c.byte(w.Op)
		label(w.Index)
	case w.Op == module.OpBrTable:
		c.byte(w.Op)
		c.u32(uint32(len(w.Labels) - 1))
		for _, l := range w.Labels {
			label(l)
		}
	default:
		r.instruction(c, w, old, frame)
	}
}
