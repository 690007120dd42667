// Package overload offers a database several times what it can do, lane by lane, and measures what becomes of it: how long what was
// accepted took, how soon the rest was turned away and with what advice, and whether as much is done as when nobody is turned away.
//
// Every call works for a fixed time inside SQLite, in a function that waits. So a lane's capacity is known, and it is the lane that
// limits and not the processor, which also has to make the load.
package overload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/load"
)

// Config shapes a run.
type Config struct {
	Times    float64       // how many times a lane's capacity is offered
	Callers  int           // of the closed loop that finds the capacity
	Duration time.Duration // of each part that is measured
	Settle   time.Duration // of the same overload before that, not counted
	Seed     uint64
	Progress func(string) // called from one goroutine before each phase; nil for nobody
}

// workName is the SQL function in which a call spends its time.
const workName = "overload_work"

// Prepare makes cfg that of a database in which each call works for so long.
func Prepare(cfg *engine.Config, work time.Duration) {
	cfg.Extend.Functions = append(cfg.Extend.Functions, engine.Function{Name: workName, Args: 0, Scalar: func([]engine.Value) (any, error) {
		time.Sleep(work)
		return int64(1), nil
	}})
}

// Run measures the writer and then the readers of a database that was opened as Prepare says.
//
// # Errors
//
// The first that had nothing to do with a call; calls that failed are counted in the report.
func Run(ctx context.Context, db *engine.DB, c Config) (*Report, error) {
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	if _, err := db.Exec(ctx, "CREATE TABLE IF NOT EXISTS overload_jobs (id INTEGER PRIMARY KEY, worked INTEGER NOT NULL) STRICT"); err != nil {
		return nil, err
	}
	r := &Report{Times: c.Times, Seconds: c.Duration.Seconds(), Seed: c.Seed}
	write := func(ctx context.Context) error {
		_, err := db.Exec(ctx, "INSERT INTO overload_jobs (worked) VALUES ("+workName+"())")
		return err
	}
	read := func(ctx context.Context) error { return db.QueryRow(ctx, "SELECT "+workName+"()").Scan(new(int64)) }
	for _, part := range []struct {
		name string
		into *Lane
		call func(context.Context) error
	}{{"writer", &r.Writer, write}, {"readers", &r.Readers, read}} {
		if err := c.lane(ctx, part.name, part.into, part.call); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	rows, err := stored(ctx, db)
	if err != nil {
		return nil, err
	}
	if want := r.Writer.acknowledged; rows != want {
		return nil, fmt.Errorf("%d writes were acknowledged and %d rows are there", want, rows)
	}
	for _, b := range db.Stats().Breakers {
		if b.Opened > 0 {
			r.Breakers = append(r.Breakers, b.Name)
		}
	}
	return r, nil
}

func stored(ctx context.Context, db *engine.DB) (n int64, err error) {
	return n, db.QueryRow(ctx, "SELECT count(*) FROM overload_jobs").Scan(&n)
}

// lane measures one lane: a call alone, the most of a closed loop, and several times that.
func (c *Config) lane(ctx context.Context, name string, into *Lane, call func(context.Context) error) error {
	c.Progress(name + ": one caller, then as many as it takes")
	alone, err := load.Closed(ctx, 1, c.Duration/2, func(ctx context.Context, _ int) error { return call(ctx) })
	if err != nil {
		return err
	}
	if err := alone.Streams[0].First; err != nil {
		return err // not even alone
	}
	seeking := &watch{call: call}
	full, err := load.Closed(ctx, c.Callers, c.Duration, func(ctx context.Context, _ int) error { return seeking.one(ctx, time.Now()) })
	if err != nil {
		return err
	}
	into.unloaded(alone, full)
	offered := c.Times * into.Saturated
	c.Progress(fmt.Sprintf("%s: %.0f/s offered where %.0f/s can be done", name, offered, into.Saturated))
	// What the settling has left waiting is served under the eyes of nobody: the overload goes on meanwhile.
	settle, w := &watch{call: call}, &watch{call: call}
	settled := make(chan error, 1)
	begun := time.Now()
	go func() { settled <- c.offer(ctx, settle, offered, c.Settle) }()
	select {
	case <-time.After(c.Settle - time.Since(begun)):
	case <-ctx.Done():
	}
	err = errors.Join(c.offer(ctx, w, offered, c.Duration), <-settled)
	if err != nil {
		return err
	}
	into.overloaded(w)
	into.acknowledged += settle.seen.done
	into.failed(&seeking.seen, &settle.seen, &w.seen)
	return nil
}

// offer is the open loop. Calls begin when they are due, at random moments, each on a goroutine of its own: however many wait, the next
// one comes. A pool of callers would stop asking once all of them wait, which is no overload.
func (c *Config) offer(ctx context.Context, w *watch, perSecond float64, d time.Duration) error {
	rng := rand.New(rand.NewPCG(c.Seed, 0))
	gap := float64(time.Second) / perSecond
	start := time.Now()
	var calls sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due := time.Duration(0); due < d && ctx.Err() == nil; due += time.Duration(gap * rng.ExpFloat64()) {
		if early := due - time.Since(start); early > 0 {
			timer.Reset(early)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		calls.Go(func() { _ = w.one(ctx, start.Add(due)) }) // it is counted
	}
	w.generated = max(time.Since(start), d)
	calls.Wait()
	return context.Cause(ctx)
}

// watch times the calls of an open loop. Safe for concurrent use.
type watch struct {
	call      func(context.Context) error
	generated time.Duration // how long calls were made for

	mu   sync.Mutex
	seen seen
}

// seen is what became of calls.
type seen struct {
	offered, done     int64
	accepted, refused load.Histogram // from the call to its return
	advice            load.Histogram // RetryAfter
	late              load.Histogram // how late the calls began: the generator's own
	reasons           map[string]int64
	speechless        int64 // refused without advice
	failed            int64 // for another reason than load
	first             error
}

// one makes a call and returns what it returned.
func (w *watch) one(ctx context.Context, due time.Time) error {
	began := time.Now()
	err := w.call(ctx)
	took := time.Since(began)
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.seen
	s.offered++
	s.late.Add(began.Sub(due))
	var over *engine.OverloadError
	switch {
	case err == nil:
		s.done++
		s.accepted.Add(took)
	case errors.As(err, &over):
		s.refused.Add(took)
		s.advice.Add(over.RetryAfter)
		if over.RetryAfter <= 0 {
			s.speechless++
		}
		if s.reasons == nil {
			s.reasons = map[string]int64{}
		}
		s.reasons[string(over.Reason)]++
	default:
		s.failed++
		if s.first == nil {
			s.first = err
		}
	}
	return err
}
