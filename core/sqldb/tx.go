package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/tidegate/engine/core/lane"
)

// tx is a transaction of a session: on a reader, on the writer, or first on the one and then on the other.
type tx struct {
	conn     *conn
	ctx      context.Context // of BeginTx
	readOnly bool
	rec      Transaction
	read     *lane.Reader
	write    *lane.Tx
	reads    readLog // what it has read, while it may still become one that writes
	count    int
	free     context.CancelFunc // of the context under which it waited for the writer
	dead     error              // why nothing more can succeed, where the lane does not know
	once     Once               // nil: it is no matter how often it is applied
}

// Begin implements [driver.Conn].
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx implements [driver.ConnBeginTx]. Every level of isolation is as good as serialisable here: transactions that write run one
// after the other, and one that reads has a snapshot. Those that ask for it by name get the writer at once.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	level := sql.IsolationLevel(opts.Isolation)
	if level < sql.LevelDefault || level > sql.LevelLinearizable {
		return nil, c.host.Translate(isolationError(int(opts.Isolation)))
	}
	if c.tx != nil {
		return nil, c.host.Translate(nestedError(c.opt.Name))
	}
	if err := c.host.Admit(ctx, "BeginTx"); err != nil {
		return nil, err
	}
	t := &tx{conn: c, readOnly: opts.ReadOnly, rec: c.host.Transaction(ctx, opts.ReadOnly)}
	t.ctx = t.rec.Context(ctx)
	err := t.begun(ctx)
	// What is to be applied once is looked for by the writer, ahead of its first statement.
	if err == nil && !opts.ReadOnly && (c.opt.Begin == Immediate || level >= sql.LevelSerializable || t.once != nil) {
		if t.write, err = t.lease(t.ctx); err == nil {
			err = t.leased(t.ctx)
		}
	}
	if err != nil {
		err = c.host.Translate(err)
		t.rec.End(TxOutcome{Err: err})
		return nil, err
	}
	c.tx = t
	return t, nil
}

// lease takes the writer. It waits until it is t's turn, or ctx is done.
func (t *tx) lease(ctx context.Context) (*lane.Tx, error) {
	opt := t.conn.job()
	opt.Hold, opt.Idle = t.conn.opt.Hold, t.conn.opt.Idle
	if t.once != nil {
		opt = t.once.Prove(opt)
	}
	return t.conn.lanes.Begin(ctx, opt)
}

// Commit implements [driver.Tx]: it waits until the group of the transaction is durable.
func (t *tx) Commit() error {
	var rep lane.Report
	err := t.dead
	if t.write != nil && err == nil {
		if t.once != nil {
			err = t.once.Record(t.ctx, t.write, lane.Result{})
		}
		if err == nil {
			rep, err = t.write.Commit(t.ctx)
		} else {
			_, _ = t.write.Rollback() // the first error says more
		}
	}
	if t.once != nil && err == nil {
		t.once.Tell()
	}
	return t.end(rep, true, err)
}

// Rollback implements [driver.Tx]. What the lane has rolled back already needs no second word.
func (t *tx) Rollback() error {
	var rep lane.Report
	if t.write != nil {
		rep, _ = t.write.Rollback()
	}
	return t.end(rep, false, nil)
}

func (t *tx) end(rep lane.Report, commit bool, err error) error {
	if t.read != nil {
		t.read.Close()
		t.read = nil
	}
	if t.free != nil {
		t.free()
	}
	err = t.conn.host.Translate(err)
	t.rec.End(TxOutcome{Report: rep, Statements: t.count, Committed: commit && err == nil, Err: err})
	t.conn.tx = nil
	return err
}

func (t *tx) exec(ctx context.Context, text *text, args []any) (driver.Result, error) {
	if text.verb == verbNone {
		return result{text: text}, nil
	}
	if text.script == nil {
		done, err := t.execOne(ctx, text, args)
		if err != nil {
			return nil, err
		}
		return result{done, text}, nil
	}
	sum := result{text: text}
	for i := range text.script {
		one := &text.script[i]
		done, err := t.execOne(ctx, one, nil)
		if err != nil {
			return nil, err
		}
		sum.add(done, one)
	}
	return sum, nil
}

