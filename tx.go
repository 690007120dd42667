package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// Tx is a transaction: a write transaction inside [DB.Update], one snapshot inside [DB.View]. It is valid until the
// closure returns and is not safe for concurrent use.
type Tx struct {
	db       *DB
	write    *lane.Tx     // of an Update
	read     *lane.Reader // of a View
	opts     callOptions
	span     trace.TxSpan
	mu       sync.Mutex // guards onCommit
	onCommit []func()
	count    int         // statements
	over     atomic.Bool // its closure has returned
	fault    error       // the first failure of the store in this run
	plugins  *pluginTime // nil: there are no rules
}

// Exec runs one statement that returns no rows (rows of a RETURNING clause are discarded).
//
// # Errors
//
// A constraint violation undoes that statement alone; the transaction goes on, and the closure decides. After an error
// that cost the transaction (disk full, I/O, a statement that ends it, an expired lease) every later call returns that
// same error, and so does Update, whatever the closure returns.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) (Result, error) {
	return tx.exec(ctx, sql, args)
}

// Query runs one statement and returns its rows. The caller closes them; the end of the transaction does so too.
func (tx *Tx) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	rows := new(Rows)
	if err := tx.query(ctx, rows, sql, args); err != nil {
		return nil, err
	}
	return rows, nil
}

// QueryRow runs one statement of which at most one row is wanted. The error, [ErrNoRows] among them, comes with Scan.
func (tx *Tx) QueryRow(ctx context.Context, sql string, args ...any) *Row {
	row := new(Row)
	row.err = tx.query(ctx, &row.rows, sql, args)
	return row
}

// OnCommit registers f to be called after the transaction was committed, on the goroutine that called Update, in the
// order of registration. It is not called after a rollback.
func (tx *Tx) OnCommit(f func()) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.onCommit = append(tx.onCommit, f)
}

// ReadOnly reports whether this is a View.
func (tx *Tx) ReadOnly() bool { return tx.write == nil }

func (tx *Tx) exec(ctx context.Context, sql string, args []any) (Result, error) {
	plain, err := plainArgs(args)
	if err != nil {
		return Result{}, err
	}
	if tx.write == nil {
		return Result{}, tx.drain(ctx, sql, args)
	}
	if tx.over.Load() {
		return Result{}, tx.ended()
	}
	tx.count++
	var st trace.Statement
	tx.db.begin(&st, sql, sqlite.Writer.String(), tx.opts)
	st.Tx = tx.span.Serial()
	st.Given.Args = plain
	if err := tx.db.mayRun(st.Query); err != nil {
		return Result{}, tx.db.record(ctx, &st, lane.Result{}, err)
	}
	res, err := tx.write.Exec(ctx, sql, plain)
	tx.failed(err)
	return Result{res.RowsAffected, res.LastInsertID}, tx.db.record(ctx, &st, res, err)
}

// drain is Exec inside a View: it reads the rows to their end.
func (tx *Tx) drain(ctx context.Context, sql string, args []any) error {
	var rows Rows
	if err := tx.query(ctx, &rows, sql, args); err != nil {
		return err
	}
	for rows.Next() {
	}
	return rows.Err()
}

func (tx *Tx) query(ctx context.Context, rows *Rows, sql string, args []any) error {
	plain, err := plainArgs(args)
	if err != nil {
		return err
	}
	if tx.over.Load() {
		return tx.ended()
	}
	tx.count++
	where := sqlite.Writer.String()
	if tx.write == nil {
		where = laneOf(tx.opts.class)
	}
	rows.db, rows.ctx, rows.tx = tx.db, ctx, tx
	tx.db.begin(&rows.st, sql, where, tx.opts)
	rows.st.Tx = tx.span.Serial()
	rows.bound(plain)
	if err = tx.db.mayRun(rows.st.Query); err == nil {
		rows.cur, err = tx.open(ctx, sql, plain)
	}
	if err != nil {
		tx.failed(err)
		return tx.db.record(ctx, &rows.st, lane.Result{}, err)
	}
	return nil
}

func (tx *Tx) open(ctx context.Context, sql string, args []any) (*lane.Cursor, error) {
	if tx.write != nil {
		return tx.write.Open(ctx, sql, args)
	}
	cur, err := tx.read.Open(ctx, sql, args)
	if errors.Is(err, lane.ErrWrites) {
		return nil, &readOnlyError{"a View cannot write: use Update for this statement"}
	}
	return cur, err
}

// ended is what a use of tx gets after its end.
func (tx *Tx) ended() error { return &lane.UseError{Name: tx.name(), What: "used after its end"} }

func (tx *Tx) name() string {
	if tx.opts.name == "" {
		return "unnamed"
	}
	return tx.opts.name
}

// txKey is the context key under which a closure's transaction on db is found. Transactions of several databases may be
// nested; only those of one and the same would wait for each other.
type txKey struct{ db *DB }

// admit refuses a call after Shutdown, and one that would wait for the very transaction in whose closure it is made, or
// would not see what that transaction has written.
func (db *DB) admit(ctx context.Context, call, instead string) error {
	if db.over.Load() {
		return ErrClosed
	}
	tx, ok := ctx.Value(txKey{db}).(*Tx)
	if !ok || tx.write == nil || tx.over.Load() {
		return nil
	}
	return &reentrantError{name: tx.name(), call: "DB." + call, instead: instead}
}

