package engine

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// Retryable is a guarantee: when it reports true, the call that returned err had no effect at all on the database, and the same call
// may succeed a little later. It is true for calls that were turned away before they began ([ErrOverloaded], [ErrUnavailable]), for
// transactions that were lost through no fault of their own ([ErrNotApplied]), and where another program kept the lock ([ErrBusy]).
// It is false for [ErrOutcomeUnknown], for everything that would fail again, and for errors that are not the engine's. Those of a context
// are among these, though nothing was applied then either (a call whose time is over after its COMMIT began gets [ErrOutcomeUnknown]): whoever
// has no time left has none for another run.
//
// The guarantee covers what the call did to the database. What a closure did elsewhere is its own affair.
//
// The engine itself has retried already what could be, within the deadline and the budget (see docs/retry.md): a caller who retries
// once more should wait first, for RetryAfter where the error has one.
func Retryable(err error) bool {
	return errors.Is(err, ErrOverloaded) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNotApplied) || errors.Is(err, ErrBusy)
}

// storeError is the failure of the store in err's chain, or nil. An error of the lanes may carry one that is another transaction's.
func storeError(err error) *sqlite.Error {
	if direct, ok := err.(*sqlite.Error); ok {
		return direct
	}
	var e *sqlite.Error
	if err == nil || isLaneError(err) || !errors.As(err, &e) {
		return nil
	}
	return e
}

// again decides whether a call that failed is run once more, and waits for its time. Only the outermost call is: one inside a closure is
// repeated with its closure or not at all, else each layer would multiply the runs of the one below.
func (db *DB) again(ctx context.Context, runs *retry.Runs, err error, phase retry.Phase) (retry.Decision, bool) {
	if storeError(err) == nil {
		return retry.Decision{}, false
	}
	d := retry.Of(err, phase)
	switch {
	case d.Again == retry.Never, d.Unknown:
		return d, false
	case d.Again == retry.WithBackoff && d.Where == retry.Statement:
		return d, false // the lane has waited for the lock already
	case d.Domain == retry.Storage && db.guard.storage.State() != breaker.Closed:
		return d, false // more of the same would only keep it busy
	case ctx.Value(txKey{db}) != nil:
		return d, false
	}
	return d, db.guard.pacer.Again(ctx, runs, d)
}

// write runs a job of the engine's own on the writer. The lane runs it once more where its failure allows that: it alone knows that
// nothing of it was applied.
func (db *DB) write(ctx context.Context, job lane.JobOptions, q *trace.Query, run func(*lane.Tx) error) (lane.Report, error) {
	if q != nil {
		if err := db.mayRun(q); err != nil {
			return lane.Report{}, err
		}
	}
	db.guard.pacer.Call()
	return db.lanes.Do(ctx, job, run)
}

// readOnce runs a statement on the readers, and where its failure allows that on another connection or another lane. Its first rows are
// there when it returns; a failure after them is the caller's to see, who has had rows of this run already.
func (db *DB) readOnce(ctx context.Context, sql string, args []any, opts callOptions, st *trace.Statement) (*lane.Cursor, error) {
	if err := db.mayRun(st.Query); err != nil {
		return nil, err
	}
	db.guard.pacer.Call()
	want := lane.ReadOptions{Class: opts.class, Tenant: opts.tenant, Name: opts.name}
	cur, err := db.lanes.Query(ctx, want, sql, args)
	if err == nil || errors.Is(err, lane.ErrWrites) {
		return cur, err
	}
	var runs retry.Runs
	for db.readAgain(ctx, &runs, err, st, &want) {
		if cur, err = db.lanes.Query(ctx, want, sql, args); err == nil || errors.Is(err, lane.ErrWrites) {
			return cur, err
		}
	}
	return nil, err
}

// readAgain decides whether a read that failed before its first row is run once more, waits for its time, and says where.
func (db *DB) readAgain(ctx context.Context, runs *retry.Runs, err error, st *trace.Statement, want *lane.ReadOptions) bool {
	d, again := db.again(ctx, runs, err, retry.Read)
	if !again {
		return false
	}
	db.note(ctx, err, retry.Read, st.Query)
	want.Fresh = true
	if d.Where == retry.Analytics {
		want.Class = ClassAnalytics
		st.Lane = laneOf(ClassAnalytics)
	}
	st.Retries = runs.Again
	return true
}

// rerun decides whether a View is run once more: always where its closure has not been run, else only where the caller has said that it
// may be.
func (tx *Tx) rerun(ctx context.Context, runs *retry.Runs, err error, ran bool) bool {
	if err == nil {
		return false
	}
	cause := err
	if ran {
		if cause = tx.fault; cause == nil || !tx.opts.replayable || isLaneError(err) {
			return false
		}
	}
	_, again := tx.db.again(ctx, runs, cause, retry.Read)
	if again && tx.span.Recording() {
		tx.span.Event("engine.retry", attribute.Int("engine.retries", runs.Again), attribute.String("error.type", trace.ErrorType(typed(cause, ""))))
	}
	return again
}

// failed remembers the first failure of the store inside a transaction, for the decision whether its closure is run again.
func (tx *Tx) failed(err error) {
	if err != nil && tx.fault == nil && storeError(err) != nil {
		tx.fault = err
	}
}
