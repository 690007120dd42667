package meter

import "github.com/tidegate/engine/plugins/wasm/module"

// A function with neither loops nor calls ends after a number of instructions that is known, and cannot call itself. Where it is small, a direct call pays for it together with
// what is around the call, and goes to a copy that pays nothing. Calls through the table and from the host go to the function itself, which pays as any other.
const (
	// leafCost is the weight up to which a function is one, with EntryCost, which a call by its number costs as well.
	leafCost = 100
	// leafBytes and leafLocals bound its copy, and leafMore all copies of a module.
	leafBytes, leafLocals, leafMore = 256, 64, 256 << 10
	// leafPaid is how much a function may pay for all its calls of leaves: what it pays for at once runs without a look at the clock, and calls in a row are quickly written.
	leafPaid = 20_000
)

// findLeaves weighs the functions that are leaves.
func (r *rewriter) findLeaves() {
	r.leafs = make([]int64, len(r.m.Bodies))
	more := 0
	for own := range r.m.Bodies {
		size := len(r.m.Bodies[own].Code)
		if r.o.Unmetered || size > leafBytes || more+size > leafMore {
			continue
		}
		if cost := r.weighLeaf(own); cost > 0 {
			r.leafs[own] = cost
			more += size
		}
	}
}

// weighLeaf is what a call of a leaf costs; 0 where the function is none.
func (r *rewriter) weighLeaf(own int) int64 {
	w := module.NewWalker(r.m, own)
	cost := int64(EntryCost)
	for w.Next() {
		if cost += r.weight(w); away(w) || cost > leafCost {
			return 0
		}
	}
	if w.Locals() > leafLocals {
		return 0
	}
	return cost
}

// pays decides whether a function pays for the leaves that it calls.
func (r *rewriter) pays(own int) bool {
	w := module.NewWalker(r.m, own)
	sum := int64(0)
	for w.Next() {
		if w.Op == module.OpCall && w.Index >= r.imports {
			sum += r.leafs[w.Index-r.imports]
		}
	}
	return sum <= leafPaid
}

// leaf is the leaf that a direct call of the present function goes to, by its number among the module's own functions, and what that costs; 0 where it goes to none.
func (r *rewriter) leaf(fn uint32) (own uint32, cost int64) {
	if fn < r.imports || !r.paying {
		return 0, 0
	}
	return fn - r.imports, r.leafs[fn-r.imports]
}

// copyOf writes a leaf as it was.
func (r *rewriter) copyOf(c *code, own uint32) {
	body := &r.m.Bodies[own]
	c.u32(uint32(len(body.Locals)))
	for _, l := range body.Locals {
		c.u32(l.N)
		c.byte(byte(l.Type))
	}
	c.byte(body.Code[:len(body.Code)-1]...) // its last end is written with that of all helpers
}
