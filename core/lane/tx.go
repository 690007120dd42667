package lane

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// Result is what a statement did.
type Result struct {
	RowsAffected int64
	LastInsertID int64
	Rows         int64 // rows it returned
	Counters     sqlite.Counters
}

// Tx is one caller's transaction on the writer, inside a savepoint of the group's transaction. One goroutine at a time
// may use it.
type Tx struct {
	times
	shift   *shift
	job     *job
	conn    *sqlite.Conn
	turn    turn
	back    chan verdict
	dead    error   // why nothing more can succeed
	journal journal // what it did so far
	alone   bool
	cursors int // open ones
	guarded
	id       uint64
	current  atomic.Pointer[sqlite.Stmt] // what runs, or ran last
	reason   atomic.Pointer[reason]      // why the turn was or is being taken; set before it is
	harmless atomic.Bool                 // no member of its group would be lost with it
}

// times of a transaction, ns since the shift's epoch. The supervisor reads them.
type times struct {
	began  atomic.Int64 // start of the running statement
	last   atomic.Int64 // end of the latest statement, for the idle limit
	picked atomic.Int64 // when the caller took the loan up; 0: not yet
}

// journal is kept while others share the transaction's group.
type journal struct {
	on      bool
	entries []entry
}

// entry is one statement of a journal: enough to do it again on the state that it saw.
type entry struct {
	sql  string
	args []any
	did  trail
	own  bool // the engine's own, see ExecOwn
}

// trail is what a statement left on its connection. Two runs of one journal must leave the same.
type trail struct {
	changes int64 // rows, those of triggers included
	rowid   int64 // of the last insert; 0 where it is the number that somebody left before
}

// trailStart is what to compare with afterwards.
func trailStart(c *sqlite.Conn) trail { return trail{c.TotalChanges(), c.LastInsertRowID()} }

func (from trail) end(c *sqlite.Conn) trail {
	to := trailStart(c)
	to.changes -= from.changes
	if to.rowid == from.rowid {
		to.rowid = 0
	}
	return to
}

func (d trail) same(as trail) bool {
	return d.changes == as.changes && (d.rowid == as.rowid || d.rowid == 0 || as.rowid == 0)
}

// reason is why a turn is over, where that was not the holder's own doing.
type reason struct{ err error }

type verdict uint8

const (
	verdictCommit verdict = iota
	verdictRollback
	verdictExpired
)

func newTx(s *shift, j *job) *Tx {
	t := &Tx{shift: s, job: j, conn: s.conn, back: make(chan verdict, 1), id: s.w.lanes.ids.Add(1), journal: journal{on: len(s.group.members) > 0}}
	t.last.Store(s.now())
	t.harmless.Store(s.group.fixed == 0)
	j.tx = t
	return t
}

// held is how long the caller has had the connection.
func (t *Tx) held() time.Duration {
	at := t.picked.Load()
	if at == 0 {
		return 0
	}
	return time.Duration(t.shift.now() - at)
}

// enter begins a use of the connection.
func (t *Tx) enter() error {
	t.began.Store(t.shift.now()) // ahead of the turn: whoever sees it busy must not see the last statement's time
	ok, busy := t.turn.enter()
	switch {
	case ok:
		return nil
	case busy:
		return &UseError{t.job.name(), "used by two goroutines at once"}
	}
	return t.lost()
}

// lost is the reason why the turn is over.
func (t *Tx) lost() error {
	if r := t.reason.Load(); r != nil {
		return r.err
	}
	return &UseError{t.job.name(), "used after its end"}
}

// exit ends a use of the connection; err is the statement's own. A turn that was taken in the meantime wins over it.
func (t *Tx) exit(err error) error {
	t.last.Store(t.shift.now())
	if !t.turn.exit(t.conn.Unkick) {
		return t.lost()
	}
	if t.turn.yield() {
		t.back <- verdictExpired
		return t.lost()
	}
	return err
}

// Err is why nothing more can succeed in this transaction, or nil.
func (t *Tx) Err() error { return t.dead }

// Exec runs one statement to its end. Arguments must be plain values (sqlite.Conn binds them without calling foreign code).
func (t *Tx) Exec(ctx context.Context, sql string, args []any) (Result, error) {
	if err := t.enter(); err != nil {
		return Result{}, err
	}
	res, err := t.exec(ctx, sql, args, nil)
	return res, t.exit(err)
}

