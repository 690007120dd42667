package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// Batch is a list of statements that are run one after the other as one write transaction: all of them, or none. It is recorded
// first and run as a whole on the writer, so that no time passes between its statements: it keeps the others waiting for less than
// an Update with the same statements does, and the engine may run it again by itself when another's fault cost its group.
//
// Record it on one goroutine; then it may be run any number of times, and by several goroutines at once. Arguments are copied
// when they are recorded. The zero value is an empty batch.
type Batch struct {
	steps []batchStep
	args  []any // of all steps, in order
	err   error // the first mistake made while recording
}

// batchStep is a recorded statement.
type batchStep struct {
	sql         string
	from, to    int // its arguments
	keep        bool
	least, most int64
}

// maxKept is how many rows the queries of a batch may return together: they are held in memory, and read while everybody waits.
const maxKept = 100_000

// NewBatch returns an empty batch.
func NewBatch() *Batch { return &Batch{} }

// Len is the number of statements recorded.
func (b *Batch) Len() int { return len(b.steps) }

// Exec records a statement whose rows, if it has any, are not wanted. A mistake in the arguments is returned by [DB.Batch].
func (b *Batch) Exec(sql string, args ...any) Step { return b.record(sql, args, false) }

// Query records a statement whose rows are kept: [BatchResult] holds them. Queries of a batch run on the writer, while
// everybody else who writes is waiting: they are for what the batch itself has written (RETURNING, a balance after the change).
func (b *Batch) Query(sql string, args ...any) Step { return b.record(sql, args, true) }

func (b *Batch) record(sql string, args []any, keep bool) Step {
	step := Step{b, len(b.steps)}
	from := len(b.args)
	for _, a := range args {
		if _, ok := a.(Option); ok {
			b.mistake(argErrorf("batch: statement %d: an option belongs to the call of Batch, which is for all statements", step.at+1))
			continue
		}
		b.args = append(b.args, a)
	}
	// In place, and without allocating for what is plain already.
	for i := from; i < len(b.args); i++ {
		if isPlain(b.args[i]) {
			continue
		}
		v, err := plain(b.args[i], argument{at: i - from + 1})
		if err != nil {
			b.mistake(&BatchError{Statement: step.at + 1, cause: err})
		}
		b.args[i] = v
	}
	b.steps = append(b.steps, batchStep{sql: sql, from: from, to: len(b.args), keep: keep, most: math.MaxInt64})
	return step
}

// mistake keeps the first.
func (b *Batch) mistake(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *Batch) arguments(i int) []any {
	s := &b.steps[i]
	return b.args[s.from:s.to:s.to]
}

// Step is a statement of a batch, to say what is expected of it. What is counted are the rows that it inserted, updated or deleted
// itself, and for a [Batch.Query] the rows that it returned. Where the count is another the batch is rolled back with an
// *[ExpectError].
type Step struct {
	b  *Batch
	at int
}

// Expect asks for exactly n rows.
func (s Step) Expect(n int64) Step { return s.AtLeast(n).AtMost(n) }

// AtLeast asks for n rows or more.
func (s Step) AtLeast(n int64) Step {
	s.b.steps[s.at].least = n
	return s
}

// AtMost asks for n rows or fewer.
func (s Step) AtMost(n int64) Step {
	if n < 0 {
		s.b.mistake(argErrorf("batch: statement %d: %d rows were expected, and no statement has fewer than none", s.at+1, n))
	}
	s.b.steps[s.at].most = n
	return s
}

// Index is the statement's place in [BatchResult].Steps, from 0.
func (s Step) Index() int { return s.at }

// BatchResult is what a batch has done.
type BatchResult struct {
	// Steps holds one entry a statement, in the order of recording.
	Steps []StepResult
}

// StepResult is what one statement of a batch has done.
type StepResult struct {
	Result
	// Rows are the rows of a [Batch.Query]; empty for a [Batch.Exec].
	Rows KeptRows
}

// KeptRows are the rows of a query that has ended, in memory. They are read with [Collect] or by their values. Safe for concurrent
// use. The zero value has no rows.
type KeptRows struct {
	columns []string
	values  []sqlite.Value
	count   int
}

// Len is the number of rows.
func (k *KeptRows) Len() int { return k.count }

// Columns are the names of the columns. They must not be changed.
func (k *KeptRows) Columns() []string { return k.columns }

