// Package day runs simulated trading days on a desk, on a virtual clock and one
// goroutine: the same seed gives the same rows, ids included.
package day

import (
	"container/heap"
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/signal"
	"github.com/tidegate/engine/internal/desk/sim"
)

// Config shapes the days.
type Config struct {
	Seed uint64
	From time.Time // the first day; its time of day is ignored
	Days int
	// Rate is the mean number of market events per second, over all venues.
	Rate float64
	// Act is the share of signals that become orders.
	Act      float64
	Accounts int
	Faults   sim.Faults
	// LeaveOpen stops at the last close with the orders that are open then.
	LeaveOpen bool
	// Split splits the first instrument, two for one, after the first close.
	Split bool
}

// Result counts what happened. Digest covers every message and its outcome.
type Result struct {
	Events, Signals, Orders, Vetoes                int
	Fills, Duplicates, Busts, Breaks               int
	Rejects, Cancels, LateEvents, Splits, Snapshot int
	Digest                                         string
}

// Run trades the configured days on db, which holds the trading schema.
func Run(ctx context.Context, db *engine.DB, cfg Config) (Result, error) {
	r := &runner{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0)), venue: sim.NewVenue(cfg.Seed, 1<<32, cfg.Faults),
		quotes: map[int64]market.Quote{}, digest: fnv.New64a()}
	from := cfg.From.UTC().Truncate(24 * time.Hour)
	r.now = from.UnixNano()
	plan := desk.DefaultPlan(from)
	plan.Accounts, plan.Days, plan.Sessions = cfg.Accounts, max(cfg.Days, 1), desk.BusinessHours
	r.listings = plan.Listings
	if err := desk.Seed(ctx, db, plan); err != nil {
		return r.res, err
	}
	var err error
	if r.desk, err = desk.Open(ctx, db, func() time.Time { return time.Unix(0, r.now) }); err != nil {
		return r.res, err
	}
	for _, c := range signal.Codes() {
		r.strategies = append(r.strategies, signal.New(c))
	}
	for n := range cfg.Days {
		if err := r.trade(ctx, from.AddDate(0, 0, n), n == cfg.Days-1); err != nil {
			return r.res, err
		}
	}
	r.res.Digest = strconv.FormatUint(r.digest.Sum64(), 16)
	return r.res, nil
}

type runner struct {
	cfg        Config
	desk       *desk.Desk
	rng        *rand.Rand
	venue      *sim.Venue
	listings   []market.Listing
	strategies []signal.Strategy
	quotes     map[int64]market.Quote
	buffer     []market.Event
	inbox      inbox
	sent       int
	now        int64
	digest     hash.Hash64
	res        Result
}

func (r *runner) note(what ...any) { fmt.Fprintln(r.digest, what...) }

// source opens the day's venues. Prices go on where they were.
func (r *runner) source(day time.Time) (market.Source, error) {
	byVenue := map[string][]market.Listing{}
	var venues []string
	for n, l := range r.listings {
		if q, ok := r.quotes[l.ID]; ok {
			r.listings[n].Start = q.Mid()
		}
		if byVenue[l.Venue] == nil {
			venues = append(venues, l.Venue)
		}
		byVenue[l.Venue] = append(byVenue[l.Venue], r.listings[n])
	}
	var sources []market.Source
	for _, v := range venues {
		open, close := desk.BusinessHours(v, day)
		share := float64(len(byVenue[v])) / float64(len(r.listings))
		m, err := sim.New(sim.Config{Seed: r.cfg.Seed + uint64(day.Unix()), Listings: byVenue[v], Open: open, Close: close, Rate: r.cfg.Rate * share, LostBars: 0.002})
		if err != nil {
			return nil, err
		}
		sources = append(sources, m)
	}
	return market.Merge(sources...), nil
}