// exec runs a statement; keep, where not nil, gets all its rows.
func (t *Tx) exec(ctx context.Context, sql string, args []any, keep *Cursor) (Result, error) {
	if t.dead != nil {
		return Result{}, t.dead
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	stmt, err := t.prepare(ctx, sql, args)
	if err != nil {
		return Result{}, err
	}
	defer stmt.Release()
	class := stmt.Class()
	if class.ReadOnly {
		t.conn.SetContext(ctx) // an interrupted read undoes nothing
	} else if t.harmless.Load() {
		t.conn.SetPatience(ctx) // an interrupted write undoes the whole group; where that hurts others the supervisor decides
	}
	defer t.conn.SetContext(nil)
	var res Result
	var from trail
	if t.journal.on && !t.alone {
		from = trailStart(t.conn)
	}
	counts := !class.ReadOnly && !class.DDL && !class.Explain // others leave the counts of whatever ran before
	// An INSERT sets the connection's last row id, anything else leaves it; only from 0 can one be told from the other. A
	// statement that itself asks for the last id must find it.
	fresh := counts && !class.UsesConnState
	before := int64(0)
	if fresh {
		before = t.conn.LastInsertRowID()
		t.conn.SetLastInsertRowID(0)
	}
	if t.warden != nil {
		t.warden.Before()
	}
	if keep != nil {
		err = stmt.FetchAll(&keep.block)
		res.Rows, keep.columns = int64(keep.block.Len()), stmt.Class().Columns // see Cursor.begun
	} else {
		res.Rows, err = stmt.Run()
	}
	if counts {
		if res.LastInsertID = t.conn.LastInsertRowID(); fresh && res.LastInsertID == 0 {
			t.conn.SetLastInsertRowID(before) // it inserted nothing: last_insert_rowid() goes on to tell of the last that did
		}
	}
	if err != nil {
		return Result{}, t.failed(ctx, class, err)
	}
	res.Counters = stmt.Counters()
	if counts {
		res.RowsAffected = t.conn.Changes()
	}
	if t.journal.on && !t.alone {
		from = from.end(t.conn) // ahead of the rules, which may keep values of their own
	}
	if err := t.judge(ctx, class.DDL); err != nil {
		return Result{}, err
	}
	t.note(class, sql, args, from)
	return res, nil
}

// prepare compiles and binds; a statement that can end the whole transaction is first given a group of its own.
func (t *Tx) prepare(ctx context.Context, sql string, args []any) (*sqlite.Stmt, error) {
	stmt, err := t.compile(ctx, sql)
	if err != nil {
		return nil, t.failed(ctx, nil, err)
	}
	t.current.Store(stmt)
	if stmt.Class().UsesConnState && t.job.run != nil {
		stmt.Release()
		return nil, connState()
	}
	if stmt.Class().EndsTx && !t.alone {
		stmt.Release()
		if err := t.shift.isolate(t); err != nil {
			t.dead = err
			return nil, err
		}
		if stmt, err = t.compile(ctx, sql); err != nil {
			return nil, t.failed(nil, nil, err)
		}
	}
	if err := stmt.Bind(args); err != nil {
		stmt.Release()
		return nil, t.failed(nil, nil, err)
	}
	return stmt, nil
}

// compile ends with ctx: what is not yet running undoes nothing, and a text of megabytes compiles for minutes.
func (t *Tx) compile(ctx context.Context, sql string) (*sqlite.Stmt, error) {
	t.conn.SetContext(ctx)
	defer t.conn.SetContext(nil)
	return t.conn.Prepare(sql)
}

// connState refuses functions whose answer depends on what others did on the same connection.
func connState() error {
	return &sqlite.Error{Class: sqlite.Auth, Op: "prepare", Msg: "last_insert_rowid(), changes() and total_changes() have no meaning on a " +
		"shared connection: use them inside one Update, or the Result of Exec, or RETURNING"}
}

// note keeps what the statement did, for the case that this transaction must move to a group of its own.
func (t *Tx) note(class *sqlite.Class, sql string, args []any, did trail) {
	if !t.journal.on || t.alone || (class.ReadOnly && len(class.Columns) > 0) {
		return
	}
	kept := args
	for i, a := range args {
		if b, ok := a.([]byte); ok {
			if &kept[0] == &args[0] {
				kept = append([]any(nil), args...)
			}
			kept[i] = bytes.Clone(b)
		}
	}
	t.journal.entries = append(t.journal.entries, entry{sql: sql, args: kept, did: did})
}

// failed decides what a statement's error means for the transaction.
func (t *Tx) failed(ctx context.Context, class *sqlite.Class, err error) error {
	kind := sqlite.ClassOf(err)
	switch {
	case t.conn.Broken() != nil:
		t.dead = err
	case t.conn.Autocommit():
		t.dead = t.interrupted(ctx, kind, err)
		return t.dead
	case class != nil && class.Partial && kind == sqlite.Constraint:
		t.dead = err // OR FAIL leaves the earlier rows of the statement standing: the transaction must not commit them
	case kind == sqlite.Interrupt:
		cause := t.interrupted(ctx, kind, err)
		if ctx == nil || cause != context.Cause(ctx) {
			t.dead = cause
		}
		return cause
	case fatal(kind) || kind == sqlite.Full || kind == sqlite.BusySnapshot: // whose snapshot is stale has to begin anew
		t.dead = err
	}
	return err
}

// interrupted replaces SQLite's "interrupted" by its reason: the lane's limit, or the caller's context.
func (t *Tx) interrupted(ctx context.Context, kind sqlite.ErrorClass, err error) error {
	if kind != sqlite.Interrupt {
		return err
	}
	var lease *LeaseError
	if errors.As(err, &lease) {
		return lease
	}
	if why := kickedBy(err); why != nil {
		return why
	}
	if ctx != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
	}
	return err
}