// Values are the values of row i, from 0: int64, float64, string, []byte or nil. There is no row outside 0 to Len-1: it is nil.
func (k *KeptRows) Values(i int) []any {
	if i < 0 || i >= k.count {
		return nil
	}
	row := k.row(i)
	out := make([]any, len(row))
	for j := range row {
		out[j] = row[j].Any()
	}
	return out
}

func (k *KeptRows) row(i int) []sqlite.Value {
	n := len(k.columns)
	return k.values[i*n : (i+1)*n]
}

// ExpectError says which statement of a batch touched another number of rows than was expected. It matches [ErrExpectation].
type ExpectError struct {
	// Statement is its place in the batch, from 1.
	Statement int
	// Query is the statement with literals replaced by ?.
	Query string
	// AtLeast and AtMost are the bounds that were asked for; AtMost is math.MaxInt64 where there was none.
	AtLeast, AtMost int64
	// Found is the number of rows that it touched or, for a query, returned.
	Found int64
}

// Error says what was expected and what was found.
func (e *ExpectError) Error() string {
	want := fmt.Sprintf("%d to %d rows", e.AtLeast, e.AtMost)
	switch {
	case e.AtLeast == e.AtMost:
		want = fmt.Sprintf("exactly %d", e.AtLeast)
	case e.AtMost == math.MaxInt64:
		want = fmt.Sprintf("at least %d", e.AtLeast)
	case e.AtLeast <= 0:
		want = fmt.Sprintf("at most %d", e.AtMost)
	}
	return fmt.Sprintf("engine: batch: statement %d: %s expected, %d found, and the batch was rolled back: what it builds on has changed, "+
		"read it again (in: %s)", e.Statement, want, e.Found, e.Query)
}

// Is matches ErrExpectation.
func (e *ExpectError) Is(target error) bool { return target == ErrExpectation }

// ErrorType is the value of the error.type attribute in spans.
func (e *ExpectError) ErrorType() string { return "expectation" }

// BatchError says which statement of a batch failed. It matches what its cause matches.
type BatchError struct {
	// Statement is its place in the batch, from 1.
	Statement int
	cause     error
}

// Error says which statement failed, and why.
func (e *BatchError) Error() string {
	return fmt.Sprintf("engine: batch: statement %d: %s", e.Statement, strings.TrimPrefix(e.cause.Error(), "engine: "))
}

// Unwrap returns the failure of the statement.
func (e *BatchError) Unwrap() error { return e.cause }

// Batch runs the recorded statements as one write transaction on the writer and returns when it is committed. Nothing of the batch
// is applied unless all of it is. [WriterConfig].Hold bounds the whole of it, [HoldFor] raises that; [Replayable] changes
// nothing, because a batch is.
//
// # Errors
//
// *[ExpectError] where a count was not the expected one; *[BatchError] names the statement that failed; otherwise see [DB.Update].
func (db *DB) Batch(ctx context.Context, b *Batch, opts ...Option) (*BatchResult, error) {
	o, err := gather(opts)
	if err == nil {
		err = b.ready()
	}
	if err != nil {
		return nil, err
	}
	if err := db.admit(ctx, "Batch", "tx.Batch"); err != nil {
		return nil, err
	}
	if b.Len() == 0 {
		return &BatchResult{}, context.Cause(ctx)
	}
	queries, err := b.describe(db)
	if err != nil {
		return nil, err
	}
	once, err := o.keyed(db, "batch", b.parts)
	if err != nil {
		return nil, err
	}
	if err := db.mayRunAll(queries); err != nil {
		return nil, err
	}
	ctx, cancel := o.bound(ctx)
	defer cancel()
	hold := db.cfg.Writer.Hold
	if o.hold > 0 {
		hold = o.hold
	}
	spanned, span := db.rec.StartTx(ctx, o.name, "batch")
	tx := &Tx{db: db, opts: o, span: span}
	spanned, tx.plugins = db.plugged(spanned)
	// The lane may still be at it when Do has given up waiting, so what a run has found is published at its end.
	var ended atomic.Pointer[batchRun]
	rep, err := db.write(spanned, once.prove(o.job(db)), nil, func(w *lane.Tx) error {
		run := &batchRun{batch: b, failed: -1}
		earlier, done, err := once.look(spanned, w)
		switch {
		case err != nil:
		case done:
			run.results = restored(earlier)
		default:
			if err = run.on(spanned, w, &lane.LeaseError{Holder: tx.name(), Limit: hold}); err == nil && once != nil {
				err = once.record(spanned, w, kept(run.results))
			}
		}
		ended.Store(run)
		return err
	})
	run := ended.Load()
	err = tx.told(spanned, queries, run, rep.Group, err)
	tx.report(rep, err)
	if err != nil {
		return nil, err
	}
	once.tell()
	return &BatchResult{run.results}, nil
}

