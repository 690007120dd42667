package sim

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
)

// Faults are how often a venue errs, as a share of what can go wrong. The zero
// value is a venue without fault.
type Faults struct {
	Reject    float64 // of orders
	Duplicate float64 // of fills: the report comes twice
	LateFill  float64 // of cancelled orders: a fill arrives after the cancel
	Bust      float64 // of fills: taken back later
	Overfill  float64 // of filled orders: one fill more than was ordered
}

// DefaultFaults is a venue of ordinary quality.
func DefaultFaults() Faults {
	return Faults{Reject: 0.003, Duplicate: 0.005, LateFill: 0.003, Bust: 0.001, Overfill: 0.0005}
}

// ReportKind is what a venue says about an order.
type ReportKind uint8

// The reports. CancelRequest is the desk's own message, here because it takes
// its place among the venue's.
const (
	Ack ReportKind = iota + 1
	Reject
	Filled
	CancelRequest
	Cancel
	Bust
)

// Report is one message about an order, After the order was sent. ExecID is
// unique within the order; a duplicate repeats it; a Bust names the fill it
// takes back in Busts.
type Report struct {
	Kind      ReportKind
	After     time.Duration
	ExecID    string
	Busts     string
	Qty, Px   int64
	Liquidity string // maker or taker
}

// Order is what the venue sees. Passive orders rest at LimitPx; others take
// what is there at once.
type Order struct {
	Listing market.Listing
	Side    int
	Qty     int64
	LimitPx int64
	Passive bool
}

// Venue answers orders from its own generator. It is not safe for concurrent
// use.
type Venue struct {
	rng    *rand.Rand
	faults Faults
	latest int64
}

// NewVenue returns a venue; the same seed and stream give the same answers to
// the same orders.
func NewVenue(seed, stream uint64, f Faults) *Venue {
	return &Venue{rng: rand.New(rand.NewPCG(seed, stream)), faults: f}
}

// Answer returns everything the venue will say about an order, in order.
func (v *Venue) Answer(o Order, q market.Quote) []Report {
	at := v.latency()
	if v.hit(v.faults.Reject) {
		return []Report{{Kind: Reject, After: at}}
	}
	out := []Report{{Kind: Ack, After: at}}
	want := v.filled(o)
	var fills []Report
	left := want
	for _, qty := range v.slices(want, o.Listing.Lot) {
		at += v.latency()
		v.latest++
		left -= qty
		fills = append(fills, Report{Kind: Filled, After: at, ExecID: "x" + strconv.FormatInt(v.latest, 36), Qty: qty, Px: v.price(o, q), Liquidity: liquidity(o)})
	}
	for _, f := range fills {
		out = append(out, f)
		if v.hit(v.faults.Duplicate) {
			f.After += v.latency()
			out = append(out, f)
		}
	}
	return v.ending(out, fills, o, q, at)
}

// ending appends what comes after the fills: cancels, and most of the faults.
func (v *Venue) ending(out, fills []Report, o Order, q market.Quote, at time.Duration) []Report {
	var done int64
	for _, f := range fills {
		done += f.Qty
	}
	extra := func(qty int64) {
		v.latest++
		at += v.latency()
		out = append(out, Report{Kind: Filled, After: at, ExecID: "x" + strconv.FormatInt(v.latest, 36), Qty: qty, Px: v.price(o, q), Liquidity: liquidity(o)})
	}
	if done < o.Qty {
		if o.Passive {
			at += time.Duration(float64(4*time.Second) * v.rng.ExpFloat64())
			out = append(out, Report{Kind: CancelRequest, After: at})
		}
		at += v.latency()
		out = append(out, Report{Kind: Cancel, After: at})
		if v.hit(v.faults.LateFill) {
			extra(o.Listing.Lot)
		}
	} else if v.hit(v.faults.Overfill) {
		extra(o.Qty)
	}
	for _, f := range fills {
		if v.hit(v.faults.Bust) {
			at += time.Minute
			v.latest++
			out = append(out, Report{Kind: Bust, After: at, ExecID: "b" + strconv.FormatInt(v.latest, 36), Busts: f.ExecID, Qty: f.Qty, Px: f.Px, Liquidity: f.Liquidity})
		}
	}
	return out
}

func liquidity(o Order) string {
	if o.Passive {
		return "maker"
	}
	return "taker"
}

func (v *Venue) hit(share float64) bool { return v.rng.Float64() < share }

// latency is log-normal around two milliseconds.
func (v *Venue) latency() time.Duration {
	return time.Duration(2e6 * math.Exp(0.6*v.rng.NormFloat64()))
}

// filled is how much of an order trades: of resting orders 15 in 100, of
// others nearly all.
func (v *Venue) filled(o Order) int64 {
	lots := o.Qty / o.Listing.Lot
	switch {
	case o.Passive && v.rng.Float64() > 0.15:
		return 0
	case lots < 2 || v.rng.Float64() < 0.85:
		return o.Qty
	}
	return (1 + v.rng.Int64N(lots-1)) * o.Listing.Lot
}

// slices cuts a quantity into 1 to 8 fills of whole lots.
func (v *Venue) slices(qty, lot int64) []int64 {
	var out []int64
	for n := 1 + min(int(v.rng.ExpFloat64()), 7); qty > 0; n-- {
		lots := qty / lot
		take := lots
		if n > 1 && lots > 1 {
			take = 1 + v.rng.Int64N(lots-1)
		}
		out = append(out, take*lot)
		qty -= take * lot
	}
	return out
}

// price is the touch, or up to two ticks worse for who takes.
func (v *Venue) price(o Order, q market.Quote) int64 {
	if o.Passive {
		return o.LimitPx
	}
	worse := v.rng.Int64N(3) * o.Listing.Tick
	if o.Side > 0 {
		return q.Ask + worse
	}
	return max(q.Bid-worse, o.Listing.Tick)
}
