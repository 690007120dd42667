package money

import "fmt"

// Position is a signed quantity and what is bound in it. Cost has the sign of
// Qty for positive prices and is 0 when Qty is.
//
// Every fill obeys one identity: cost += side*notional + realised. Average and
// FIFO differ only in how they choose the cost that stays.
type Position struct {
	Qty, Cost int64
}

// Fill is an execution as profit and loss sees it: side 1 or -1, quantity and
// notional as the execution has them.
type Fill struct {
	Side          int
	Qty, Notional int64
}

// Lot is an execution that still may have units open.
type Lot struct {
	Qty, Notional int64
}

// Average books a fill at average cost: closing units take their share of the
// whole cost. It returns the position after and the P&L that the fill closed.
func Average(p Position, f Fill) (Position, int64, error) {
	return settle(p, f, func(left int64) (int64, error) { return MulDiv(p.Cost, left, p.Qty) })
}

// FIFO books a fill that closes the oldest units first. What stays is the
// newest units: lots holds the fills on the position's side, newest first, at
// least as many as stay open.
func FIFO(p Position, lots []Lot, f Fill) (Position, int64, error) {
	return settle(p, f, func(left int64) (int64, error) {
		sign := int64(1)
		if left < 0 {
			sign, left = -1, -left
		}
		cost, err := newest(lots, left)
		return sign * cost, err
	})
}

// newest returns the cost of the newest n units. A lot that is cut keeps a
// share that depends on the units left alone, not on how they were closed: the
// rounding cannot add up.
func newest(lots []Lot, n int64) (int64, error) {
	var cost int64
	for _, l := range lots {
		if n == 0 {
			break
		}
		take := min(n, l.Qty)
		part, err := MulDiv(l.Notional, take, l.Qty)
		if err != nil {
			return 0, err
		}
		cost += part
		n -= take
	}
	if n > 0 {
		return 0, fmt.Errorf("money: %d open units have no lot; the position does not fit its executions", n)
	}
	return cost, nil
}

// settle finds the cost after a fill; kept gives it for a position of left
// units that was reduced.
func settle(p Position, f Fill, kept func(left int64) (int64, error)) (Position, int64, error) {
	if f.Qty <= 0 || (f.Side != 1 && f.Side != -1) {
		return p, 0, fmt.Errorf("money: a fill of %d on side %d; want a positive quantity and side 1 or -1", f.Qty, f.Side)
	}
	side := int64(f.Side)
	qty, err := sum(p.Qty, side*f.Qty)
	if err != nil {
		return p, 0, err
	}
	after, paid := Position{Qty: qty}, side*f.Notional
	switch {
	case p.Qty == 0 || p.Qty > 0 == (side > 0):
		after.Cost, err = sum(p.Cost, paid)
	case after.Qty == 0:
	case after.Qty > 0 == (p.Qty > 0):
		after.Cost, err = kept(after.Qty)
	default: // through zero: what is open now was bought by this fill
		after.Cost, err = MulDiv(f.Notional, after.Qty, f.Qty)
	}
	if err != nil {
		return p, 0, err
	}
	realised, err := sum(after.Cost, -p.Cost, -paid)
	if err != nil {
		return p, 0, err
	}
	return after, realised, nil
}
