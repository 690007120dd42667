package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/ledger"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// Result is what a statement that writes has done.
type Result struct {
	// RowsAffected counts the rows that the statement itself inserted, updated or deleted, triggers excluded.
	RowsAffected int64
	// LastInsertID is the row id of the last row inserted on the writer; meaningful after an INSERT only.
	LastInsertID int64
}

// Exec runs one statement as a transaction of its own and returns when it is committed. An [Option] among the arguments
// is an option of the call.
//
// # Errors
//
// See [DB.Update]; nothing was applied, except for [ErrOutcomeUnknown].
func (db *DB) Exec(ctx context.Context, sql string, args ...any) (Result, error) {
	opts, plain, err := splitArgs(args)
	if err != nil {
		return Result{}, err
	}
	if err := db.admit(ctx, "Exec", "tx.Exec"); err != nil {
		return Result{}, err
	}
	ctx, cancel := opts.bound(ctx)
	defer cancel()
	ctx, plugins := db.plugged(ctx)
	var st trace.Statement
	db.begin(&st, sql, sqlite.Writer.String(), opts)
	st.Given.Args = plain
	if err := alone(st.Query); err != nil {
		return Result{}, db.record(ctx, &st, lane.Result{}, err)
	}
	var res lane.Result
	once, err := opts.keyed(db, "exec", func() []any { return append([]any{sql}, plain...) })
	if err != nil {
		return Result{}, db.record(ctx, &st, lane.Result{}, err)
	}
	rep, err := db.write(ctx, once.prove(opts.job(db)), st.Query, func(tx *lane.Tx) error {
		earlier, done, err := once.look(ctx, tx)
		if err != nil {
			return err
		}
		if done {
			res = lane.Result{RowsAffected: earlier[0].RowsAffected, LastInsertID: earlier[0].LastInsertID}
			return nil
		}
		if res, err = tx.Exec(ctx, sql, plain); err != nil || once == nil {
			return err
		}
		return once.record(ctx, tx, []ledger.Step{{RowsAffected: res.RowsAffected, LastInsertID: res.LastInsertID}})
	})
	waited(&st, &rep, plugins)
	if err != nil {
		return Result{}, db.record(ctx, &st, lane.Result{}, err) // not res, which the lane may still be writing
	}
	once.tell()
	return Result{res.RowsAffected, res.LastInsertID}, db.record(ctx, &st, res, nil)
}

// Query runs one statement and returns its rows, from one snapshot. A statement that writes (INSERT … RETURNING) runs on
// the writer, and its rows are returned once it is committed. The caller closes the rows; [Rows.All] and reading to the
// end do so too. An [Option] among the arguments is an option of the call.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	rows := new(Rows)
	if err := db.query(ctx, rows, sql, args); err != nil {
		return nil, err
	}
	return rows, nil
}

// query is Query into rows of the caller's.
func (db *DB) query(ctx context.Context, rows *Rows, sql string, args []any) error {
	opts, plain, err := splitArgs(args)
	if err != nil {
		return err
	}
	if err := opts.keyless("Query"); err != nil {
		return err
	}
	if err := db.admit(ctx, "Query", "tx.Query"); err != nil {
		return err
	}
	rows.db = db
	rows.ctx, rows.cancel = opts.bound(ctx)
	db.begin(&rows.st, sql, laneOf(opts.class), opts)
	rows.bound(plain)
	rows.cur, err = db.read(rows.ctx, sql, plain, opts, &rows.st)
	if err != nil {
		err = db.record(rows.ctx, &rows.st, lane.Result{}, err)
		rows.cancel()
	}
	return err
}

func (db *DB) read(ctx context.Context, sql string, args []any, opts callOptions, st *trace.Statement) (*lane.Cursor, error) {
	if err := alone(st.Query); err != nil {
		return nil, err
	}
	cur, err := db.readOnce(ctx, sql, args, opts, st)
	if err == nil {
		st.QueueWait = cur.Queued()
		return cur, nil
	}
	if !errors.Is(err, lane.ErrWrites) {
		return nil, err
	}
	st.Lane = sqlite.Writer.String()
	var written *lane.Cursor
	rep, err := db.write(ctx, opts.job(db), nil, func(tx *lane.Tx) error {
		var err error
		written, err = tx.Open(ctx, sql, args)
		return err
	})
	waited(st, &rep, nil)
	if err != nil {
		return nil, err // not written, which the lane may still be writing
	}
	return written, nil
}

// QueryRow runs one statement of which at most one row is wanted. The error, [ErrNoRows] among them, comes with Scan.
func (db *DB) QueryRow(ctx context.Context, sql string, args ...any) *Row {
	row := new(Row)
	row.err = db.query(ctx, &row.rows, sql, args)
	return row
}

