package sim_test

import (
	"reflect"
	"testing"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/sim"
)

var share = market.Universe()[0]

func TestVenueAnswersLikeAVenue(t *testing.T) {
	t.Parallel()
	v := sim.NewVenue(1, 1, sim.Faults{})
	q := market.Quote{Bid: 170000, Ask: 170200}
	resting, touched, most := 0, 0, 0
	for i := range 4000 {
		o := sim.Order{Listing: share, Side: 1 - 2*(i%2), Qty: 40, Passive: i%4 == 0, LimitPx: 169900}
		reports := v.Answer(o, q)
		if reports[0].Kind != sim.Ack {
			t.Fatalf("first report %+v", reports[0])
		}
		var filled int64
		fills, canceled, seen := 0, false, map[string]bool{}
		for n, r := range reports {
			if n > 0 && r.After < reports[n-1].After {
				t.Fatal("reports out of order")
			}
			switch r.Kind {
			case sim.Filled:
				if seen[r.ExecID] || r.ExecID == "" || canceled || r.Qty <= 0 || r.Qty%share.Lot != 0 || r.Px%share.Tick != 0 {
					t.Fatalf("fill %+v of %+v", r, reports)
				}
				if o.Passive && r.Px != o.LimitPx || !o.Passive && o.Side > 0 && r.Px < q.Ask || !o.Passive && o.Side < 0 && r.Px > q.Bid {
					t.Fatalf("price %d of %+v", r.Px, o)
				}
				seen[r.ExecID] = true
				filled += r.Qty
				fills++
			case sim.Cancel:
				canceled = true
			}
		}
		if filled > o.Qty || (filled < o.Qty) != canceled {
			t.Fatalf("filled %d of %d, cancelled %v", filled, o.Qty, canceled)
		}
		most = max(most, fills)
		if o.Passive {
			resting++
			if filled > 0 {
				touched++
			}
		}
	}
	if r := float64(touched) / float64(resting); r < 0.11 || r > 0.19 {
		t.Errorf("%.3f of resting orders trade, want about 0.15", r)
	}
	if most < 4 || most > 8 {
		t.Errorf("at most %d fills an order", most)
	}
}

func TestVenueFaults(t *testing.T) {
	t.Parallel()
	v := sim.NewVenue(2, 1, sim.Faults{Reject: 0.1, Duplicate: 0.1, LateFill: 0.1, Bust: 0.1, Overfill: 0.1})
	var rejected, duplicate, late, bust, over int
	for i := range 5000 {
		o := sim.Order{Listing: share, Side: 1, Qty: 20, Passive: i%2 == 0, LimitPx: 170000}
		var filled int64
		canceled := false
		seen := map[string]bool{}
		for _, r := range v.Answer(o, market.Quote{Bid: 170000, Ask: 170100}) {
			switch r.Kind {
			case sim.Reject:
				rejected++
			case sim.Cancel:
				canceled = true
			case sim.Bust:
				bust++
				if !seen[r.Busts] {
					t.Fatalf("%s takes back %s, which never was", r.ExecID, r.Busts)
				}
			case sim.Filled:
				if seen[r.ExecID] {
					duplicate++
					continue
				}
				seen[r.ExecID] = true
				if filled += r.Qty; canceled {
					late++
				} else if filled > o.Qty {
					over++
				}
			}
		}
	}
	for name, n := range map[string]int{"rejects": rejected, "duplicates": duplicate, "late fills": late, "busts": bust, "overfills": over} {
		if n < 100 || n > 1200 {
			t.Errorf("%d %s in 5,000 orders at 10 %%", n, name)
		}
	}
}

func TestVenueIsReproducible(t *testing.T) {
	t.Parallel()
	answer := func(seed uint64) (all [][]sim.Report) {
		v := sim.NewVenue(seed, 9, sim.DefaultFaults())
		for range 200 {
			all = append(all, v.Answer(sim.Order{Listing: share, Side: 1, Qty: 30}, market.Quote{Bid: 170000, Ask: 170100}))
		}
		return all
	}
	if !reflect.DeepEqual(answer(1), answer(1)) || reflect.DeepEqual(answer(1), answer(2)) {
		t.Error("a seed does not decide the answers")
	}
}
