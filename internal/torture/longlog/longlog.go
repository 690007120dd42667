// Package longlog writes as fast as it may beside readers that keep the write-ahead log from being reset, and looks how long the file gets:
// a reader that forgets its snapshot, reports of which one begins before the other ends, and single reads without a gap (P8).
package longlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/testdb"
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/pulse"
)

// Scenario takes a minute for each kind of reader, with the settings that are the defaults; a second or two, with a smaller log, in its short form.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "long-log", Promise: "P8", Run: Run,
		About: "up to 5,000 writes/s beside a forgotten snapshot, reports back to back and single reads without a gap; the log stays within its cap"}
}

const (
	writers = 16
	rate    = 5000 // transactions a second at most
	step    = 10 * time.Millisecond
	pad     = 1000 // bytes of a row
	proof   = 2    // so many times its length must have gone to a log that was reset
)

// trial is one kind of reader.
type trial struct {
	name    string
	readers int
	pauses  bool // writers pause now and then, so that single reads come to keep their snapshot
	read    func(*bench, context.Context) error
	proves  func(*bench) error // that the reader was what it is meant to be
}

func trials() []trial {
	return []trial{
		{name: "pinned", readers: 1, read: (*bench).forget, proves: (*bench).wasEnded},
		{name: "reports", readers: 2, read: (*bench).report, proves: (*bench).reported},
		{name: "lone", readers: 2, read: (*bench).lone, proves: (*bench).wasReset},
		{name: "lone_beside_bursts", readers: 2, pauses: true, read: (*bench).lone, proves: (*bench).wasReset},
	}
}

// Run is the scenario.
func Run(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	for _, t := range trials() {
		if err := try(ctx, e, t, &result); err != nil {
			return result, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return result, nil
}

// bench is one trial.
type bench struct {
	db   *engine.DB
	cfg  engine.Config
	path string
	busy time.Duration // of a report

	machine *pulse.Pulse

	acked, reads, ended, waited atomic.Int64
	written, peak               atomic.Int64 // bytes: to the log, and of the log at its longest
	oldest                      atomic.Int64 // age of a snapshot that was ended, ns
}

// Before implements sqlite.Faults: it counts what goes to the log and fails nothing.
func (b *bench) Before(op sqlite.Op) error {
	if op.Kind == sqlite.OpWrite && op.File == sqlite.FileWAL {
		b.written.Add(int64(op.Len))
	}
	return nil
}

func try(ctx context.Context, e *torture.Env, t trial, result *torture.Result) (err error) {
	b := &bench{path: fmt.Sprintf("%s/%s.db", e.Dir, t.name), busy: torture.Pick(e.Scale, 80*time.Millisecond, 500*time.Millisecond)}
	b.cfg = engine.DefaultConfig(b.path)
	b.cfg.Writer.QueueTimeout = time.Minute
	if e.Scale == torture.Short {
		b.cfg.WAL = engine.WALConfig{CheckpointFrames: 100, Soft: 1 << 20, Hard: 2 << 20, Cap: 12 << 20, SnapshotAge: 300 * time.Millisecond}
	}
	if b.db, err = engine.Open(testdb.WithFaults(ctx, b), b.cfg); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.db.Close()) }()
	b.machine = pulse.New()
	defer b.machine.Close()
	if _, err := b.db.Exec(ctx, "CREATE TABLE w (id INTEGER PRIMARY KEY, pad BLOB NOT NULL) STRICT"); err != nil {
		return err
	}
	d := torture.Pick(e.Scale, time.Second, time.Minute)
	run, stop := context.WithTimeout(ctx, 10*d) // a slow machine is given the time to write as much as it takes
	defer stop()
	began := time.Now()
	errs := make(chan error, writers+t.readers)
	var wg sync.WaitGroup
	each := func(n int, what func(context.Context) error) {
		for range n {
			wg.Go(func() {
				if err := what(run); err != nil && run.Err() == nil {
					errs <- err
					stop()
				}
			})
		}
	}
	tokens := make(chan struct{}, rate/int(time.Second/step))
	wg.Go(func() { b.pace(run, tokens, t.pauses) })
	wg.Go(func() {
		b.watch(run, func() bool { return time.Since(began) >= d && b.written.Load() >= proof*b.peak.Load() })
		stop()
	})
	each(writers, func(ctx context.Context) error { return b.write(ctx, tokens) })
	each(t.readers, func(ctx context.Context) error { return t.read(b, ctx) })
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	b.tell(t.name, time.Since(began), result)
	if peak := b.peak.Load(); peak > b.cfg.WAL.Cap {
		return fmt.Errorf("the log grew to %d bytes, its cap is %d", peak, b.cfg.WAL.Cap)
	}
	return t.proves(b)
}