// Batch runs the recorded statements inside the transaction: all of them, or none. After an error of the batch the transaction goes
// on without it, unless the error cost the transaction (see [Tx.Exec]), and the closure decides.
//
// # Errors
//
// See [DB.Batch]; [ErrReadOnly] in a View.
func (tx *Tx) Batch(ctx context.Context, b *Batch) (*BatchResult, error) {
	if err := b.ready(); err != nil {
		return nil, err
	}
	switch {
	case tx.over.Load():
		return nil, tx.ended()
	case tx.write == nil:
		return nil, &readOnlyError{"a View cannot run a batch: use Query for its queries, and Update for what writes"}
	case b.Len() == 0:
		return &BatchResult{}, context.Cause(ctx)
	}
	queries, err := b.describe(tx.db)
	if err != nil {
		return nil, err
	}
	if err := tx.db.mayRunAll(queries); err != nil {
		return nil, err
	}
	if _, err := tx.write.Exec(ctx, "SAVEPOINT "+batchSavepoint, nil); err != nil {
		tx.db.unprobed(queries)
		return nil, typed(err, "")
	}
	run := &batchRun{batch: b, failed: -1}
	err = run.on(ctx, tx.write, nil)
	if err != nil {
		// Where that fails the transaction is lost, and Update will say so.
		_, _ = tx.write.Exec(context.WithoutCancel(ctx), "ROLLBACK TO "+batchSavepoint, nil)
	}
	if _, e := tx.write.Exec(context.WithoutCancel(ctx), "RELEASE "+batchSavepoint, nil); err == nil {
		err = e
	}
	if err = tx.told(ctx, queries, run, 0, err); err != nil {
		return nil, err
	}
	return &BatchResult{run.results}, nil
}

// batchSavepoint is where a batch inside a transaction goes back to.
const batchSavepoint = "engine_batch"

// ready is what is wrong with a batch before it is run.
func (b *Batch) ready() error {
	if b == nil {
		return argErrorf("Batch: the batch is nil: make one with NewBatch")
	}
	if b.err != nil {
		return b.err
	}
	for i := range b.steps {
		if s := &b.steps[i]; s.least > s.most {
			return argErrorf("batch: statement %d: at least %d and at most %d rows are expected, which cannot be", i+1, s.least, s.most)
		}
	}
	return nil
}

// describe is what is said about each statement. It refuses those that could undo a part of the batch.
func (b *Batch) describe(db *DB) ([]*trace.Query, error) {
	queries := make([]*trace.Query, len(b.steps))
	for i := range b.steps {
		if sql := b.steps[i].sql; i > 0 && sql == b.steps[i-1].sql {
			queries[i] = queries[i-1]
		} else {
			queries[i] = db.queries.describe(sql)
		}
		word, _, _ := strings.Cut(queries[i].Text, " ")
		switch strings.ToUpper(word) {
		case "SAVEPOINT", "RELEASE", "ROLLBACK":
			err := &sqlite.Error{Class: sqlite.Auth, Op: "prepare", Msg: "a batch is all or nothing and takes no savepoints; use an Update for them"}
			return nil, &BatchError{Statement: i + 1, cause: typed(err, queries[i].Text)}
		}
	}
	return queries, nil
}

// batchRun is one run of a batch.
type batchRun struct {
	batch   *Batch
	results []StepResult
	traces  []stepTrace
	failed  int // the step at which it ended, from 0; -1: none
	err     error
	kept    int
}

// stepTrace is what a statement's span needs. Spans are made on the caller's goroutine: exporters are foreign code.
type stepTrace struct {
	began time.Time
	took  time.Duration
	did   lane.Result
}

