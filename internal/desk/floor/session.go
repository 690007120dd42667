package floor

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/signal"
	"github.com/tidegate/engine/internal/desk/sim"
)

// session is one of the desk's users: it watches quotes, follows a strategy,
// places orders and books what its venue reports. Several sessions trade for
// each account, some of them the same instrument by the same strategy.
type session struct {
	floor    *Floor
	number   int
	account  int64
	strategy int64
	watch    signal.Strategy
	rng      *rand.Rand
	venue    *sim.Venue
	turned   map[int64]bool // instruments whose limit was hit: trade the other way next
	sent     int
	times    timings
	counts   Counts
}

func (f *Floor) newSession(n int) *session {
	codes := signal.Codes()
	return &session{
		floor: f, number: n, account: 1 + int64(n%f.accounts), strategy: 1 + int64(n%len(codes)), watch: signal.New(codes[n%len(codes)]),
		rng: rand.New(rand.NewPCG(f.cfg.Seed, uint64(n)+1)), venue: sim.NewVenue(f.cfg.Seed, uint64(n)+1<<32, f.cfg.Faults), turned: map[int64]bool{},
	}
}

func (s *session) run(ctx context.Context) error {
	for !s.floor.stopped() {
		if err := s.trade(ctx); err != nil {
			return err
		}
	}
	return nil
}

// trade is one round: quote, signal, order, reports.
func (s *session) trade(ctx context.Context) error {
	d := s.floor.desk
	l := s.floor.pick(s.rng)
	start := time.Now()
	last, err := d.Quote(ctx, l.ID)
	if err != nil {
		return err
	}
	s.times.since(PointRead, start)
	quote := market.Quote{Bid: last.Bid, Ask: last.Ask}
	sig, ok := s.watch.OnQuote(l.ID, quote)
	if !ok { // nothing to follow: make a market
		sig = signal.Signal{Side: 1 - 2*s.rng.IntN(2), Strength: 0.1, RefPx: quote.Mid(), Passive: true}
	}
	if s.turned[l.ID] {
		sig.Side = -sig.Side
		delete(s.turned, l.ID)
	}
	start = time.Now()
	id, err := d.Signal(ctx, s.strategy, l.ID, sig, s.floor.now())
	if err != nil {
		return err
	}
	s.times.since(Signal, start)
	start = time.Now()
	if _, err := d.LatestSignal(ctx, s.strategy, l.ID); err != nil {
		return err
	}
	s.times.since(SignalRead, start)
	return s.order(ctx, l, quote, sig, id)
}

func (s *session) order(ctx context.Context, l market.Listing, quote market.Quote, sig signal.Signal, signalID int64) error {
	s.sent++
	o := desk.Order{
		Account: s.account, Strategy: s.strategy, Instrument: l.ID, Signal: signalID,
		ClientID: s.floor.run + "-" + strconv.Itoa(s.number) + "-" + strconv.Itoa(s.sent),
		Side:     sig.Side, Qty: sim.Lots(s.rng, l), RefPx: sig.RefPx, PostOnly: sig.Passive, TS: s.floor.now(),
	}
	if sig.Passive {
		if o.LimitPx = quote.Bid; o.Side < 0 {
			o.LimitPx = quote.Ask
		}
	}
	start := time.Now()
	p, err := s.floor.desk.Place(ctx, o)
	if err != nil {
		return err
	}
	s.times.since(Place, start)
	if p.Refused != nil {
		s.counts.Vetoes++
		s.turned[l.ID] = true
		return nil
	}
	s.counts.Orders++
	for _, r := range s.venue.Answer(sim.Order{Listing: l, Side: o.Side, Qty: o.Qty, LimitPx: o.LimitPx, Passive: sig.Passive}, quote) {
		if err := s.report(ctx, l, p.OrderID, r); err != nil {
			return err
		}
	}
	return nil
}

// report books one message. The venue's delays are not waited for: the floor
// measures the engine, not the venue.
func (s *session) report(ctx context.Context, l market.Listing, order int64, r sim.Report) error {
	d, ts, ref := s.floor.desk, s.floor.now(), "v"+strconv.FormatInt(order, 36)
	start, class := time.Now(), Ack
	var err error
	switch r.Kind {
	case sim.Ack:
		_, err = d.Ack(ctx, order, ref, ts)
	case sim.Reject:
		_, err = d.Reject(ctx, order, "venue said no", ts)
		s.counts.Rejects++
	case sim.CancelRequest:
		class = Cancel
		_, err = d.RequestCancel(ctx, order, "c"+ref, ts)
	case sim.Cancel:
		class = Cancel
		_, err = d.Cancel(ctx, order, "c"+ref, ts)
		s.counts.Cancels++
	default:
		class = Fill
		err = s.book(ctx, l, order, r, ts)
	}
	s.times.since(class, start)
	return err
}

func (s *session) book(ctx context.Context, l market.Listing, order int64, r sim.Report, ts int64) error {
	fee, err := s.floor.desk.FeeOf(l.ID, r.Qty, r.Px, r.Liquidity)
	if err != nil {
		return err
	}
	b, err := s.floor.desk.Book(ctx, desk.Execution{Order: order, VenueExecID: r.ExecID, Qty: r.Qty, Px: r.Px, Fee: fee, Liquidity: r.Liquidity, Busts: r.Busts, TS: ts})
	if err != nil {
		return err
	}
	switch {
	case b.Duplicate:
		s.counts.Duplicates++
	case b.Break != 0:
		s.counts.Breaks++
	case r.Busts != "":
		s.counts.Busts++
	default:
		s.counts.Fills++
	}
	if b.ExecID != 0 {
		s.floor.fills.Add(1)
		if s.floor.cfg.Acknowledged != nil {
			return s.floor.cfg.Acknowledged(b.ExecID)
		}
	}
	return nil
}