// alone refuses savepoints outside a transaction. SQLite takes SAVEPOINT for a statement that only reads, so it would run
// on a reader, open a transaction there, and leave it to the next callers with an old snapshot.
func alone(q *trace.Query) error {
	if len(q.Text) < 2 || (q.Text[1]|0x20 != 'a' && q.Text[1]|0x20 != 'e') || q.Text[0]|0x20 == 's' && q.Text[1]|0x20 == 'e' {
		return nil // neither sa… nor re…: most statements, at the price of a look
	}
	end := strings.IndexFunc(q.Text, func(r rune) bool { return !unicode.IsLetter(r) })
	switch strings.ToUpper(q.Text[:max(0, end)]) {
	case "SAVEPOINT", "RELEASE":
		return &sqlite.Error{Class: sqlite.Auth, Op: "prepare", Msg: "a savepoint outside a transaction is refused; use it inside an Update"}
	}
	return nil
}

// splitArgs tells options from arguments and makes the arguments plain, on the caller's goroutine: no foreign code may
// run on a lane.
func splitArgs(args []any) (callOptions, []any, error) {
	for _, a := range args {
		if _, ok := a.(Option); ok {
			return optionsAmong(callOptions{}, args)
		}
	}
	plain, err := plainArgs(args)
	return callOptions{}, plain, err
}

// optionsAmong adds the options among args to opts. It is apart because options are passed on by reference, which costs an
// allocation.
func optionsAmong(opts callOptions, args []any) (callOptions, []any, error) {
	rest := make([]any, 0, len(args))
	for _, a := range args {
		if o, ok := a.(Option); ok {
			opts.apply(o)
		} else {
			rest = append(rest, a)
		}
	}
	if err := opts.mistake(); err != nil {
		return opts, nil, err
	}
	plain, err := plainArgs(rest)
	return opts, plain, err
}

func gather(opts []Option) (o callOptions, err error) {
	for _, f := range opts {
		o.apply(f)
	}
	return o, o.mistake()
}

// apply lets a nil Option be, which is what a variable holds that nobody has set.
func (o *callOptions) apply(f Option) {
	if f != nil {
		f(o)
	}
}

// mistake is what is wrong with the options of a call.
func (o *callOptions) mistake() error {
	switch {
	case o.class > ClassMaintenance:
		return argErrorf("WithClass: there is no class %d: use one of the constants", o.class)
	case o.durability > Relaxed:
		return argErrorf("WithDurability: there is no durability %d: use Durable or Relaxed", o.durability)
	case o.hold < 0:
		return argErrorf("HoldFor: %v is negative", o.hold)
	}
	return o.keyMistake()
}

// bound applies the call's own time-out.
func (o *callOptions) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if !o.bounded {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, o.timeout)
}

// job translates the options for the writer.
func (o *callOptions) job(db *DB) lane.JobOptions {
	durability := db.cfg.Writer.Durability
	if o.chosen {
		durability = o.durability
	}
	return lane.JobOptions{Class: o.class, Tenant: o.tenant, Relaxed: durability == Relaxed, Name: o.name, Hold: o.hold, Replayable: o.replayable,
		RunOnce: o.runOnce}
}

func laneOf(c Class) string {
	switch c {
	case ClassAnalytics:
		return sqlite.Analytics.String()
	case ClassMaintenance:
		return sqlite.Maintenance.String()
	}
	return sqlite.Reader.String()
}

// begin begins the record of one execution, in place: a record that is passed on lives on the heap.
func (db *DB) begin(st *trace.Statement, sql, lane string, opts callOptions) {
	st.Query, st.Start, st.Lane, st.Class = db.queries.describe(sql), time.Now(), lane, opts.class.String()
	st.Given.SQL, st.Given.Name = sql, opts.name
}

// record ends it, and gives the error its public form.
func (db *DB) record(ctx context.Context, st *trace.Statement, res lane.Result, err error) error {
	db.met(ctx, st, err)
	err = typed(err, st.Query.Text)
	st.Duration = time.Since(st.Start)
	st.RowsReturned, st.RowsChanged, st.Err = res.Rows, res.RowsAffected, err
	c := res.Counters
	w := &st.Work
	w.VMSteps, w.FullScanSteps, w.Sorts, w.AutoIndexes, w.Reprepares = c.VMSteps, c.FullScan, c.Sorts, c.AutoIndex, c.Reprepare
	db.rec.Statement(ctx, st)
	return err
}

// queryCache remembers what is said about a statement's SQL, so that it is read once.
type queryCache struct {
	mu sync.RWMutex
	m  map[string]*trace.Query
}

// maxQueries bounds the cache; programs that build SQL from literals would fill it for ever.
const maxQueries = 4096

func (c *queryCache) describe(sql string) *trace.Query {
	c.mu.RLock()
	q := c.m[sql]
	c.mu.RUnlock()
	if q != nil {
		return q
	}
	q = trace.Describe(sql)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxQueries {
		c.m = make(map[string]*trace.Query)
	}
	c.m[sql] = q
	return q
}
