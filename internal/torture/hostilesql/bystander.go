package hostilesql

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine"
)

// bystanders are the sessions that have done nothing: readers and a writer that go on meanwhile, at a walking pace.
type bystanders struct {
	reads, writes, retried atomic.Int64
	slowRead, slowWrite    atomic.Int64 // the slowest, in nanoseconds

	mu    sync.Mutex
	err   error
	stop  context.CancelFunc
	ended sync.WaitGroup
}

const (
	// pace is between two calls of a bystander.
	pace = 5 * time.Millisecond
	// patience is what a bystander's call may take: it waits behind a hostile statement for its deadline, some of them in a row.
	patience = 5 * time.Second
)

func newBystanders(ctx context.Context, db *engine.DB) *bystanders {
	ctx, cancel := context.WithCancel(ctx)
	b := &bystanders{stop: cancel}
	read := func(ctx context.Context) error {
		var n int64
		return db.QueryRow(ctx, "SELECT n FROM probe WHERE id = 1").Scan(&n)
	}
	write := func(ctx context.Context) error {
		_, err := db.Exec(ctx, "UPDATE probe SET n = n + 1 WHERE id = 1")
		return err
	}
	for range 2 {
		b.ended.Go(func() { b.walk(ctx, "a reader", read, &b.reads, &b.slowRead) })
	}
	b.ended.Go(func() { b.walk(ctx, "a writer", write, &b.writes, &b.slowWrite) })
	return b
}

func (b *bystanders) walk(ctx context.Context, who string, call func(context.Context) error, done, slowest *atomic.Int64) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		err := b.patiently(ctx, call)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.mu.Lock()
			b.err = errors.Join(b.err, fmt.Errorf("%s after %v: %w", who, time.Since(began), err))
			b.mu.Unlock()
			return
		}
		done.Add(1)
		slowest.Store(max(slowest.Load(), int64(time.Since(began))))
	}
}

// patiently does what the documentation tells callers to do: again, where nothing was applied.
func (b *bystanders) patiently(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := call(ctx)
		if !engine.Retryable(err) || ctx.Err() != nil {
			return err
		}
		b.retried.Add(1)
	}
}

func (b *bystanders) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *bystanders) close() error {
	b.stop()
	b.ended.Wait()
	return b.failed()
}