// on runs the batch. limit, where not nil, is the error for a batch that takes longer than it says.
func (r *batchRun) on(ctx context.Context, w *lane.Tx, limit *lane.LeaseError) error {
	r.results = make([]StepResult, len(r.batch.steps))
	r.traces = make([]stepTrace, 0, len(r.batch.steps))
	at := time.Now()
	began := at
	for i := range r.batch.steps {
		if limit != nil && at.Sub(began) > limit.Limit {
			limit.Held = at.Sub(began)
			return limit
		}
		did, err := r.step(ctx, w, i)
		ended := time.Now()
		r.traces = append(r.traces, stepTrace{at, ended.Sub(at), did})
		if err != nil {
			r.failed, r.err = i, err
			return err
		}
		at = ended
	}
	return nil
}

// step runs one statement and checks what was expected of it.
func (r *batchRun) step(ctx context.Context, w *lane.Tx, i int) (did lane.Result, err error) {
	s, out := &r.batch.steps[i], &r.results[i]
	if s.keep {
		did, err = r.keep(ctx, w, s.sql, r.batch.arguments(i), &out.Rows)
	} else {
		did, err = w.Exec(ctx, s.sql, r.batch.arguments(i))
	}
	if err != nil {
		return did, err
	}
	out.Result = Result{did.RowsAffected, did.LastInsertID}
	found := did.RowsAffected
	if s.keep {
		found = did.Rows
	}
	if found < s.least || found > s.most {
		return did, &ExpectError{Statement: i + 1, AtLeast: s.least, AtMost: s.most, Found: found}
	}
	return did, nil
}

// keep runs a query and copies its rows.
func (r *batchRun) keep(ctx context.Context, w *lane.Tx, sql string, args []any, to *KeptRows) (lane.Result, error) {
	cur, err := w.Open(ctx, sql, args)
	if err != nil {
		return lane.Result{}, err
	}
	var text []byte
	for {
		more, err := cur.Next(ctx)
		if err != nil || !more {
			to.columns = cur.Columns()
			return cur.Finish(), err
		}
		if r.kept++; r.kept > maxKept {
			cur.Finish()
			return lane.Result{}, argErrorf("the queries of a batch returned more than %d rows: read so many with DB.Query, outside", maxKept)
		}
		for _, v := range cur.Row() {
			// When the array has to grow, what was copied before stays in the old one, which the values keep alive.
			if from := len(text); v.Bytes != nil {
				text = append(text, v.Bytes...)
				v.Bytes = text[from:len(text):len(text)]
			}
			to.values = append(to.values, v)
		}
		to.count++
	}
}

// told makes the spans of a batch's statements and gives its error the public form.
func (tx *Tx) told(ctx context.Context, queries []*trace.Query, run *batchRun, group uint64, err error) error {
	defer tx.db.unprobed(queries) // of those that were not reached
	if run == nil {
		return typed(err, "")
	}
	tx.count += len(run.traces)
	for i, t := range run.traces {
		st := trace.Statement{Query: queries[i], Start: t.began, Duration: t.took, Lane: sqlite.Writer.String(), Class: tx.opts.class.String(),
			Group: group, Tx: tx.span.Serial(), RowsReturned: t.did.Rows, RowsChanged: t.did.RowsAffected}
		st.Given.SQL, st.Given.Args, st.Given.Name = run.batch.steps[i].sql, run.batch.arguments(i), tx.opts.name
		c := t.did.Counters
		st.Work = trace.Work{VMSteps: c.VMSteps, FullScanSteps: c.FullScan, Sorts: c.Sorts, AutoIndexes: c.AutoIndex, Reprepares: c.Reprepare}
		if i == run.failed {
			tx.failed(run.err)
			tx.db.met(ctx, &st, run.err)
			st.Err = typed(run.err, queries[i].Text)
		} else {
			tx.db.met(ctx, &st, nil)
		}
		tx.db.rec.Statement(ctx, &st)
	}
	if err == nil || run.failed < 0 {
		return typed(err, "")
	}
	query := queries[run.failed].Text
	err = typed(err, query)
	var expect *ExpectError
	if errors.As(err, &expect) {
		shown := *expect
		shown.Query = query
		return &shown
	}
	var store *StoreError
	if errors.As(err, &store) || errors.Is(err, ErrArgs) {
		return &BatchError{Statement: run.failed + 1, cause: err}
	}
	return err
}