func (r *runner) trade(ctx context.Context, day time.Time, last bool) error {
	source, err := r.source(day)
	if err != nil {
		return err
	}
	hour := day.Add(time.Hour).UnixNano()
	for e, ok := source.Next(); ok; e, ok = source.Next() {
		r.res.Events++
		if err := r.deliver(ctx, e.TS); err != nil {
			return err
		}
		r.now = max(r.now, e.TS)
		r.buffer = append(r.buffer, e)
		if len(r.buffer) >= 256 {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
		if e.Kind == market.QuoteEvent {
			r.quotes[e.Instrument] = e.Quote
			if err := r.think(ctx, e); err != nil {
				return err
			}
		}
		if r.now >= hour {
			hour += int64(time.Hour)
			if err := r.mark(ctx); err != nil {
				return err
			}
		}
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.close(ctx, day, last)
}

// flush writes what the venues have sent so far.
func (r *runner) flush(ctx context.Context) error {
	if len(r.buffer) == 0 {
		return nil
	}
	err := r.desk.Record(ctx, r.buffer)
	r.buffer = r.buffer[:0]
	return err
}

// think shows a quote to the strategies and acts on some of what they say.
func (r *runner) think(ctx context.Context, e market.Event) error {
	for n, s := range r.strategies {
		sig, ok := s.OnQuote(e.Instrument, e.Quote)
		if !ok || r.rng.Float64() >= r.cfg.Act {
			continue
		}
		strategy := int64(n + 1)
		if err := r.flush(ctx); err != nil { // the risk check wants a mark
			return err
		}
		id, err := r.desk.Signal(ctx, strategy, e.Instrument, sig, e.TS)
		if err != nil {
			return err
		}
		r.res.Signals++
		if err := r.act(ctx, strategy, id, e, sig); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) act(ctx context.Context, strategy, signalID int64, e market.Event, sig signal.Signal) error {
	l := r.listings[e.Instrument-1]
	r.sent++
	o := desk.Order{
		Account: 1 + int64(r.rng.IntN(r.cfg.Accounts)), Strategy: strategy, Instrument: e.Instrument, Signal: signalID,
		ClientID: "d" + strconv.Itoa(r.sent), Side: sig.Side, Qty: sim.Lots(r.rng, l), RefPx: sig.RefPx, PostOnly: sig.Passive, TS: e.TS,
	}
	if sig.Passive {
		if o.LimitPx = e.Quote.Bid; o.Side < 0 {
			o.LimitPx = e.Quote.Ask
		}
	}
	p, err := r.desk.Place(ctx, o)
	if err != nil {
		return err
	}
	if p.Refused != nil {
		r.res.Vetoes++
		r.note("veto", o.ClientID, p.Refused.Kind)
		return nil
	}
	r.res.Orders++
	r.note("order", p.OrderID, o.Account, o.Instrument, o.Side, o.Qty, o.LimitPx)
	for _, report := range r.venue.Answer(sim.Order{Listing: l, Side: o.Side, Qty: o.Qty, LimitPx: o.LimitPx, Passive: sig.Passive}, e.Quote) {
		heap.Push(&r.inbox, message{at: e.TS + int64(report.After), n: r.inbox.count(), order: p.OrderID, report: report, listing: l})
	}
	return nil
}

// deliver books every report that arrives up to a time.
func (r *runner) deliver(ctx context.Context, until int64) error {
	for len(r.inbox.list) > 0 && r.inbox.list[0].at <= until {
		m := heap.Pop(&r.inbox).(message)
		r.now = max(r.now, m.at)
		if err := r.report(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) report(ctx context.Context, m message) error {
	var (
		news bool
		err  error
	)
	ref := "v" + strconv.FormatInt(m.order, 36)
	switch m.report.Kind {
	case sim.Ack:
		news, err = r.desk.Ack(ctx, m.order, ref, m.at)
	case sim.Reject:
		if news, err = r.desk.Reject(ctx, m.order, "venue said no", m.at); news {
			r.res.Rejects++
		}
	case sim.CancelRequest:
		news, err = r.desk.RequestCancel(ctx, m.order, "c"+ref, m.at)
	case sim.Cancel:
		if news, err = r.desk.Cancel(ctx, m.order, "c"+ref, m.at); news {
			r.res.Cancels++
		}
	default:
		return r.book(ctx, m)
	}
	if !news {
		r.res.LateEvents++
	}
	r.note("event", m.order, m.report.Kind, m.at, news)
	return err
}

func (r *runner) book(ctx context.Context, m message) error {
	x := desk.Execution{Order: m.order, VenueExecID: m.report.ExecID, Qty: m.report.Qty, Px: m.report.Px, Liquidity: m.report.Liquidity, Busts: m.report.Busts, TS: m.at}
	var err error
	if x.Fee, err = r.desk.FeeOf(m.listing.ID, x.Qty, x.Px, x.Liquidity); err != nil {
		return err
	}
	b, err := r.desk.Book(ctx, x)
	if err != nil {
		return err
	}
	switch {
	case b.Duplicate:
		r.res.Duplicates++
	case b.Break != 0:
		r.res.Breaks++
	case x.Busts != "":
		r.res.Busts++
	default:
		r.res.Fills++
	}
	r.note("book", x, b)
	return nil
}

// mark writes every account's value.
func (r *runner) mark(ctx context.Context) error {
	for a := range r.cfg.Accounts {
		if err := r.desk.Snapshot(ctx, int64(a+1), r.now); err != nil {
			return err
		}
		r.res.Snapshot++
	}
	return nil
}

// close ends the day: reports still under way, open orders, marks, daily bars,
// a split.
func (r *runner) close(ctx context.Context, day time.Time, last bool) error {
	if last && r.cfg.LeaveOpen {
		if err := r.mark(ctx); err != nil {
			return err
		}
		return r.desk.RollUpBars(ctx, day.UnixNano(), day.AddDate(0, 0, 1).UnixNano())
	}
	if err := r.deliver(ctx, 1<<62); err != nil {
		return err
	}
	open, err := r.desk.OpenOrders(ctx)
	if err != nil {
		return err
	}
	for _, order := range open {
		news, err := r.desk.Cancel(ctx, order, "close", r.now)
		if err != nil {
			return err
		}
		if news {
			r.res.Cancels++
		}
	}
	if err := r.mark(ctx); err != nil {
		return err
	}
	for n := range r.strategies {
		if _, err := r.desk.ExpireSignals(ctx, int64(n+1), r.now+int64(time.Minute)); err != nil {
			return err
		}
	}
	if err := r.desk.RollUpBars(ctx, day.UnixNano(), day.AddDate(0, 0, 1).UnixNano()); err != nil {
		return err
	}
	if r.cfg.Split && r.res.Splits == 0 {
		return r.split(ctx, day)
	}
	return nil
}

func (r *runner) split(ctx context.Context, day time.Time) error {
	id := r.listings[0].ID
	_, closed := desk.BusinessHours(r.listings[0].Venue, day)
	if err := r.desk.Split(ctx, id, desk.Date(day.AddDate(0, 0, 1)), 2, 1, max(r.now, closed.UnixNano())); err != nil {
		return err
	}
	q := r.quotes[id]
	tick := r.listings[0].Tick
	half := q.Mid() / 2 / tick * tick
	r.quotes[id] = market.Quote{Bid: half - tick, Ask: half + tick, BidQty: q.BidQty, AskQty: q.AskQty}
	r.res.Splits++
	return nil
}

// message is a report on its way.
type message struct {
	at      int64
	n       int // keeps the order of what arrives together
	order   int64
	report  sim.Report
	listing market.Listing
}

type inbox struct {
	list []message
	made int
}

func (b *inbox) count() int { b.made++; return b.made }
func (b *inbox) Len() int   { return len(b.list) }
func (b *inbox) Less(i, j int) bool {
	if b.list[i].at != b.list[j].at {
		return b.list[i].at < b.list[j].at
	}
	return b.list[i].n < b.list[j].n
}
func (b *inbox) Swap(i, j int) { b.list[i], b.list[j] = b.list[j], b.list[i] }
func (b *inbox) Push(x any)    { b.list = append(b.list, x.(message)) }
func (b *inbox) Pop() any {
	m := b.list[len(b.list)-1]
	b.list = b.list[:len(b.list)-1]
	return m
}
