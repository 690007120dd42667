package engine

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// Stmt is a statement that was checked once, for those that are run all the time: what is said about it in spans, whether it writes
// and its options are known, so that a call does not look them up. It holds no connection and needs no Close; it stays good when
// the schema changes, as long as its SQL makes sense. [DB.Prepare] makes it. Safe for concurrent use.
//
// Mistakes show when the program starts rather than when it trades: that is what it is for. Compiled statements are kept by the
// connections in any case, so little time is saved: a twentieth of a call that writes and returns rows, which goes to the writer
// without asking a reader first, and next to nothing of the others (BenchmarkPrepare).
type Stmt struct {
	db     *DB
	sql    string
	about  *trace.Query
	writes bool
	opts   callOptions
}

// Prepare checks one statement: its syntax, the tables and columns that it names, whether it writes, and that it is allowed. The
// options are those of every call of the statement, which may change them by its own.
//
// # Errors
//
// [ErrSQL], [ErrForbidden], [ErrReadOnly] and [ErrNotAdopted] (it writes, and the database cannot be written), [ErrArgs] (a wrong
// option, or no statement in the text); those of a read: [ErrOverloaded], [ErrClosed], the context's error.
func (db *DB) Prepare(ctx context.Context, sql string, opts ...Option) (*Stmt, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	if err := db.admit(ctx, "Prepare", "tx.Query or tx.Exec, or prepare outside"); err != nil {
		return nil, err
	}
	s := &Stmt{db: db, sql: sql, about: db.queries.describe(sql), opts: o}
	ctx, cancel := o.bound(ctx)
	defer cancel()
	if err := alone(s.about); err != nil {
		return nil, typed(err, s.about.Text)
	}
	if s.writes, err = db.compile(ctx, o, sql); err != nil {
		return nil, typed(err, s.about.Text)
	}
	if s.writes {
		if err := db.whyReadOnly(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// compile has a reader compile a statement, which steps nothing, and reports whether it writes.
func (db *DB) compile(ctx context.Context, o callOptions, sql string) (writes bool, err error) {
	rd, err := db.lanes.Read(ctx, lane.ReadOptions{Class: o.class, Tenant: o.tenant, Name: o.name})
	if err != nil {
		return false, err
	}
	defer rd.Close()
	cur, err := rd.Open(ctx, sql, nil)
	var store *sqlite.Error
	switch {
	case errors.Is(err, lane.ErrWrites):
		return true, nil
	case errors.As(err, &store) && store.Class == sqlite.Args && store.Op == "bind":
		return false, nil // it is compiled, and wants arguments
	case err != nil:
		return false, err
	}
	return false, cur.Close()
}

// SQL is the text that the statement was made of.
func (s *Stmt) SQL() string { return s.sql }

// ReadOnly reports whether the statement only reads.
func (s *Stmt) ReadOnly() bool { return !s.writes }

// Query runs the statement as [DB.Query] does; one that writes goes to the writer at once.
func (s *Stmt) Query(ctx context.Context, args ...any) (*Rows, error) {
	rows := new(Rows)
	if err := s.query(ctx, rows, "", args); err != nil {
		return nil, err
	}
	return rows, nil
}

// QueryRow runs the statement, of which at most one row is wanted, as [DB.QueryRow] does.
func (s *Stmt) QueryRow(ctx context.Context, args ...any) *Row {
	row := new(Row)
	row.err = s.query(ctx, &row.rows, "", args)
	return row
}

// Exec runs the statement as [DB.Exec] does; one that only reads is read to its end on a reader.
func (s *Stmt) Exec(ctx context.Context, args ...any) (Result, error) {
	if !s.writes {
		var rows Rows
		if err := s.query(ctx, &rows, "", args); err != nil {
			return Result{}, err
		}
		return Result{}, drained(&rows)
	}
	opts, plain, err := s.split(args)
	if err != nil {
		return Result{}, err
	}
	if err := s.db.admit(ctx, "Exec", "Stmt.In(tx).Exec"); err != nil {
		return Result{}, err
	}
	ctx, cancel := opts.bound(ctx)
	defer cancel()
	ctx, plugins := s.db.plugged(ctx)
	var st trace.Statement
	s.begin(&st, sqlite.Writer.String(), opts)
	st.Given.Args = plain
	var res lane.Result
	rep, err := s.db.write(ctx, opts.job(s.db), s.about, func(tx *lane.Tx) error {
		var err error
		res, err = tx.Exec(ctx, s.sql, plain)
		return err
	})
	waited(&st, &rep, plugins)
	if err != nil {
		return Result{}, s.db.record(ctx, &st, lane.Result{}, err) // not res: the lane may still be at it when Do has given up waiting
	}
	return Result{res.RowsAffected, res.LastInsertID}, s.db.record(ctx, &st, res, nil)
}

// query makes a Stmt a Source.
func (s *Stmt) query(ctx context.Context, rows *Rows, sql string, args []any) error {
	if err := s.only(sql); err != nil {
		return err
	}
	opts, plain, err := s.split(args)
	if err != nil {
		return err
	}
	if err := s.db.admit(ctx, "Query", "Stmt.In(tx).Query"); err != nil {
		return err
	}
	rows.db = s.db
	rows.ctx, rows.cancel = opts.bound(ctx)
	rows.bound(plain)
	if s.writes {
		s.begin(&rows.st, sqlite.Writer.String(), opts)
		rows.cur, err = s.write(rows.ctx, plain, opts, &rows.st)
	} else {
		s.begin(&rows.st, laneOf(opts.class), opts)
		rows.cur, err = s.db.read(rows.ctx, s.sql, plain, opts, &rows.st)
	}
	if err != nil {
		err = s.db.record(rows.ctx, &rows.st, lane.Result{}, err)
		rows.cancel()
	}
	return err
}

// write runs a statement that writes and returns rows.
func (s *Stmt) write(ctx context.Context, args []any, opts callOptions, st *trace.Statement) (*lane.Cursor, error) {
	var written *lane.Cursor
	rep, err := s.db.write(ctx, opts.job(s.db), s.about, func(tx *lane.Tx) error {
		var err error
		written, err = tx.Open(ctx, s.sql, args)
		return err
	})
	waited(st, &rep, nil)
	if err != nil {
		return nil, err // as in Exec
	}
	return written, nil
}

// begin begins the record of one execution, with what is known already.
func (s *Stmt) begin(st *trace.Statement, lane string, opts callOptions) {
	st.Query, st.Start, st.Lane, st.Class = s.about, time.Now(), lane, opts.class.String()
	st.Given.SQL, st.Given.Name = s.sql, opts.name
}

// split tells options from arguments. Most calls have none, and those of the statement hold.
func (s *Stmt) split(args []any) (callOptions, []any, error) {
	for _, a := range args {
		if _, ok := a.(Option); ok {
			return optionsAmong(s.opts, args)
		}
	}
	plain, err := plainArgs(args)
	return s.opts, plain, err
}

// only refuses SQL beside the statement's own.
func (s *Stmt) only(sql string) error {
	if sql != "" && sql != s.sql {
		return argErrorf("a prepared statement brings its own SQL: pass \"\" for it")
	}
	return nil
}

// drained reads rows to their end.
func drained(rows *Rows) error {
	for rows.Next() {
	}
	return rows.Err()
}

// In is the statement inside a transaction. It costs nothing and is valid as long as tx is.
func (s *Stmt) In(tx *Tx) TxStmt { return TxStmt{s, tx} }

// TxStmt is a [Stmt] inside a transaction: see [Stmt.In]. Like its [Tx] it is not safe for concurrent use.
type TxStmt struct {
	s  *Stmt
	tx *Tx
}

// Query runs the statement as [Tx.Query] does.
func (t TxStmt) Query(ctx context.Context, args ...any) (*Rows, error) {
	rows := new(Rows)
	if err := t.query(ctx, rows, "", args); err != nil {
		return nil, err
	}
	return rows, nil
}

// QueryRow runs the statement as [Tx.QueryRow] does.
func (t TxStmt) QueryRow(ctx context.Context, args ...any) *Row {
	row := new(Row)
	row.err = t.query(ctx, &row.rows, "", args)
	return row
}

// Exec runs the statement as [Tx.Exec] does.
func (t TxStmt) Exec(ctx context.Context, args ...any) (Result, error) {
	if t.tx != nil && t.tx.write == nil {
		var rows Rows
		if err := t.query(ctx, &rows, "", args); err != nil {
			return Result{}, err
		}
		return Result{}, drained(&rows)
	}
	plain, err := t.enter(args)
	if err != nil {
		return Result{}, err
	}
	var st trace.Statement
	t.s.begin(&st, sqlite.Writer.String(), t.tx.opts)
	st.Tx, st.Given.Args = t.tx.span.Serial(), plain
	res, err := t.tx.write.Exec(ctx, t.s.sql, plain)
	return Result{res.RowsAffected, res.LastInsertID}, t.tx.db.record(ctx, &st, res, err)
}

// query makes a TxStmt a Source.
func (t TxStmt) query(ctx context.Context, rows *Rows, sql string, args []any) error {
	if err := t.s.only(sql); err != nil {
		return err
	}
	plain, err := t.enter(args)
	if err != nil {
		return err
	}
	where := sqlite.Writer.String()
	if t.tx.write == nil {
		where = laneOf(t.tx.opts.class)
	}
	rows.db, rows.ctx, rows.tx = t.tx.db, ctx, t.tx
	t.s.begin(&rows.st, where, t.tx.opts)
	rows.st.Tx = t.tx.span.Serial()
	rows.bound(plain)
	if rows.cur, err = t.tx.open(ctx, t.s.sql, plain); err != nil {
		return t.tx.db.record(ctx, &rows.st, lane.Result{}, err)
	}
	return nil
}

// enter begins a statement of the transaction.
func (t TxStmt) enter(args []any) ([]any, error) {
	plain, err := plainArgs(args)
	switch {
	case err != nil:
		return nil, err
	case t.tx == nil:
		return nil, argErrorf("Stmt.In was given a nil transaction")
	case t.tx.db != t.s.db:
		return nil, argErrorf("the statement was prepared on another database than that of the transaction")
	case t.tx.over.Load():
		return nil, t.tx.ended()
	}
	t.tx.count++
	return plain, nil
}
