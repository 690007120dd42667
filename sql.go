package engine

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqldb"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// SQL returns a [sql.DB] whose connections are sessions of this database, for programs and libraries that speak
// database/sql. Call it once and keep the result: like every sql.DB it has a goroutine until it is closed. Closing it
// leaves the engine open; after [DB.Close] its calls return [ErrClosed].
//
// A session holds nothing between two calls, so the sql.DB needs no limits. Queries run on the readers, and statements
// that write share commits, as those of [DB.Query] and [DB.Exec] do. A [sql.Tx] is one write transaction, which shares its
// commit too, and is rolled back with [ErrLeaseExpired] when it keeps the writer for longer than 5 s ([HoldFor]) or pauses
// for longer than 1 s ([IdleFor]); with sql.TxOptions{ReadOnly: true} it is one snapshot. Everybody else who writes waits
// for an open transaction: libraries that wrap their reads in BeginTx(ctx, nil) should use [ReadFirst].
//
// Errors match the sentinels of this package. The document "database/sql" lists what is refused and what differs.
//
// A call that must not be applied twice has its key in its context: [WithKey].
//
// SQL takes [ReadFirst], [IdleFor], [HoldFor], [WithClass], [WithDurability], [WithName] and [Tenant]. Another option, or a wrong
// value, is the error of every call.
func (db *DB) SQL(opts ...SQLOption) *sql.DB {
	var o sqlOptions
	for _, opt := range opts {
		if opt != nil {
			opt.sql(&o)
		}
	}
	job := o.call.job(db)
	pool := sql.OpenDB(sqldb.New(db.lanes, &sqlHost{db: db, opts: o.call}, sqldb.Options{Begin: o.begin, Hold: o.call.hold, Idle: o.idle,
		Class: o.call.class, Tenant: o.call.tenant, Relaxed: job.Relaxed, Name: o.call.name, Keys: sqlKeys{db}}, o.mistake()))
	pool.SetMaxIdleConns(sqlSessions)
	return pool
}

// sqlSessions is how many unused sessions a sql.DB keeps. They are a few words each; the default of 2 would prepare every
// statement anew all the time.
const sqlSessions = 1024

// SQLOption is an option of [DB.SQL].
type SQLOption interface{ sql(*sqlOptions) }

type sqlOptions struct {
	call  callOptions
	begin sqldb.Begin
	idle  time.Duration
	wrong error
}

// sql makes the options of calls that have a meaning for a sql.DB options of it.
func (f Option) sql(o *sqlOptions) { o.call.apply(f) }

type sqlOption func(*sqlOptions)

func (f sqlOption) sql(o *sqlOptions) { f(o) }

// ReadFirst lets a [sql.Tx] read from one snapshot until its first statement that writes. It takes the writer then, if what
// it has read is still so; otherwise the transaction is lost with [ErrNotApplied], and running it again is safe. Without it
// a transaction takes the writer when it begins, and so does one of level sql.LevelSerializable or above.
func ReadFirst() SQLOption {
	return sqlOption(func(o *sqlOptions) { o.begin = sqldb.ReadFirst })
}

// IdleFor is how long a [sql.Tx] may keep the writer between two statements; 1 s without it.
func IdleFor(d time.Duration) SQLOption {
	return sqlOption(func(o *sqlOptions) {
		if o.idle = d; d <= 0 {
			o.wrong = argErrorf("IdleFor: %v is not positive", d)
		}
	})
}

// mistake is what is wrong with the options.
func (o *sqlOptions) mistake() error {
	if err := o.call.mistake(); err != nil {
		return err
	}
	switch {
	case o.call.bounded:
		return argErrorf("WithTimeout has no meaning for SQL: give each call a context with a deadline")
	case o.call.replayable, o.call.runOnce:
		return argErrorf("Replayable and RunOnce have no meaning for SQL: use Update")
	case o.call.key != nil:
		return argErrorf("Key has no meaning for SQL, whose calls are many: give it to the context of one (WithKey)")
	}
	return o.wrong
}

