package money

import "fmt"

// Method is how the cost of closed units is chosen.
type Method string

// The methods, spelt as accounts.cost_method has them.
const (
	MethodAverage Method = "average"
	MethodFIFO    Method = "fifo"
)

// Entry is a step in a position's history: a fill, or, with Side 0, an
// adjustment that changes quantity and cost without a trade, as a split does.
type Entry struct {
	Side          int
	Qty, Notional int64
}

// Replay books a whole history, oldest first, and returns the position and all
// the P&L it realised. It is how a bust is priced: the history without the
// busted fill says what the position is worth and what was really earned.
func Replay(method Method, history []Entry) (Position, int64, error) {
	p, total, _, err := replay(method, history)
	return p, total, err
}

// OpenLots replays a history by FIFO and returns the lots that hold the open
// units, newest first, as [FIFO] wants them.
func OpenLots(history []Entry) ([]Lot, error) {
	_, _, lots, err := replay(MethodFIFO, history)
	return reversed(lots), err
}

func replay(method Method, history []Entry) (p Position, total int64, lots []Lot, err error) {
	// lots are of the position's side, oldest first
	for _, e := range history {
		if e.Side == 0 {
			var after Position
			if after.Qty, err = sum(p.Qty, e.Qty); err == nil {
				after.Cost, err = sum(p.Cost, e.Notional)
			}
			if err == nil {
				lots, err = adjust(lots, p.Qty, e)
			}
			if err != nil {
				return p, total, lots, err
			}
			p = after
			continue
		}
		f := Fill{Side: e.Side, Qty: e.Qty, Notional: e.Notional}
		var (
			next     Position
			realised int64
		)
		if method == MethodFIFO {
			next, realised, err = FIFO(p, reversed(lots), f)
		} else {
			next, realised, err = Average(p, f)
		}
		if err != nil {
			return p, total, lots, err
		}
		lots = keepLots(lots, p, next, f)
		p = next
		if total, err = sum(total, realised); err != nil {
			return p, total, lots, err
		}
	}
	return p, total, lots, nil
}

func reversed(lots []Lot) []Lot {
	out := make([]Lot, len(lots))
	for i, l := range lots {
		out[len(lots)-1-i] = l
	}
	return out
}

// keepLots drops lots that are closed whole. A lot that is cut stays as it
// was: newest counts from the other end.
func keepLots(lots []Lot, before, after Position, f Fill) []Lot {
	switch {
	case after.Qty == 0:
		return nil
	case before.Qty != 0 && before.Qty > 0 != (after.Qty > 0):
		return []Lot{{Qty: f.Qty, Notional: f.Notional}}
	case before.Qty == 0 || before.Qty > 0 == (f.Side > 0):
		return append(lots, Lot{Qty: f.Qty, Notional: f.Notional})
	}
	open := int64(abs(after.Qty))
	for i := len(lots) - 1; i >= 0; i-- {
		if open -= lots[i].Qty; open <= 0 {
			return lots[i:]
		}
	}
	return lots
}

// adjust rescales the lots to the quantity after an adjustment, so that the
// same share of the position stays in each; the change of cost goes to the
// oldest.
func adjust(lots []Lot, qty int64, e Entry) ([]Lot, error) {
	if len(lots) == 0 || qty == 0 {
		if e.Qty != 0 && qty == 0 {
			return []Lot{{Qty: int64(abs(e.Qty)), Notional: int64(abs(e.Notional))}}, nil
		}
		return lots, nil
	}
	after := qty + e.Qty
	if after == 0 || after > 0 != (qty > 0) {
		return nil, fmt.Errorf("money: an adjustment from %d to %d does not keep the position's side", qty, after)
	}
	open, newOpen := int64(abs(qty)), int64(abs(after))
	out := make([]Lot, 0, len(lots))
	var seen, given int64
	for i := len(lots) - 1; i >= 0 && seen < open; i-- { // newest first
		take := min(lots[i].Qty, open-seen)
		seen += take
		upTo, err := MulDiv(newOpen, seen, open)
		if err != nil {
			return nil, err
		}
		notional, err := MulDiv(lots[i].Notional, take, lots[i].Qty)
		if err != nil {
			return nil, err
		}
		out = append(out, Lot{Qty: upTo - given, Notional: notional})
		given = upTo
	}
	delta := e.Notional
	if qty < 0 {
		delta = -delta
	}
	out[len(out)-1].Notional += delta
	out = reversed(out)
	for len(out) > 1 && out[0].Qty == 0 { // a lot too small for the new quantity joins its neighbour
		out[1].Notional += out[0].Notional
		out = out[1:]
	}
	return out, nil
}