// Update runs fn as one write transaction on this goroutine: it commits when fn returns nil and rolls back when fn returns
// an error, panics (the panic goes on) or calls runtime.Goexit. When Update returns nil the commit has the durability
// that was asked for. fn must use the context that it is given, must not keep tx, and should be short: everybody else
// who writes is waiting.
//
// # Errors
//
// fn's own error as it is. Otherwise nothing was applied and the error says why: [ErrOverloaded], [ErrLeaseExpired],
// [ErrNotApplied], [ErrConstraint] (a deferred foreign key at the end), [ErrFull], [ErrIO], [ErrBusy], [ErrReadOnly],
// [ErrNotAdopted], [ErrReentrant], [ErrClosed], the context's error; except for [ErrOutcomeUnknown].
// An error that cost the transaction is returned even when fn returns nil.
func (db *DB) Update(ctx context.Context, fn func(ctx context.Context, tx *Tx) error, opts ...Option) error {
	o, err := gather(opts)
	if err != nil {
		return err
	}
	if err := db.admit(ctx, "Update", "the Tx that you have"); err != nil {
		return err
	}
	once, err := o.keyed(db, "update", nil)
	if err != nil {
		return err
	}
	ctx, cancel := o.bound(ctx)
	defer cancel()
	spanned, span := db.rec.StartTx(ctx, o.name, "update")
	tx := &Tx{db: db, opts: o, span: span}
	spanned, tx.plugins = db.plugged(spanned)
	inner := context.WithValue(spanned, txKey{db}, tx)
	rep, runs := lane.Report{}, 0
	err = errPanicked
	defer func() { // on panic and Goexit too
		tx.report(rep, err)
	}()
	db.guard.pacer.Call()
	rep, err = db.lanes.Update(spanned, once.prove(o.job(db)), func(w *lane.Tx) error {
		tx.write, tx.count, tx.onCommit, tx.fault = w, 0, nil, nil
		if runs++; runs > 1 {
			retried(span, runs-1)
		}
		if _, done, err := once.look(spanned, w); err != nil || done {
			return err
		}
		if err := tx.run(inner, fn); err != nil {
			return err
		}
		return once.record(context.WithoutCancel(spanned), w, nil)
	})
	if err = typed(err, ""); err != nil {
		return err
	}
	once.tell()
	for _, f := range tx.onCommit {
		f()
	}
	return nil
}

// run runs the closure of an Update.
func (tx *Tx) run(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	tx.over.Store(false)
	defer tx.over.Store(true)
	return fn(ctx, tx)
}

// errPanicked is the outcome of a closure that did not return.
var errPanicked = errors.New("the closure panicked or called Goexit")

// report closes the transaction's span.
func (tx *Tx) report(rep lane.Report, err error) {
	e := trace.TxEnd{Err: err, Outcome: outcomeName(err), Statements: tx.count}
	e.PluginCalls, e.PluginTime = tx.plugins.sum()
	end(tx.span, &rep, e)
}

// View runs fn on one snapshot of the database: every statement in it sees the same state, whatever is committed
// meanwhile. The snapshot begins with the first statement. [ClassAnalytics] runs it on the analytics lane.
//
// # Errors
//
// fn's own error as it is; [ErrOverloaded], [ErrSnapshotExpired], [ErrReentrant], [ErrClosed], the context's error.
func (db *DB) View(ctx context.Context, fn func(ctx context.Context, tx *Tx) error, opts ...Option) (err error) {
	o, err := gather(opts)
	if err == nil {
		err = o.keyless("View")
	}
	if err != nil {
		return err
	}
	if err := db.admit(ctx, "View", "the Tx that you have"); err != nil {
		return err
	}
	ctx, cancel := o.bound(ctx)
	defer cancel()
	spanned, span := db.rec.StartTx(ctx, o.name, "view")
	tx := &Tx{db: db, opts: o, span: span}
	var rep lane.Report
	err = errPanicked
	defer func() { tx.report(rep, err) }()
	db.guard.pacer.Call()
	var runs retry.Runs
	for {
		var ran bool
		ran, err = tx.onSnapshot(spanned, &rep, runs.Again > 0, fn)
		if err != nil && !ran {
			db.note(spanned, err, retry.Read, nil)
		}
		if !tx.rerun(ctx, &runs, err, ran) {
			break
		}
	}
	rep.Runs = 1 + runs.Again
	return err
}

// onSnapshot runs a View's closure once. ran says whether it was.
func (tx *Tx) onSnapshot(ctx context.Context, rep *lane.Report, fresh bool, fn func(context.Context, *Tx) error) (ran bool, err error) {
	db, o := tx.db, tx.opts
	rd, err := db.lanes.Read(ctx, lane.ReadOptions{Class: o.class, Tenant: o.tenant, Name: o.name, Snapshot: true, Fresh: fresh})
	if err != nil {
		return false, typed(err, "")
	}
	defer rd.Close()
	defer tx.over.Store(true)
	tx.over.Store(false)
	tx.count, tx.fault = 0, nil
	rep.Queue, tx.read = rd.Queued(), rd
	return true, fn(context.WithValue(ctx, txKey{db}, tx), tx)
}
