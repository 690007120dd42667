// Package sim is a seeded market: quotes, prints and bars that look like a
// trading day, and a venue that answers orders and makes the mistakes venues
// make.
//
// It has no clock and no goroutine. The same seed gives the same day on every
// run: each instrument draws from a generator of its own, so that one's draws do
// not depend on how its events interleave with the others'.
package sim

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// Config shapes a simulated session.
type Config struct {
	Seed        uint64
	Listings    []market.Listing
	Open, Close time.Time
	// Rate is the mean number of events per second over all instruments.
	Rate float64
	// LostBars is the share of bars that never arrive.
	LostBars float64
}

// Market yields the events of one session in the order of time. It is a
// [market.Source] and not safe for concurrent use.
type Market struct {
	cfg     Config
	queue   arrivals
	pending []market.Event // bars that the event behind them completed
}

// New returns a market for one session.
//
// # Errors
//
// An instrument whose scales leave no room for its notional.
func New(cfg Config) (*Market, error) {
	m := &Market{cfg: cfg}
	var weights float64
	for rank := range cfg.Listings {
		weights += zipf(rank)
	}
	length := cfg.Close.Sub(cfg.Open).Seconds()
	for rank, l := range cfg.Listings {
		c, err := contractOf(l.Instrument)
		if err != nil {
			return nil, err
		}
		i := &instrument{
			listing: l, rng: rand.New(rand.NewPCG(cfg.Seed, uint64(l.ID))),
			logPx: math.Log(float64(l.Start)), sign: 1, half: 1 + int64(rank%3),
			now: 0, length: length, base: cfg.Rate * zipf(rank) / weights * (1 - branching),
			bars: market.NewBarBuilder(time.Minute, c),
		}
		if i.arrive() {
			m.queue = append(m.queue, i)
		}
	}
	heap.Init(&m.queue)
	return m, nil
}

func contractOf(i market.Instrument) (money.Contract, error) {
	scale := 0
	for _, c := range market.Currencies() {
		if c.Code == i.Settle {
			scale = c.Scale
		}
	}
	return money.NewContract(i.PriceScale, i.QtyScale, scale, 1, 1)
}

func zipf(rank int) float64 { return 1 / float64(rank+1) }

// Next returns the next event; false ends the session.
func (m *Market) Next() (market.Event, bool) {
	if len(m.pending) > 0 {
		e := m.pending[0]
		m.pending = m.pending[1:]
		return e, true
	}
	if len(m.queue) == 0 {
		return market.Event{}, false
	}
	i := m.queue[0]
	e := i.happen(m.cfg.Open)
	if i.arrive() {
		heap.Fix(&m.queue, 0)
	} else {
		heap.Pop(&m.queue)
	}
	if bar, ok := i.bars.Add(e); ok && i.rng.Float64() >= m.cfg.LostBars {
		m.pending = append(m.pending, e)
		return bar, true
	}
	return e, true
}

// Split divides an instrument's price by num/den from its next event on.
func (m *Market) Split(instrument int64, num, den int64) {
	for _, i := range m.queue {
		if i.listing.ID == instrument {
			i.logPx -= math.Log(float64(num) / float64(den))
		}
	}
}

const (
	// branching is how many events one event brings about. Measured near 0.8
	// for currencies (arXiv 1406.3967); 0.7 keeps bursts short.
	branching = 0.7
	// decay is how fast an event's influence fades, per second.
	decay = 1.5
)

// instrument is a self-exciting price process. Times are seconds of session.
type instrument struct {
	listing     market.Listing
	rng         *rand.Rand
	now, length float64
	base        float64 // events per second without excitement, at mid-day's mean
	excited     float64 // what past events add to the rate, at now
	logPx       float64
	logVol      float64 // of the multiplier on the listing's volatility
	sign        int
	half        int64 // half a spread, in ticks
	moved       float64
	seq         int64
	bars        *market.BarBuilder
}

// season is the U of a trading day, with a mean of 1.
func (i *instrument) season(at float64) float64 {
	x := 2*at/i.length - 1
	return 0.5 + 1.5*x*x
}

// arrive draws the time of the next event by thinning; false is the close.
func (i *instrument) arrive() bool {
	for i.now < i.length {
		bound := i.base*2 + i.excited // the season is at most 2
		wait := i.rng.ExpFloat64() / bound
		i.now += wait
		i.excited *= math.Exp(-decay * wait)
		if i.now >= i.length {
			return false
		}
		if i.rng.Float64()*bound <= i.base*i.season(i.now)+i.excited {
			i.excited += branching * decay
			return true
		}
	}
	return false
}

// happen makes the event of now: two of five are prints, the rest quotes.
func (i *instrument) happen(open time.Time) market.Event {
	i.step()
	i.seq++
	e := market.Event{Instrument: i.listing.ID, TS: open.Add(time.Duration(i.now * float64(time.Second))).UnixNano(), Seq: i.seq}
	tick := i.listing.Tick
	mid := max(int64(math.Round(math.Exp(i.logPx)/float64(tick))), 2+i.half)
	wide := i.half + int64(math.Abs(i.logVol))
	bid, ask := max(mid-wide, 1)*tick, (mid+wide)*tick
	if i.rng.IntN(5) < 2 {
		if i.rng.Float64() > 0.75 { // signs of trades persist
			i.sign = -i.sign
		}
		e.Kind = market.PrintEvent
		e.Print = market.Print{Px: ask, Qty: i.size(), Side: i.sign}
		if i.sign < 0 {
			e.Print.Px = bid
		}
		i.logPx += float64(i.sign) * 0.2 * float64(tick) / math.Exp(i.logPx) // impact
		return e
	}
	e.Kind = market.QuoteEvent
	e.Quote = market.Quote{Bid: bid, Ask: ask, BidQty: i.size(), AskQty: i.size()}
	return e
}

// step moves the price over the time since the last event: a walk whose
// volatility is an AR(1) of its own, and now and then a jump.
func (i *instrument) step() {
	dt := i.now - i.moved
	i.moved = i.now
	i.logVol = 0.98*i.logVol + 0.1*i.rng.NormFloat64()
	sigma := i.listing.Volatility * math.Sqrt(dt/i.length) * math.Exp(i.logVol)
	i.logPx += sigma * i.rng.NormFloat64()
	if i.rng.Float64() < 0.0002 {
		i.logPx += 0.3 * i.listing.Volatility * i.rng.NormFloat64()
	}
}

// size is a log-normal number of lots worth some thousands of money.
func (i *instrument) size() int64 { return Lots(i.rng, i.listing) }

// Lots draws an order size for a listing: log-normal around 2,000 units of its
// settlement currency, in whole lots.
func Lots(rng *rand.Rand, l market.Listing) int64 {
	scale := math.Pow(10, float64(l.PriceScale+l.QtyScale))
	target := 2000.0
	if l.Settle == "ETH" {
		target = 1
	}
	lots := target * scale / (float64(l.Start) * float64(l.Lot)) * math.Exp(0.8*rng.NormFloat64())
	return max(int64(lots), 1) * l.Lot
}

// arrivals is a heap of instruments by the time of their next event.
type arrivals []*instrument

func (a arrivals) Len() int { return len(a) }
func (a arrivals) Less(i, j int) bool {
	if a[i].now != a[j].now {
		return a[i].now < a[j].now
	}
	return a[i].listing.ID < a[j].listing.ID
}
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)   { *a = append(*a, x.(*instrument)) }
func (a *arrivals) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}
