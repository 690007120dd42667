package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// conn is a session. database/sql uses it from one goroutine at a time.
type conn struct {
	*Connector
	tx *tx // the open transaction
}

var (
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
)

// Close implements [driver.Conn].
func (c *conn) Close() error {
	if c.tx != nil {
		return c.tx.Rollback()
	}
	return nil
}

// ResetSession implements [driver.SessionResetter]. There is no state to reset but a transaction that was left open.
func (c *conn) ResetSession(context.Context) error { return c.Close() }

// IsValid implements [driver.Validator]: what can break is a connection of a lane, and the lanes replace those.
func (c *conn) IsValid() bool { return true }

// Ping implements [driver.Pinger]: it reads from the database.
func (c *conn) Ping(ctx context.Context) error {
	if err := c.host.Admit(ctx, "Ping"); err != nil {
		return err
	}
	cur, err := c.lanes.Query(ctx, c.read(), "SELECT 1", nil)
	if err != nil {
		return c.host.Translate(err)
	}
	return cur.Close()
}

// CheckNamedValue implements [driver.NamedValueChecker].
func (c *conn) CheckNamedValue(v *driver.NamedValue) (err error) {
	switch v.Value.(type) {
	case nil, int64, int, string, float64, bool, time.Time:
		return nil
	}
	v.Value, err = c.host.Arg(v.Value, v.Ordinal, v.Name)
	return err
}

// values puts arguments into the form that the lanes take.
func values(args []driver.NamedValue) []any {
	if len(args) == 0 {
		return nil
	}
	return valuesIn(make([]any, 0, len(args)), args)
}

// valuesIn is values into memory of the caller's.
func valuesIn(out []any, args []driver.NamedValue) []any {
	for i := range args {
		v := args[i].Value
		if args[i].Name != "" {
			v = sql.Named(args[i].Name, v)
		}
		out = append(out, v)
	}
	return out
}

// Prepare implements [driver.Conn].
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext implements [driver.ConnPrepareContext]. The lanes keep statements compiled, so a prepared statement is its text; it is
// compiled once here all the same, for the sake of its mistakes. Inside a transaction they show at the first execution: only the writer
// knows the tables that were made in it, and it is not to be troubled twice.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if t := c.known.get(query); t != nil {
		return &stmt{c, t}, nil
	}
	t := readText(query)
	if c.tx != nil {
		return &stmt{c, t}, nil
	}
	if err := c.host.Admit(ctx, "Prepare"); err != nil {
		return nil, err
	}
	if err := c.compile(ctx, t); err != nil {
		return nil, c.host.Translate(err)
	}
	c.known.put(t)
	return &stmt{c, t}, nil
}

// compile lets a reader compile the statement, by way of EXPLAIN, which runs nothing of it.
func (c *conn) compile(ctx context.Context, t *text) error {
	if t.verb == verbSavepoint {
		return savepointError()
	}
	sql := t.sql
	if word, at := nextWord(sql, 0); !strings.EqualFold(word, "EXPLAIN") {
		sql = "EXPLAIN " + sql[at:]
	}
	cur, err := c.lanes.Query(ctx, c.read(), sql, nil)
	if err == nil {
		cur.Finish()
		return nil
	}
	var store *sqlite.Error
	if errors.Is(err, lane.ErrWrites) || errors.As(err, &store) && store.Op == "bind" {
		return nil // it writes, or has parameters: it is a statement
	}
	return err
}

// ExecContext implements [driver.ExecerContext].
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.exec(ctx, readText(query), args)
}

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(ctx, readText(query), args)
}

func (c *conn) exec(ctx context.Context, t *text, args []driver.NamedValue) (driver.Result, error) {
	if t.script != nil && len(args) > 0 {
		return nil, c.host.Translate(scriptArgsError())
	}
	if c.tx != nil {
		return c.tx.exec(ctx, t, values(args))
	}
	if err := c.host.Admit(ctx, "Exec"); err != nil {
		return nil, err
	}
	switch {
	case t.verb == verbNone:
		return result{text: t}, nil
	case t.script != nil:
		return c.execScript(ctx, t)
	}
	return c.execOne(ctx, t, values(args))
}