func (t *tx) execOne(ctx context.Context, text *text, args []any) (lane.Result, error) {
	t.count++
	ctx = t.rec.Context(ctx)
	st := t.conn.host.Statement(ctx, text.sql, !t.readOnly)
	st.Bound(args)
	o := Outcome{Wrote: !t.readOnly, Err: t.dead}
	if o.Err == nil {
		o.Err = t.named(ctx)
	}
	if o.Err == nil {
		o.Err = st.Allow()
	}
	switch {
	case o.Err != nil:
	case t.readOnly:
		o.Result, o.Err = t.drain(ctx, st, text, args)
	default:
		if o.Err = t.turn(ctx); o.Err == nil {
			o.Result, o.Err = t.write.Exec(ctx, text.sql, args)
			o.Result = text.own(o.Result)
		}
	}
	return o.Result, st.End(ctx, o)
}

// drain runs a statement on the snapshot to its end.
func (t *tx) drain(ctx context.Context, st Statement, text *text, args []any) (lane.Result, error) {
	cur, err := t.onSnapshot(ctx, st, text, args)
	if err != nil {
		return lane.Result{}, err
	}
	for ok := true; ok && err == nil; {
		ok, err = cur.Next(ctx)
	}
	return cur.Finish(), err
}

// onSnapshot opens a statement on the transaction's reader, which it takes with the first. While that has given nothing, it may be run
// again on another.
func (t *tx) onSnapshot(ctx context.Context, st Statement, text *text, args []any) (*lane.Cursor, error) {
	if t.read != nil {
		return t.openRead(ctx, text, args)
	}
	want := t.conn.read()
	want.Snapshot = true
	for {
		var cur *lane.Cursor
		rd, err := t.conn.lanes.Read(ctx, want)
		if err == nil {
			t.read = rd
			cur, err = t.openRead(ctx, text, args)
		}
		if err == nil || !st.Again(ctx, err, &want) {
			return cur, err
		}
		if t.read != nil {
			t.read.Close()
			t.read = nil
		}
	}
}

func (t *tx) openRead(ctx context.Context, text *text, args []any) (*lane.Cursor, error) {
	cur, err := t.read.Open(ctx, text.sql, args)
	if errors.Is(err, lane.ErrWrites) && t.readOnly {
		err = readOnlyError{}
	}
	return cur, err
}

func (t *tx) query(ctx context.Context, text *text, args []any) (driver.Rows, error) {
	t.count++
	ctx = t.rec.Context(ctx)
	r := t.conn.reading(ctx, t.conn.host.Statement(ctx, text.sql, t.write != nil))
	r.st.Bound(args)
	r.out.Wrote = t.write != nil
	out, err := r.started(t.open(ctx, text, args, r))
	if err != nil {
		return nil, err
	}
	if r.log != nil {
		t.reads.open = append(t.reads.open, out)
	}
	return out, nil
}

func (t *tx) open(ctx context.Context, text *text, args []any, r *reading) (err error) {
	if t.dead != nil {
		return t.dead
	}
	if err := t.named(ctx); err != nil {
		return err
	}
	if err := r.st.Allow(); err != nil {
		return err
	}
	if t.write == nil && (t.readOnly || text.verb != verbSavepoint) { // a savepoint must be where the writes will be
		r.cur, err = t.onSnapshot(ctx, r.st, text, args)
		if err == nil && !t.readOnly {
			r.log = t.reads.begin(text.sql, args)
		}
		if t.readOnly || !errors.Is(err, lane.ErrWrites) {
			return err
		}
	}
	r.out.Wrote = true
	if err = t.turn(ctx); err == nil {
		r.cur, err = t.write.Open(ctx, text.sql, args)
	}
	return err
}

// turn gets the writer for a transaction that has only read so far. What it has read must be what it would read now: then it is as if it
// had been on the writer from the start. The reads are run again on the writer to see that, because nothing less tells a state that
// differs in these rows from one that differs elsewhere.
func (t *tx) turn(ctx context.Context) error {
	if t.write != nil {
		return nil
	}
	if err := t.reads.keep(); err != nil {
		return err
	}
	w, err := t.leaseWithin(ctx)
	if err != nil {
		return err // it still has its snapshot, and may try again
	}
	same, err := t.reads.same(ctx, w)
	if err == nil && !same {
		err = &StaleError{Name: t.conn.opt.Name, Reads: len(t.reads.entries)}
	}
	if t.read != nil {
		t.read.Close()
		t.read = nil
	}
	if err != nil {
		_, _ = w.Rollback() // it has written nothing
		t.dead = err
		return err
	}
	t.write, t.reads = w, readLog{}
	return nil
}

// leaseWithin waits no longer than the statement that wants the writer, whose context ends long before the transaction does.
func (t *tx) leaseWithin(ctx context.Context) (*lane.Tx, error) {
	both, cancel := context.WithCancelCause(t.ctx)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer stop()
	w, err := t.lease(both)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	t.free = func() { cancel(nil) }
	return w, nil
}
