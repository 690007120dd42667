package shell

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/clock"
)

// querier is what statements run on: the database, or the transaction that is open.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (*engine.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (engine.Result, error)
}

// transaction is one that a person has begun. The engine wants a transaction as a closure: it waits here, on a goroutine of its own, for
// what is typed.
type transaction struct {
	readOnly bool
	idle     time.Duration
	clock    clock.Clock
	jobs     chan job
	ended    chan error // what the closure's call returned
	cancel   context.CancelFunc
	lost     error // why it is over, while nobody has ended it
	broken   bool  // a statement has cost it; each one that follows gets the same error
}

// job is something to be done inside the transaction.
type job struct {
	ctx  context.Context
	do   func(context.Context, querier) error
	done chan error
	end  error // errCommit or errRollback: the end
}

var (
	errCommit   = errors.New("commit")
	errRollback = errors.New("rollback")
)

// idleError says that nothing was typed for too long.
type idleError struct{ limit time.Duration }

func (e *idleError) Error() string {
	return fmt.Sprintf("the transaction was rolled back: nothing was done in it for %v (--idle)", e.limit)
}

// lostError is what statements get after the transaction was lost.
type lostError struct{ cause error }

func (e *lostError) Error() string {
	return "the transaction is lost, nothing of it was applied: ROLLBACK ends it; the reason: " + message(e.cause)
}
func (e *lostError) Unwrap() error { return e.cause }

// begin starts a transaction and returns once it has its turn. ctx bounds the waiting.
func (s *Shell) begin(ctx context.Context, readOnly bool, opts []engine.Option) (*transaction, error) {
	life, cancel := context.WithCancel(s.life)
	t := &transaction{readOnly: readOnly, idle: s.cfg.Idle, clock: s.cfg.clock(), jobs: make(chan job), ended: make(chan error, 1), cancel: cancel}
	started := make(chan struct{}, 1)
	inside := func(ctx context.Context, tx *engine.Tx) error {
		started <- struct{}{}
		return t.serve(ctx, tx)
	}
	go func() {
		if readOnly {
			t.ended <- s.db.View(life, inside, opts...)
			return
		}
		t.ended <- s.db.Update(life, inside, opts...)
	}()
	select {
	case <-started:
		return t, nil
	case err := <-t.ended:
		select {
		case <-started: // it was open, and is lost by now: what is typed in the belief that it is open must not run outside of it
			t.over(err)
			return t, nil
		default:
		}
		cancel()
		return nil, err
	case <-ctx.Done():
		cancel()
		<-t.ended
		return nil, context.Cause(ctx)
	}
}

// serve is the closure.
func (t *transaction) serve(ctx context.Context, tx *engine.Tx) error {
	idle := t.clock.Tick(t.idle)
	defer func() { idle.Stop() }()
	for {
		select {
		case j := <-t.jobs:
			switch j.end {
			case errCommit:
				return nil
			case errRollback:
				return errRollback
			}
			err := within(ctx, j, tx)
			idle.Stop()
			idle = t.clock.Tick(t.idle)
			j.done <- err
		case <-idle.C:
			return &idleError{t.idle}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// within runs a job under the transaction's context, and ends it with the job's own.
func within(ctx context.Context, j job, tx *engine.Tx) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(j.ctx, func() { cancel(context.Cause(j.ctx)) })
	defer stop()
	return j.do(ctx, tx)
}

// poll learns whether the transaction has ended by itself.
func (t *transaction) poll() {
	select {
	case err := <-t.ended:
		t.over(err)
	default:
	}
}

func (t *transaction) over(err error) {
	t.cancel()
	if t.lost = err; err == nil {
		t.lost = errors.New("it ended by itself")
	}
}

// do runs something inside the transaction.
func (t *transaction) do(ctx context.Context, f func(context.Context, querier) error) error {
	if t.lost == nil {
		done := make(chan error, 1)
		select {
		case t.jobs <- job{ctx: ctx, do: f, done: done}:
			return <-done
		case err := <-t.ended:
			t.over(err)
		}
	}
	return &lostError{t.lost}
}

// commit ends it and returns when it is durable. Whatever it returns, the transaction is over.
func (t *transaction) commit() error {
	if t.lost == nil {
		select {
		case t.jobs <- job{end: errCommit}:
			defer t.cancel()
			return <-t.ended
		case err := <-t.ended:
			t.over(err)
		}
	}
	return fmt.Errorf("nothing was committed: %w", t.lost)
}

// rollback ends it. That nothing of it is applied is sure in any case: it has been rolled back by this or before.
func (t *transaction) rollback() {
	if t.lost != nil {
		return
	}
	select {
	case t.jobs <- job{end: errRollback}:
		<-t.ended
	case <-t.ended:
	}
	t.cancel()
}
