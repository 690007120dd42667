package signals

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite/peer"
	"github.com/tidegate/engine/internal/load"
)

// Config shapes a run.
type Config struct {
	Dir           string // where the engine's database is: others are made in a folder beside it, on the same disk
	Sessions      int
	Writes, Reads float64 // offered a second
	Duration      time.Duration
	Durability    engine.Durability
	Versus        []string // of Peers
	Seed          uint64
	Even          bool         // arrivals are evenly spaced
	Progress      func(string) // called from one goroutine before each phase; nil for nobody
}

// Peers are the ways to use SQLite that the engine is compared with: a pool of one connection for each of a hundred sessions,
// as database/sql makes it, and a pool of one.
func Peers() []string { return []string{"naive", "single"} }

// options of a peer.
func (c *Config) options(name string) (peer.Options, error) {
	o := peer.Options{Full: c.Durability == engine.Durable}
	switch name {
	case "naive":
		o.Connections = 100
	case "single":
		o.Connections = 1
	default:
		return o, fmt.Errorf("there is no way %q to use SQLite: choose from %q", name, Peers())
	}
	return o, nil
}

// The parts of a run beside the open loop.
const (
	warmUp    = time.Second // of the same load, not counted
	saturated = 4 * time.Second
	calibrate = time.Second / 2 // for each of two measures, before and after
	patience  = 5 * time.Second
)

// atMost is how long a part takes that is never longer than the open loop.
func (c *Config) atMost(d time.Duration) time.Duration { return min(d, c.Duration) }

// Run offers the load and asks for the most, in this order: calibration, warm-up, open loop, saturation, the others'
// saturation, calibration. The database has to hold the trading schema; signals of earlier runs stay.
//
// # Errors
//
// The first that had nothing to do with an operation; operations that failed are counted in the report. Acknowledged signals
// that are not in the database are an error.
func Run(ctx context.Context, db *engine.DB, c Config) (*Report, error) {
	tell := c.Progress
	if tell == nil {
		tell = func(string) {}
	}
	for _, name := range c.Versus {
		if _, err := c.options(name); err != nil {
			return nil, err
		}
	}
	work, err := prepare(ctx, &tidegate{db, c.Durability}, c.Sessions, c.Seed)
	if err != nil {
		return nil, err
	}
	tell("calibration")
	r := newReport(c)
	if r.Calibration, err = c.calibrate(ctx); err != nil {
		return nil, err
	}
	tell(fmt.Sprintf("open loop: %.0f writes/s and %.0f reads/s for %v, after %v of warm-up", c.Writes, c.Reads, c.Duration, c.atMost(warmUp)))
	if err := c.offer(ctx, db, work, r); err != nil {
		return nil, err
	}
	tell("saturation")
	if err := c.saturate(ctx, db, work, r); err != nil {
		return nil, err
	}
	if err := work.verify(ctx, r.failed); err != nil {
		return nil, err
	}
	for _, name := range c.Versus {
		tell("saturation of " + name)
		if err := c.compare(ctx, name, r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	tell("calibration")
	after, err := c.calibrate(ctx)
	r.Calibration = r.Calibration.slower(after)
	return r, err
}

// offer is the open loop.
func (c *Config) offer(ctx context.Context, db *engine.DB, w *workload, r *Report) error {
	plan := load.Plan{Sessions: c.Sessions, Duration: c.atMost(warmUp), Patience: patience, Seed: c.Seed + 1, Even: c.Even,
		Streams: []load.Stream{{Name: "writes", PerSecond: c.Writes, Do: w.write}, {Name: "reads", PerSecond: c.Reads, Do: w.read}}}
	warm, err := load.Open(ctx, plan)
	if err != nil {
		return err
	}
	r.failed += warm.Streams[0].Errors
	r.met(warm.Streams[0].First)
	r.met(warm.Streams[1].First)
	plan.Duration, plan.Seed = c.Duration, c.Seed
	before := db.Stats()
	res, err := load.Open(ctx, plan)
	if err != nil {
		return err
	}
	after := db.Stats()
	r.opened(res, c.Duration)
	r.committed(before, after)
	r.RSS = float64(load.Resident()) / 1e6
	return nil
}

// saturate asks the engine for all it can do.
func (c *Config) saturate(ctx context.Context, db *engine.DB, w *workload, r *Report) error {
	before := db.Stats()
	res, err := load.Closed(ctx, c.Sessions, c.atMost(saturated), w.write)
	if err != nil {
		return err
	}
	r.saturated(res, perSync(before, db.Stats()))
	return nil
}

// compare asks another way to use SQLite for all that it can do, on a database of its own with the same content.
func (c *Config) compare(ctx context.Context, name string, r *Report) (err error) {
	o, err := c.options(name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dir, "engine-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := openPool(ctx, filepath.Join(dir, "peer.db"), o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(p.close(), err) }()
	w, err := prepare(ctx, p, c.Sessions, c.Seed)
	if err != nil {
		return err
	}
	res, err := load.Closed(ctx, c.Sessions, c.atMost(saturated), w.write)
	if err != nil {
		return err
	}
	out := &res.Streams[0]
	if err := w.verify(ctx, out.Errors); err != nil {
		return err
	}
	r.compared(name, res)
	return nil
}

// calibrate measures the machine by what does not depend on the engine: the disk by fsync, the processor by a prepared
// SELECT of one row with the bare driver under database/sql.
func (c *Config) calibrate(ctx context.Context) (out Calibration, err error) {
	dir, err := os.MkdirTemp(c.Dir, "engine-bench-")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	rate, took, err := load.Fsyncs(dir, c.atMost(calibrate))
	if err != nil {
		return out, err
	}
	out.Fsync, out.Fsync50, out.Fsync95, out.Fsync99 = rate, ms(took.Quantile(0.5)), ms(took.Quantile(0.95)), ms(took.Quantile(0.99))
	p, err := openPool(ctx, filepath.Join(dir, "peer.db"), peer.Options{Connections: 1})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(p.close(), err) }()
	w, err := prepare(ctx, p, 1, c.Seed)
	if err != nil {
		return out, err
	}
	res, err := load.Closed(ctx, 1, c.atMost(calibrate), func(ctx context.Context, _ int) error {
		_, err := p.rows(ctx, lastQuote, w.instruments[0])
		return err
	})
	if err != nil {
		return out, err
	}
	out.Select = res.PerSecond(res.Streams[0].Done)
	return out, res.Streams[0].First
}

// perSync is how many transactions shared an fsync of the log.
func perSync(before, after engine.Stats) float64 {
	syncs := after.Syncs - before.Syncs
	if syncs == 0 {
		return 0
	}
	return float64(after.Writer.Jobs-before.Writer.Jobs) / float64(syncs)
}
