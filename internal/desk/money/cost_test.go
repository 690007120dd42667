package money_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tidegate/engine/internal/desk/money"
)

// unitQueue is FIFO by the book: one entry for each open unit.
type unitQueue struct {
	side  int64
	units []int64 // cost of each, oldest first
}

func (u *unitQueue) fill(side, qty, px int64) (realised int64) {
	for range qty {
		if len(u.units) > 0 && u.side != side {
			realised += u.side * (px - u.units[0])
			u.units = u.units[1:]
			continue
		}
		u.side = side
		u.units = append(u.units, px)
	}
	return realised
}

func (u *unitQueue) position() money.Position {
	var p money.Position
	for _, px := range u.units {
		p.Qty += u.side
		p.Cost += u.side * px
	}
	return p
}

func TestFIFOAgainstAQueueOfUnits(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	flips := 0
	for range 300 {
		var q unitQueue
		var history []money.Entry
		var want int64
		for range 60 {
			side, qty, px := int64(1-2*r.IntN(2)), 1+r.Int64N(20), 100+r.Int64N(50)
			before := q.position().Qty
			want += q.fill(side, qty, px)
			if before*q.position().Qty < 0 {
				flips++
			}
			history = append(history, money.Entry{Side: int(side), Qty: qty, Notional: qty * px})
		}
		p, got, err := money.Replay(money.MethodFIFO, history)
		if err != nil {
			t.Fatal(err)
		}
		if p != q.position() || got != want {
			t.Fatalf("FIFO: %+v realised %d, want %+v realised %d", p, got, q.position(), want)
		}
	}
	if flips < 100 {
		t.Errorf("only %d fills went through zero", flips)
	}
}

// Whatever the method and the rounding, what was earned and what is bound in
// the position is what was paid: the schema's own check.
func TestIdentityHoldsForEveryFill(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for _, method := range []money.Method{money.MethodAverage, money.MethodFIFO} {
		flat := 0
		for range 300 {
			var history []money.Entry
			var paid int64
			for i := range 40 {
				f := money.Entry{Side: 1 - 2*r.IntN(2), Qty: 1 + r.Int64N(5), Notional: r.Int64N(1_000_003) - 1000}
				if i%10 == 9 { // close to exactly zero now and then
					p, _, err := money.Replay(method, history)
					if err != nil {
						t.Fatal(err)
					}
					if p.Qty != 0 {
						f.Side, f.Qty = 1, -p.Qty
						if p.Qty > 0 {
							f.Side, f.Qty = -1, p.Qty
						}
					}
				}
				paid += int64(f.Side) * f.Notional
				history = append(history, f)
				p, realised, err := money.Replay(method, history)
				if err != nil {
					t.Fatal(err)
				}
				if p.Cost != paid+realised {
					t.Fatalf("%s: cost %d, paid %d, realised %d", method, p.Cost, paid, realised)
				}
				if p.Qty == 0 {
					flat++
					if p.Cost != 0 {
						t.Fatalf("%s: flat at a cost of %d", method, p.Cost)
					}
				}
			}
		}
		if flat < 100 {
			t.Errorf("%s: flat only %d times", method, flat)
		}
	}
}

func TestAverage(t *testing.T) {
	t.Parallel()
	steps := []struct {
		f        money.Fill
		after    money.Position
		realised int64
	}{
		{money.Fill{Side: 1, Qty: 10, Notional: 1000}, money.Position{Qty: 10, Cost: 1000}, 0},
		{money.Fill{Side: 1, Qty: 10, Notional: 1200}, money.Position{Qty: 20, Cost: 2200}, 0},
		{money.Fill{Side: -1, Qty: 5, Notional: 600}, money.Position{Qty: 15, Cost: 1650}, 50},
		{money.Fill{Side: -1, Qty: 25, Notional: 2500}, money.Position{Qty: -10, Cost: -1000}, -150},
		{money.Fill{Side: 1, Qty: 10, Notional: 900}, money.Position{}, 100},
	}
	var p money.Position
	for i, s := range steps {
		next, realised, err := money.Average(p, s.f)
		if err != nil || next != s.after || realised != s.realised {
			t.Errorf("step %d: %+v realised %d, %v; want %+v realised %d", i, next, realised, err, s.after, s.realised)
		}
		p = next
	}
	for _, f := range []money.Fill{{Side: 0, Qty: 1}, {Side: 1, Qty: 0}, {Side: 1, Qty: -1}} {
		if _, _, err := money.Average(p, f); err == nil {
			t.Errorf("%+v was booked", f)
		}
	}
}

// What does not fit 63 bits is refused, and never wraps round to a position of the other side.
func TestCostOverflow(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt64
	for name, history := range map[string][]money.Entry{
		"quantity":       {{Side: 1, Qty: most, Notional: 1}, {Side: 1, Qty: 1, Notional: 1}},
		"short quantity": {{Side: -1, Qty: most, Notional: 1}, {Side: -1, Qty: 2, Notional: 1}},
		"cost":           {{Side: 1, Qty: 1, Notional: most}, {Side: 1, Qty: 1, Notional: 1}},
		"profit":         {{Side: 1, Qty: 1, Notional: most}, {Side: -1, Qty: 1, Notional: -2}},
		"total":          {{Side: -1, Qty: 1, Notional: most}, {Side: 1, Qty: 1}, {Side: -1, Qty: 1, Notional: most}, {Side: 1, Qty: 1}},
		"adjustment":     {{Side: 1, Qty: most, Notional: 1}, {Qty: 1}},
	} {
		for _, method := range []money.Method{money.MethodAverage, money.MethodFIFO} {
			if p, total, err := money.Replay(method, history); !errors.Is(err, money.ErrOverflow) {
				t.Errorf("%s, %s: %+v realised %d, %v", name, method, p, total, err)
			}
		}
	}
}

func TestReplayThroughASplit(t *testing.T) {
	t.Parallel()
	history := []money.Entry{
		{Side: 1, Qty: 10, Notional: 1000},
		{Side: 1, Qty: 10, Notional: 2000},
		{Side: -1, Qty: 5, Notional: 750}, // closes 5 of the first lot: +250
		{Side: 0, Qty: 15},                // two for one: 30 open
		{Side: -1, Qty: 10, Notional: 750},
	}
	p, realised, err := money.Replay(money.MethodFIFO, history)
	if err != nil || p != (money.Position{Qty: 20, Cost: 2000}) || realised != 500 {
		t.Errorf("FIFO: %+v realised %d, %v", p, realised, err)
	}
	p, realised, err = money.Replay(money.MethodAverage, history)
	if err != nil || p != (money.Position{Qty: 20, Cost: 1500}) || realised != 0 {
		t.Errorf("average: %+v realised %d, %v", p, realised, err)
	}
	if _, _, err := money.Replay(money.MethodFIFO, []money.Entry{{Side: 1, Qty: 1, Notional: 1}, {Qty: -2}}); err == nil {
		t.Error("an adjustment through zero was accepted")
	}
	if _, _, err := money.FIFO(money.Position{Qty: 10, Cost: 10}, nil, money.Fill{Side: -1, Qty: 1, Notional: 1}); err == nil {
		t.Error("FIFO without lots was accepted")
	}
}
