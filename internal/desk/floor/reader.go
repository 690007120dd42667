package floor

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
)

// readers is how many goroutines read while the sessions trade: four look at
// portfolios, four page through trade histories, one asks for turnover.
const readers = 9

type reader struct {
	floor *Floor
	rng   *rand.Rand
	class int
	pause time.Duration
	times timings
}

func (f *Floor) newReader(n int) *reader {
	r := &reader{floor: f, rng: rand.New(rand.NewPCG(f.cfg.Seed, 1<<40+uint64(n))), class: PortfolioRead, pause: 10 * time.Millisecond}
	switch {
	case n >= 8:
		r.class, r.pause = AnalyticsRead, 100*time.Millisecond
	case n >= 4:
		r.class = HistoryRead
	}
	return r
}

func (r *reader) run(ctx context.Context) error {
	defer func() { r.floor.collect(&r.times, Counts{}) }()
	pause := time.NewTicker(r.pause)
	defer pause.Stop()
	for {
		start := time.Now()
		if err := r.read(ctx); err != nil && !errors.Is(err, engine.ErrOverloaded) {
			return err // what was shed under load is no failure; it is not counted either
		} else if err == nil {
			r.times.since(r.class, start)
		}
		select {
		case <-r.floor.stop:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}

func (r *reader) read(ctx context.Context) error {
	d := r.floor.desk
	account := 1 + int64(r.rng.IntN(r.floor.accounts))
	switch r.class {
	case PortfolioRead:
		_, err := d.Portfolio(ctx, account)
		return err
	case HistoryRead:
		before := int64(1<<63 - 1)
		instrument := r.floor.pick(r.rng).ID
		for range 3 {
			page, err := d.History(ctx, account, instrument, before, 50)
			if err != nil || len(page) < 50 {
				return err
			}
			before = page[len(page)-1].ExecID
		}
		return nil
	}
	date := desk.Date(time.Unix(0, r.floor.now()))
	_, err := d.Turnover(ctx, date-1, date, 10)
	return err
}
