// Package floor is a trading floor under load: many sessions trade on one
// database at once while market data streams in and portfolios, trade histories
// and turnover are read.
package floor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/replay"
	"github.com/tidegate/engine/internal/desk/sim"
)

// Config shapes a run.
type Config struct {
	Seed     uint64
	Sessions int           // that trade; at least 1
	Duration time.Duration // of the trading
	// Recordings replace the simulated market of their instruments.
	Recordings []*replay.Recording
	Faults     sim.Faults
	// Progress is called about once a second from one goroutine; nil for none.
	Progress func(Progress)
	// Acknowledged is called with the id of every execution after its
	// transaction was acknowledged, from many goroutines; nil for none. Its error
	// ends the run.
	Acknowledged func(execID int64) error
}

// Progress is how far a run is.
type Progress struct {
	Elapsed      time.Duration
	Transactions uint64 // since the last progress
	Fills        int64  // since the last progress
	Waiting      int    // transactions in the writer's queue
	WALBytes     int64
}

// speed is how many seconds of market pass in one of ours: a minute bar each
// second.
const speed = 60

// marketRate is how many simulated events arrive each second of ours.
const marketRate = 600

// Floor is one run.
type Floor struct {
	cfg      Config
	db       *engine.DB
	desk     *desk.Desk
	accounts int
	listings []market.Listing
	weights  []float64 // cumulated
	run      string    // tells the client order ids of this run from those of others
	base     time.Time
	start    time.Time
	fills    atomic.Int64
	stop     chan struct{}
	mu       sync.Mutex
	times    timings
	counts   Counts
}

// Counts is what the sessions did.
type Counts struct {
	Orders     int64 `json:"orders"`
	Vetoes     int64 `json:"vetoes"`
	Fills      int64 `json:"fills"`
	Duplicates int64 `json:"duplicates"`
	Busts      int64 `json:"busts"`
	Breaks     int64 `json:"breaks"`
	Rejects    int64 `json:"rejects"`
	Cancels    int64 `json:"cancels"`
}

func (c *Counts) add(o Counts) {
	c.Orders += o.Orders
	c.Vetoes += o.Vetoes
	c.Fills += o.Fills
	c.Duplicates += o.Duplicates
	c.Busts += o.Busts
	c.Breaks += o.Breaks
	c.Rejects += o.Rejects
	c.Cancels += o.Cancels
}

// Run seeds the reference data where it is missing, trades for the configured
// time, and proves the invariants. It may be run again on the same database.
//
// # Errors
//
// The first error that any goroutine met. Broken books are no error: trading
// stops, and the report names the invariants.
func Run(ctx context.Context, db *engine.DB, cfg Config) (*Report, error) {
	if cfg.Sessions < 1 || cfg.Duration <= 0 {
		return nil, fmt.Errorf("floor: %d sessions for %v; want at least one, and some time", cfg.Sessions, cfg.Duration)
	}
	f := &Floor{cfg: cfg, db: db, stop: make(chan struct{})}
	if err := f.prepare(ctx); err != nil {
		return nil, err
	}
	before := db.Stats()
	f.start = time.Now()
	err := f.trade(ctx)
	elapsed := time.Since(f.start)
	var torn *desk.TornError
	if err != nil && !errors.As(err, &torn) {
		return nil, err
	}
	r, failed := f.report(ctx, before, elapsed)
	if failed != nil || err != nil && r.Sound { // books that a snapshot saw torn and the invariants do not: report the former
		return nil, errors.Join(err, failed)
	}
	return r, nil
}

func (f *Floor) prepare(ctx context.Context) error {
	var latest int64
	if err := f.db.QueryRow(ctx, `SELECT coalesce(max(ts), 0) FROM last_quotes`).Scan(&latest); err != nil {
		return err
	}
	f.base = time.Now().UTC().Truncate(time.Minute)
	if after := time.Unix(0, latest).UTC().Truncate(time.Minute).Add(time.Minute); after.After(f.base) {
		f.base = after
	}
	f.start = time.Now()
	f.run = strconv.FormatInt(f.base.UnixMilli(), 36)
	plan := desk.DefaultPlan(f.base)
	f.accounts, f.listings = plan.Accounts, plan.Listings
	if err := desk.Seed(ctx, f.db, plan); err != nil {
		return err
	}
	var sum float64
	for rank := range f.listings {
		sum += 1 / float64(rank+1)
		f.weights = append(f.weights, sum)
	}
	var err error
	f.desk, err = desk.Open(ctx, f.db, func() time.Time { return time.Unix(0, f.now()) })
	return err
}

// now is the market's time.
func (f *Floor) now() int64 { return f.base.UnixNano() + int64(time.Since(f.start))*speed }

func (f *Floor) stopped() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// pick draws an instrument; the first are traded most.
func (f *Floor) pick(rng *rand.Rand) market.Listing {
	x := rng.Float64() * f.weights[len(f.weights)-1]
	return f.listings[min(sort.SearchFloat64s(f.weights, x), len(f.listings)-1)]
}

// trade runs everybody until the time is over or somebody fails.
func (f *Floor) trade(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	feed, err := f.newFeed()
	if err != nil {
		return err
	}
	if err := feed.prime(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, f.cfg.Sessions+readers+2)
	spawn := func(run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				errs <- err
				cancel(err)
			}
		})
	}
	spawn(feed.run)
	for n := range f.cfg.Sessions {
		s := f.newSession(n)
		spawn(func(ctx context.Context) error {
			err := s.run(ctx)
			f.collect(&s.times, s.counts)
			return err
		})
	}
	for n := range readers {
		spawn(f.newReader(n).run)
	}
	f.watch(ctx)
	close(f.stop)
	wg.Wait()
	close(errs)
	return first(errs)
}

// first is the error that came first; the others are mostly its consequence.
func first(errs <-chan error) error {
	for err := range errs {
		if !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

func (f *Floor) collect(t *timings, c Counts) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times.merge(t)
	f.counts.add(c)
}

// watch waits for the end and reports progress on the way.
func (f *Floor) watch(ctx context.Context) {
	end := time.NewTimer(f.cfg.Duration)
	defer end.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	jobs, fills := f.db.Stats().Writer.Jobs, int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-tick.C:
			if f.cfg.Progress == nil {
				continue
			}
			s, n := f.db.Stats(), f.fills.Load()
			f.cfg.Progress(Progress{Elapsed: time.Since(f.start), Transactions: s.Writer.Jobs - jobs, Fills: n - fills, Waiting: s.Writer.Waiting, WALBytes: s.WAL.Bytes})
			jobs, fills = s.Writer.Jobs, n
		}
	}
}
