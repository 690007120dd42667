package floor

import (
	"context"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/sim"
)

// feed writes what the venues send: recordings where there are any, and the
// simulated market for all other instruments.
type feed struct {
	floor     *Floor
	source    market.Source
	next      market.Event
	open      bool
	simulated []market.Listing
	day       time.Time
	times     timings
}

func (f *Floor) newFeed() (*feed, error) {
	recorded := map[int64]bool{}
	for _, r := range f.cfg.Recordings {
		recorded[r.Listing.ID] = true
	}
	out := &feed{floor: f, day: f.base}
	for _, l := range f.listings {
		if !recorded[l.ID] {
			out.simulated = append(out.simulated, l)
		}
	}
	return out, out.connect()
}

// connect opens the market for a day from feed.day on.
func (f *feed) connect() error {
	m, err := sim.New(sim.Config{Seed: f.floor.cfg.Seed + uint64(f.day.Unix()), Listings: f.simulated, Open: f.day, Close: f.day.Add(24 * time.Hour),
		Rate: marketRate / speed, LostBars: 0.002})
	if err != nil {
		return err
	}
	sources := []market.Source{m}
	for _, r := range f.floor.cfg.Recordings {
		sources = append(sources, r.From(f.day))
	}
	f.source = market.Merge(sources...)
	f.next, f.open = f.source.Next()
	return nil
}

// prime gives every instrument a first quote: a desk that knows no price
// refuses every order.
func (f *feed) prime(ctx context.Context) error {
	first := map[int64]int64{}
	for _, r := range f.floor.cfg.Recordings {
		source := r.From(f.day)
		for {
			e, ok := source.Next()
			if !ok || e.Kind == market.QuoteEvent {
				first[r.Listing.ID] = e.Quote.Mid()
				break
			}
		}
	}
	var events []market.Event
	for _, l := range f.floor.listings {
		mid := l.Start
		if px, ok := first[l.ID]; ok {
			mid = px - px%l.Tick
		}
		events = append(events, market.Event{Kind: market.QuoteEvent, Instrument: l.ID, TS: f.day.UnixNano(),
			Quote: market.Quote{Bid: mid - l.Tick, Ask: mid + l.Tick, BidQty: l.Lot, AskQty: l.Lot}})
	}
	return f.floor.desk.Record(ctx, events)
}

// batchSize bounds a transaction of market data: its writer time delays trades.
const batchSize = 100

func (f *feed) run(ctx context.Context) error {
	defer func() { f.floor.collect(&f.times, Counts{}) }()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	var batch []market.Event
	for {
		now := f.floor.now()
		for f.open && len(batch) < batchSize && f.next.TS <= now {
			batch = append(batch, f.next)
			f.next, f.open = f.source.Next()
		}
		if end := f.day.Add(24 * time.Hour); now > end.UnixNano() {
			f.day = end
			if err := f.connect(); err != nil {
				return err
			}
		}
		full := len(batch) == batchSize
		if len(batch) > 0 {
			start := time.Now()
			if err := f.floor.desk.Record(ctx, batch); err != nil {
				return err
			}
			f.times.since(Quote, start)
			batch = batch[:0]
		}
		if full && !f.floor.stopped() {
			continue
		}
		select {
		case <-f.floor.stop:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}