// Open starts a statement whose rows are read one by one. A statement that writes is run to its end at once, as SQLite
// does anyway, and its rows are kept: what it did is then known to the journal.
func (t *Tx) Open(ctx context.Context, sql string, args []any) (*Cursor, error) {
	if err := t.enter(); err != nil {
		return nil, err
	}
	c, err := t.open(ctx, sql, args)
	return c, t.exit(err)
}

func (t *Tx) open(ctx context.Context, sql string, args []any) (*Cursor, error) {
	if t.dead != nil {
		return nil, t.dead
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	stmt, err := t.prepare(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	class := stmt.Class()
	c := &Cursor{tx: t, columns: class.Columns, at: -1, want: firstBlock}
	if class.ReadOnly {
		c.stmt, c.more = stmt, true
		t.cursors++
		return c, nil
	}
	c.decl = stmt.DeclTypes()
	stmt.Release()
	c.result, err = t.exec(ctx, sql, args, c)
	c.counters = c.result.Counters
	return c, err
}

// finish ends the transaction: it gives the connection back and waits for the outcome. err is the closure's verdict.
func (t *Tx) finish(ctx context.Context, err error) (rerun bool, _ error) {
	if err == nil {
		_ = t.seal(ctx) // what it says, settle finds
	}
	v := verdictCommit
	if err != nil {
		v = verdictRollback
	}
	if !t.turn.take() {
		if t.turn.busy() {
			// The closure left another goroutine inside a statement. It hands over when that ends.
			if t.turn.want() {
				t.back <- verdictRollback
			}
			err = &UseError{t.job.name(), "another goroutine was still using it when its closure returned"}
		}
		return t.outcome(ctx, err)
	}
	t.back <- v
	return t.outcome(ctx, err)
}

// outcome waits for the lane's answer. Once the work is in the group only the lane knows the end of it, so a caller whose
// context is done still waits a moment, and is told the truth when that was not enough.
func (t *Tx) outcome(ctx context.Context, err error) (rerun bool, _ error) {
	var sig signal
	select {
	case sig = <-t.job.c:
	case <-ctx.Done():
		var late error
		if sig, late = t.job.answer(t.shift.w.cfg.AckGrace); late != nil {
			return false, orElse(err, late)
		}
	}
	if sig.kind == sigAgain {
		return true, nil
	}
	if err != nil && (sig.err == nil || errors.Is(err, sig.err)) {
		return false, err
	}
	if sig.err == nil {
		return false, err
	}
	return false, sig.err
}

// abandon gives the connection back for a closure that will never return: panic or Goexit.
func (t *Tx) abandon() {
	if t.turn.take() {
		t.back <- verdictRollback
		return
	}
	if t.turn.want() {
		t.back <- verdictRollback
	}
}