// execOne runs a statement as a transaction of its own.
func (c *conn) execOne(ctx context.Context, t *text, args []any) (driver.Result, error) {
	st := c.host.Statement(ctx, t.sql, true)
	st.Bound(args)
	if t.verb == verbSavepoint {
		return nil, st.End(ctx, Outcome{Err: savepointError()})
	}
	if err := st.Allow(); err != nil {
		return nil, st.End(ctx, Outcome{Err: err})
	}
	once, err := c.once(ctx, "exec", execText(t.sql, args))
	if err != nil {
		return nil, st.End(ctx, Outcome{Err: err})
	}
	var done lane.Result
	rep, err := c.lanes.Do(ctx, once.Prove(c.job()), func(w *lane.Tx) (err error) {
		var earlier bool
		if done, earlier, err = once.Look(ctx, w); err != nil || earlier {
			return err
		}
		if done, err = w.Exec(ctx, t.sql, args); err != nil {
			return err
		}
		done = t.own(done)
		return once.Record(ctx, w, done)
	})
	o := Outcome{Report: rep, Wrote: true, Err: err}
	if err == nil { // else the lane may still be at it, where the caller's patience ended first
		o.Result = done
		once.Tell()
	}
	if err := st.End(ctx, o); err != nil {
		return nil, err
	}
	return result{o.Result, t}, nil
}

// scriptHold is the hold of a script outside a transaction: no client pauses in it, and each of its statements has a limit of its own.
const scriptHold = 10 * time.Minute

// execScript runs several statements as one transaction.
func (c *conn) execScript(ctx context.Context, t *text) (driver.Result, error) {
	rec := c.host.Transaction(ctx, false)
	inner := rec.Context(ctx)
	opt := c.job()
	opt.Hold, opt.Replayable = scriptHold, true
	var sum result
	count := 0
	once, err := c.once(ctx, "exec", execText(t.sql, nil))
	if err != nil {
		err = c.host.Translate(err)
		rec.End(TxOutcome{Err: err})
		return nil, err
	}
	rep, err := c.lanes.Update(inner, once.Prove(opt), func(w *lane.Tx) error {
		sum, count = result{text: t}, 0
		if res, earlier, err := once.Look(inner, w); err != nil || earlier {
			sum.done = res
			return err
		}
		for i := range t.script {
			one := &t.script[i]
			st := c.host.Statement(inner, one.sql, true)
			var res lane.Result
			err := st.Allow()
			if err == nil {
				res, err = w.Exec(inner, one.sql, nil)
				res = one.own(res)
			}
			count++
			if err := st.End(inner, Outcome{Result: res, Wrote: true, Err: err}); err != nil {
				return err
			}
			sum.add(res, one)
		}
		return once.Record(inner, w, sum.done)
	})
	if err == nil {
		once.Tell()
	}
	err = c.host.Translate(err)
	rec.End(TxOutcome{Report: rep, Statements: count, Committed: err == nil, Err: err})
	if err != nil {
		return nil, err
	}
	return sum, nil
}

func (c *conn) query(ctx context.Context, t *text, args []driver.NamedValue) (driver.Rows, error) {
	if c.tx != nil {
		return c.tx.query(ctx, t, values(args))
	}
	if err := c.host.Admit(ctx, "Query"); err != nil {
		return nil, err
	}
	r := c.reading(ctx, c.host.Statement(ctx, t.sql, false))
	given := valuesIn(r.room[:0], args)
	r.st.Bound(given)
	return r.started(c.open(ctx, t, given, r))
}

// open starts a statement outside a transaction. One that writes runs on the writer, and its rows come once it is committed.
func (c *conn) open(ctx context.Context, t *text, args []any, r *reading) (err error) {
	if t.verb == verbSavepoint {
		return savepointError()
	}
	if err := r.st.Allow(); err != nil {
		return err
	}
	r.cur, err = c.lanes.Query(ctx, c.read(), t.sql, args)
	if err != nil && !errors.Is(err, lane.ErrWrites) {
		r.cur, err = c.openAgain(ctx, t, args, r.st, c.read(), err)
	}
	if err == nil {
		r.out.Report.Queue = r.cur.Queued()
		return nil
	}
	if !errors.Is(err, lane.ErrWrites) {
		return err
	}
	if err := c.keyless(ctx, "a query that writes (RETURNING): its rows are not kept"); err != nil {
		return err
	}
	r.out.Wrote = true
	args = slices.Clone(args) // the lane may still be at it, where the caller's patience ends first
	var cur *lane.Cursor
	r.out.Report, err = c.lanes.Do(ctx, c.job(), func(w *lane.Tx) (err error) {
		cur, err = w.Open(ctx, t.sql, args)
		return err
	})
	if err == nil {
		r.cur = cur
	}
	return err
}

// openAgain runs a read that failed once more, as long as its record says so.
func (c *conn) openAgain(ctx context.Context, t *text, args []any, st Statement, want lane.ReadOptions, err error) (*lane.Cursor, error) {
	for st.Again(ctx, err, &want) {
		var cur *lane.Cursor
		if cur, err = c.lanes.Query(ctx, want, t.sql, args); err == nil || errors.Is(err, lane.ErrWrites) {
			return cur, err
		}
	}
	return nil, err
}
