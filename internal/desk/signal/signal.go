// Package signal turns quotes into intentions: momentum, reversion to a mean,
// pairs of instruments, slices of a larger order, and market making.
//
// A strategy holds the little state it needs, draws no random numbers and is
// not safe for concurrent use.
package signal

import (
	"math"

	"github.com/tidegate/engine/internal/desk/market"
)

// Signal is an intention to trade. Strength is between 0 and 1; it is a
// statistic, not money.
type Signal struct {
	Side     int
	Strength float64
	RefPx    int64 // mid when decided
	Passive  bool  // rest at the touch instead of taking
}

// Strategy watches quotes. OnQuote returns a signal when there is one.
type Strategy interface {
	OnQuote(instrument int64, q market.Quote) (Signal, bool)
}

// Code names a strategy, as strategies.code has it.
type Code string

// The strategies of the desk. Their position is their strategy_id less one.
const (
	CodeMomentum  Code = "momentum"
	CodeReversion Code = "reversion"
	CodePairs     Code = "pairs"
	CodeSlicer    Code = "slicer"
	CodeMaker     Code = "maker"
)

// Codes lists the strategies in the order of their ids, from 1.
func Codes() []Code {
	return []Code{CodeMomentum, CodeReversion, CodePairs, CodeSlicer, CodeMaker}
}

// New returns a strategy of the code. Unknown codes make markets.
func New(c Code) Strategy {
	switch c {
	case CodeMomentum:
		return &Momentum{Fast: 0.3, Slow: 0.05, Threshold: 2e-5}
	case CodeReversion:
		return &Reversion{Window: 20, Threshold: 1}
	case CodePairs:
		return &Pairs{Speed: 0.05, Threshold: 2e-4}
	case CodeSlicer:
		return &Slicer{Every: 3, Slices: 8}
	}
	return &Maker{Every: 2}
}

func signOf(x float64) int {
	if x < 0 {
		return -1
	}
	return 1
}

// Momentum follows a fast average that leaves a slow one. Fast and Slow are
// the weights of the newest quote; Threshold is the relative distance.
type Momentum struct {
	Fast, Slow, Threshold float64
	averages              map[int64][2]float64
}

// OnQuote implements [Strategy].
func (m *Momentum) OnQuote(instrument int64, q market.Quote) (Signal, bool) {
	if m.averages == nil {
		m.averages = map[int64][2]float64{}
	}
	mid := float64(q.Mid())
	a, seen := m.averages[instrument]
	if !seen {
		a = [2]float64{mid, mid}
	}
	a[0] += m.Fast * (mid - a[0])
	a[1] += m.Slow * (mid - a[1])
	m.averages[instrument] = a
	gap := a[0]/a[1] - 1
	if math.Abs(gap) < m.Threshold {
		return Signal{}, false
	}
	return Signal{Side: signOf(gap), Strength: math.Min(math.Abs(gap)/(20*m.Threshold), 1), RefPx: q.Mid()}, true
}

// Reversion trades back towards the mean of the last Window quotes once the
// price is Threshold standard deviations away.
type Reversion struct {
	Window    int
	Threshold float64
	seen      map[int64][]float64
}

// OnQuote implements [Strategy].
func (r *Reversion) OnQuote(instrument int64, q market.Quote) (Signal, bool) {
	if r.seen == nil {
		r.seen = map[int64][]float64{}
	}
	mid := float64(q.Mid())
	past := append(r.seen[instrument], mid)
	if len(past) > r.Window {
		past = past[1:]
	}
	r.seen[instrument] = past
	if len(past) < r.Window {
		return Signal{}, false
	}
	var mean, variance float64
	for _, x := range past {
		mean += x / float64(len(past))
	}
	for _, x := range past {
		variance += (x - mean) * (x - mean) / float64(len(past))
	}
	if variance == 0 {
		return Signal{}, false
	}
	z := (mid - mean) / math.Sqrt(variance)
	if math.Abs(z) < r.Threshold {
		return Signal{}, false
	}
	return Signal{Side: -signOf(z), Strength: math.Min(math.Abs(z)/4, 1), RefPx: q.Mid()}, true
}

// Pairs trades an instrument against the average return of the others: what
// has run ahead is sold. Speed is the weight of the newest return.
type Pairs struct {
	Speed, Threshold float64
	last, lead       map[int64]float64
	market           float64
}

// OnQuote implements [Strategy].
func (p *Pairs) OnQuote(instrument int64, q market.Quote) (Signal, bool) {
	if p.last == nil {
		p.last, p.lead = map[int64]float64{}, map[int64]float64{}
	}
	mid := float64(q.Mid())
	before, seen := p.last[instrument]
	p.last[instrument] = mid
	if !seen || before == 0 {
		return Signal{}, false
	}
	r := mid/before - 1
	p.market += p.Speed * (r - p.market)
	p.lead[instrument] = (1-p.Speed)*p.lead[instrument] + r - p.market
	lead := p.lead[instrument]
	if math.Abs(lead) < p.Threshold {
		return Signal{}, false
	}
	return Signal{Side: -signOf(lead), Strength: math.Min(math.Abs(lead)/(10*p.Threshold), 1), RefPx: q.Mid()}, true
}

// Slicer works a larger order off in Slices, one at every Every-th quote, then
// turns round.
type Slicer struct {
	Every, Slices int
	count         map[int64]int
}

// OnQuote implements [Strategy].
func (s *Slicer) OnQuote(instrument int64, q market.Quote) (Signal, bool) {
	if s.count == nil {
		s.count = map[int64]int{}
	}
	n := s.count[instrument]
	s.count[instrument]++
	if n%s.Every != s.Every-1 {
		return Signal{}, false
	}
	side := 1
	if n/s.Every/s.Slices%2 == 1 {
		side = -1
	}
	return Signal{Side: side, Strength: 0.5, RefPx: q.Mid()}, true
}

// Maker rests an order at the touch at every Every-th quote, bid and ask in
// turn.
type Maker struct {
	Every int
	count map[int64]int
}

// OnQuote implements [Strategy].
func (m *Maker) OnQuote(instrument int64, q market.Quote) (Signal, bool) {
	if m.count == nil {
		m.count = map[int64]int{}
	}
	n := m.count[instrument]
	m.count[instrument]++
	if n%m.Every != m.Every-1 {
		return Signal{}, false
	}
	side := 1
	if n/m.Every%2 == 1 {
		side = -1
	}
	return Signal{Side: side, Strength: 0.2, RefPx: q.Mid(), Passive: true}, true
}