// sqlHost connects the driver with the engine.
type sqlHost struct {
	db    *DB
	opts  callOptions
	spare sync.Pool // of *sqlStatement
}

// Admit implements sqldb.Host.
func (h *sqlHost) Admit(ctx context.Context, call string) error {
	h.db.guard.pacer.Call()
	return h.db.admit(ctx, "SQL."+call, "the Tx that you have")
}

// Arg implements sqldb.Host.
func (h *sqlHost) Arg(v any, ordinal int, name string) (any, error) {
	return plain(v, argument{at: ordinal, name: name})
}

// Time implements sqldb.Host.
func (h *sqlHost) Time(v *sqlite.Value) (time.Time, bool) { return toTime(v) }

// Translate implements sqldb.Host.
func (h *sqlHost) Translate(err error) error { return typed(err, "") }

// Statement implements sqldb.Host.
func (h *sqlHost) Statement(_ context.Context, sql string, write bool) sqldb.Statement {
	where := sqlite.Writer.String()
	if !write {
		where = laneOf(h.opts.class)
	}
	s, _ := h.spare.Get().(*sqlStatement)
	if s == nil {
		s = &sqlStatement{host: h}
	}
	h.db.begin(&s.st, sql, where, h.opts)
	return s
}

// sqlStatement is a record under way.
type sqlStatement struct {
	host *sqlHost
	st   trace.Statement
	runs retry.Runs
}

// Bound implements sqldb.Statement.
func (s *sqlStatement) Bound(args []any) { s.st.Given.Args = args }

// Allow implements sqldb.Statement.
func (s *sqlStatement) Allow() error { return s.host.db.mayRun(s.st.Query) }

// Again implements sqldb.Statement.
func (s *sqlStatement) Again(ctx context.Context, err error, want *lane.ReadOptions) bool {
	return s.host.db.readAgain(ctx, &s.runs, err, &s.st, want)
}

// End implements sqldb.Statement.
func (s *sqlStatement) End(ctx context.Context, o sqldb.Outcome) error {
	if o.Wrote {
		s.st.Lane = sqlite.Writer.String()
	}
	retries := s.st.Retries // of a read
	waited(&s.st, &o.Report, nil)
	s.st.Retries = max(s.st.Retries, retries)
	err := s.host.db.record(ctx, &s.st, o.Result, o.Err)
	s.st, s.runs = trace.Statement{}, retry.Runs{}
	s.host.spare.Put(s)
	return err
}

// Transaction implements sqldb.Host.
func (h *sqlHost) Transaction(ctx context.Context, readOnly bool) sqldb.Transaction {
	kind := "session"
	if readOnly {
		kind = "view"
	}
	t := &sqlTransaction{above: oteltrace.SpanContextFromContext(ctx)}
	ctx, t.span = h.db.rec.StartTx(ctx, h.opts.name, kind)
	t.own = oteltrace.SpanFromContext(ctx)
	return t
}

// sqlTransaction is the span of a transaction.
type sqlTransaction struct {
	span  trace.TxSpan
	above oteltrace.SpanContext // of the caller at BeginTx
	own   oteltrace.Span        // what statements nest under
}

// Context implements sqldb.Transaction. The context of a statement does not come from that of BeginTx, as it does in a
// closure. Where its span is the one of BeginTx the transaction belongs between the two; a span of the caller's own, begun
// since, stays the parent.
func (t *sqlTransaction) Context(ctx context.Context) context.Context {
	if !oteltrace.SpanContextFromContext(ctx).Equal(t.above) || t.own.SpanContext().Equal(t.above) {
		return ctx
	}
	return oteltrace.ContextWithSpan(ctx, t.own)
}

// End implements sqldb.Transaction.
func (t *sqlTransaction) End(o sqldb.TxOutcome) {
	outcome := "rolled_back"
	switch {
	case errors.Is(o.Err, ErrOutcomeUnknown):
		outcome = "unknown"
	case o.Committed:
		outcome = "committed"
	}
	rep := o.Report
	end(t.span, &rep, trace.TxEnd{Err: o.Err, Outcome: outcome, Statements: o.Statements})
}
