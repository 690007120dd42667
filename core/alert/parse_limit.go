package alert

import (
	"fmt"
	"math"
)

// limit reads the comparison, and resolve behind it. Without resolve the limit itself ends what exceeds it.
func (p *parser) limit(c *condition) error {
	above, equal, err := p.sign()
	if err != nil {
		return err
	}
	v, err := p.fitting(c.expr)
	if err != nil {
		return err
	}
	c.above, c.equal, c.limit = above, equal, v
	c.resolve, c.resolveEqual = v, !equal
	if !p.is("resolve") {
		return nil
	}
	back, equal, err := p.sign()
	if err != nil {
		return err
	}
	if back == above {
		return fmt.Errorf("resolve compares the other way round than the limit: > 50ms resolve < 40ms")
	}
	if v, err = p.fitting(c.expr); err != nil {
		return err
	}
	c.resolve, c.resolveEqual = v, equal
	overlap := v > c.limit
	if !above {
		overlap = v < c.limit
	}
	if overlap || v == c.limit && c.equal && c.resolveEqual {
		return fmt.Errorf("what resolves would fire at the same time: the resolve limit is on the good side of the limit")
	}
	return nil
}

// sign is one of >, >=, < and <=.
func (p *parser) sign() (above, equal bool, err error) {
	if !p.comparison() {
		return false, false, p.unexpected(p.next(), "one of > >= < <=")
	}
	above = p.next().kind == '>'
	return above, p.is("="), nil
}

// fitting is a quantity of the dimension that the expression has.
func (p *parser) fitting(e *expr) (float64, error) {
	v, dimension, err := p.quantity()
	if err != nil {
		return 0, err
	}
	if dimension != dimensionless {
		e.limits = append(e.limits, dimension)
	}
	return v, nil
}

// misfit says which quantity does not fit what the expression gives; "" where all do. The units are known only once the metrics are.
func (e *expr) misfit() string {
	unit := e.resultUnit()
	for _, d := range e.limits {
		switch {
		case d == unit || d == ofShare && unit == "1":
		case d == ofShare:
			return "the limit is a share, and what is compared with it is in " + unit
		case d == ofTime:
			return "the limit is a time, and what is compared with it is in " + unit
		default:
			return "the limit is a size, and what is compared with it is in " + unit
		}
	}
	return ""
}

// clauses are for, hold and least, in any order, each once.
func (p *parser) clauses(c *condition) error {
	said := map[string]bool{}
	for !p.done() {
		t := p.next()
		if t.kind != 'w' || said[t.text] {
			return p.unexpected(t, "for, hold or least, each once,")
		}
		said[t.text] = true
		var err error
		switch t.text {
		case "for":
			c.wait, err = p.duration()
		case "hold":
			c.hold, err = p.duration()
		case "least":
			var n float64
			var dimension string
			if n, dimension, err = p.quantity(); err == nil && (dimension != "" || n != math.Trunc(n) || n < 0 || n > math.MaxInt32) {
				err = fmt.Errorf("least wants a number of values")
			}
			c.least = int64(n)
		default:
			err = p.unexpected(t, "for, hold or least")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