func (b *bench) tell(name string, d time.Duration, result *torture.Result) {
	const mb = 1 << 20
	result.Cases += int(b.acked.Load())
	result.Add(name+"_writes_per_second", float64(b.acked.Load())/d.Seconds(), "")
	result.Add(name+"_log_written", float64(b.written.Load())/mb, "MB")
	result.Add(name+"_log_longest", float64(b.peak.Load())/mb, "MB")
	result.Count(name+"_reads", int(b.reads.Load()))
	if n := b.ended.Load(); n > 0 {
		result.Count(name+"_snapshots_ended", int(n))
		result.Add(name+"_oldest_snapshot", time.Duration(b.oldest.Load()).Seconds(), "s")
	}
}

// pace lets rate transactions a second begin; those that nobody could begin in time are not made up for.
func (b *bench) pace(ctx context.Context, tokens chan<- struct{}, pauses bool) {
	tick := time.NewTicker(step)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if pauses && n%10 < 5 {
			continue
		}
		for range cap(tokens) {
			select {
			case tokens <- struct{}{}:
			default:
			}
		}
	}
}

func (b *bench) write(ctx context.Context, tokens <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tokens:
		}
		_, err := b.db.Exec(ctx, "INSERT INTO w (pad) VALUES (zeroblob(?))", pad, engine.WithDurability(engine.Relaxed))
		switch {
		case err == nil:
			b.acked.Add(1)
		case !errors.Is(err, engine.ErrOverloaded):
			return err
		}
	}
}

// watch looks at the file itself, which keeps its greatest length when the log begins anew.
func (b *bench) watch(ctx context.Context, enough func() bool) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil && !enough() {
		if info, err := os.Stat(b.path + "-wal"); err == nil && info.Size() > b.peak.Load() {
			b.peak.Store(info.Size())
		}
		<-tick.C
	}
}

const forgotten = "forgotten report"

// forget begins a snapshot and looks at it now and then until it is told that it has ended; then it does so again.
func (b *bench) forget(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		err := b.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
			for {
				var n int
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM w LIMIT 1)").Scan(&n); err != nil {
					return err
				}
				b.reads.Add(1)
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-tick.C:
				}
			}
		}, engine.WithName(forgotten))
		ended, ok := errors.AsType[*engine.SnapshotError](err)
		if !ok {
			return err
		}
		if ended.Holder != forgotten || ended.Limit == 0 || ended.WALBytes < ended.Limit || !errors.Is(err, engine.ErrSnapshotExpired) {
			return fmt.Errorf("the error does not say whose snapshot ended, and why: %w", err)
		}
		b.ended.Add(1)
		b.oldest.Store(max(b.oldest.Load(), int64(ended.Age)))
	}
	return nil
}

func (b *bench) wasEnded() error {
	if b.ended.Load() == 0 {
		return fmt.Errorf("no snapshot was ended, and %d bytes went to the log: nothing was in its way", b.written.Load())
	}
	return nil
}

// report reads on a snapshot of its own for a while. It may have to wait until the log was reset.
func (b *bench) report(ctx context.Context) error {
	for ctx.Err() == nil {
		err := b.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
			until := time.NewTimer(b.busy)
			defer until.Stop()
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				var n int
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM w LIMIT 100)").Scan(&n); err != nil {
					return err
				}
				select {
				case <-until.C:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-tick.C:
				}
			}
		}, engine.WithClass(engine.ClassAnalytics))
		switch {
		case err == nil:
			b.reads.Add(1)
		case errors.Is(err, engine.ErrOverloaded):
			b.waited.Add(1)
		default:
			return err
		}
	}
	return nil
}

func (b *bench) reported() error {
	if b.reads.Load() == 0 {
		return errors.New("no report was made")
	}
	return b.wasReset()
}

// lone reads one row after the other, each with a snapshot of its own, which the connection keeps where nothing was written.
func (b *bench) lone(ctx context.Context) error {
	for ctx.Err() == nil {
		var n int
		began := time.Now()
		if err := b.db.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM w LIMIT 1)").Scan(&n); err != nil {
			// A snapshot that the machine made old by stopping us is ended like any other.
			old := errors.Is(err, engine.ErrSnapshotExpired) && b.machine.Noise(began, time.Now()) >= b.cfg.WAL.SnapshotAge/2
			if old || errors.Is(err, engine.ErrOverloaded) {
				continue
			}
			return err
		}
		b.reads.Add(1)
	}
	return nil
}

// wasReset wants the log to have begun anew: a cap that nothing has come near says nothing.
func (b *bench) wasReset() error {
	if written, peak := b.written.Load(), b.peak.Load(); written < proof*peak {
		return fmt.Errorf("%d bytes were written to a log that grew to %d: it was hardly ever reset", written, peak)
	}
	return nil
}
