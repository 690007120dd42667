package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Role says what a connection is for. It decides memory, cache and the pragmas of the connection.
type Role uint8

// The roles. Reader and Analytics connections cannot write (query_only).
const (
	Writer Role = iota
	Reader
	Analytics
	Maintenance
)

// String returns the role in lower case.
func (r Role) String() string {
	names := [...]string{"writer", "reader", "analytics", "maintenance"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// CheckpointMode is how hard a checkpoint tries.
type CheckpointMode uint8

// The modes. Passive never waits; Restart and Truncate report busy when a reader or a writer is in the way.
const (
	Passive CheckpointMode = iota
	Restart
	Truncate
)

// Conn is one connection to the database. It belongs to one goroutine at a time; see the package comment for the exceptions.
type Conn struct {
	raw     *sqlite3.Conn
	store   *Store
	role    Role
	vfs     *connVFS
	gate    *gate
	ctx     *connContext
	stmts   stmtCache
	control [controls]*sqlite3.Stmt
	guard   guardState
	logState

	pending uint8 // pendingDDL, pendingMark
	fnPanic error // what a registered function panicked with, for the error of its statement
	autoco  bool  // Autocommit as it was when the connection broke
	broken  atomic.Pointer[brokenState]
}

// logState is what a connection knows of the write-ahead log.
type logState struct {
	sync   int8  // what PRAGMA synchronous is: 1 normal, 2 full, 0 unknown
	frames int   // in the log after the last commit or checkpoint
	page   int64 // bytes of a page; of a Writer
	linger linger
}

// brokenState is why a connection must be discarded.
type brokenState struct {
	err    *Error
	clean  bool // SQLite had returned: a rollback and a close still work
	closed bool
}

const (
	pendingDDL  uint8 = 1 << iota // the schema changed in the open transaction
	pendingMark                   // the application id changed in the open transaction
)

// SchemaGen is that of its Store.
func (c *Conn) SchemaGen() uint64 { return c.store.SchemaGen() }

// Role returns what the connection was opened for.
func (c *Conn) Role() Role { return c.role }

// Exec runs internal control statements (BEGIN IMMEDIATE, COMMIT, SAVEPOINT x, PRAGMA…) unprepared and without the guard; rows are
// dropped. Transaction control is not interrupted by the connection's context or a Kick, because a rollback must always be possible.
//
// Never pass SQL of a user.
func (c *Conn) Exec(sql string) (err error) {
	if err := c.enter("exec"); err != nil {
		return err
	}
	defer c.leave("exec", &err)
	return c.exec(sql)
}

// exec is Exec from inside.
func (c *Conn) exec(sql string) error {
	c.guard.bypass++
	if isTransactionControl(sql) {
		c.ctx.masked.Add(1)
		defer func() { c.ctx.masked.Add(-1) }()
	}
	err := c.raw.Exec(sql)
	c.guard.bypass--
	c.settle()
	return c.wrap("exec", err)
}

// QueryInt returns the first column of the first row of an internal statement; 0 when there is no row or it is NULL.
func (c *Conn) QueryInt(sql string) (n int64, err error) {
	if err := c.enter("query"); err != nil {
		return 0, err
	}
	defer c.leave("query", &err)
	return n, c.first(sql, func(s *sqlite3.Stmt) { n = s.ColumnInt64(0) })
}

// QueryText is QueryInt for text; "" when there is no row or it is NULL.
func (c *Conn) QueryText(sql string) (text string, err error) {
	if err := c.enter("query"); err != nil {
		return "", err
	}
	defer c.leave("query", &err)
	return text, c.first(sql, func(s *sqlite3.Stmt) { text = s.ColumnText(0) })
}

func (c *Conn) first(sql string, read func(*sqlite3.Stmt)) error {
	c.guard.bypass++
	defer func() { c.guard.bypass-- }()
	s, _, err := c.raw.Prepare(sql)
	if err != nil || s == nil {
		return c.wrap("query", err)
	}
	defer s.Close()
	if s.Step() {
		read(s)
	}
	return c.wrap("query", s.Err())
}

// Autocommit reports whether no transaction is open. On a broken connection it tells how it was when it broke.
func (c *Conn) Autocommit() bool {
	var err error
	if c.enter("autocommit") != nil {
		return c.broken.Load() == nil || c.autoco
	}
	defer c.leave("autocommit", &err)
	return c.raw.GetAutocommit()
}

// Changes returns the rows changed by the last INSERT, UPDATE or DELETE; 0 on a broken connection.
func (c *Conn) Changes() int64 { return c.number((*sqlite3.Conn).Changes) }

// TotalChanges returns the rows changed since the connection was opened; 0 on a broken connection.
func (c *Conn) TotalChanges() int64 { return c.number((*sqlite3.Conn).TotalChanges) }

// LastInsertRowID returns the rowid of the last INSERT; 0 on a broken connection.
func (c *Conn) LastInsertRowID() int64 { return c.number((*sqlite3.Conn).LastInsertRowID) }

func (c *Conn) number(read func(*sqlite3.Conn) int64) int64 {
	var err error
	if c.enter("status") != nil {
		return 0
	}
	defer c.leave("status", &err)
	return read(c.raw)
}

// SetLastInsertRowID makes LastInsertRowID return id until the next INSERT.
func (c *Conn) SetLastInsertRowID(id int64) {
	c.number(func(raw *sqlite3.Conn) int64 {
		raw.SetLastInsertRowID(id)
		return id
	})
}

// DeferredFKs returns non-zero while deferred foreign-key violations stand in the open transaction: a COMMIT would fail.
func (c *Conn) DeferredFKs() (n int64, err error) {
	if err := c.enter("status"); err != nil {
		return 0, err
	}
	defer c.leave("status", &err)
	n, _, err = c.raw.Status(sqlite3.DBSTATUS_DEFERRED_FKS, false)
	return n, c.wrap("status", err)
}

// SetSynchronous chooses between FULL (every commit is synced) and NORMAL (a power cut may lose the last commits, never consistency).
// It must be called between transactions. Setting what is set already costs nothing; a change is read back.
func (c *Conn) SetSynchronous(full bool) (err error) {
	want := int8(1)
	if full {
		want = 2
	}
	if c.sync == want {
		return nil
	}
	if err := c.enter("synchronous"); err != nil {
		return err
	}
	defer c.leave("synchronous", &err)
	return c.setSynchronous(want)
}

func (c *Conn) setSynchronous(want int8) error {
	c.sync = 0
	c.ctx.masked.Add(1)
	defer func() { c.ctx.masked.Add(-1) }()
	// Unprepared on purpose: the first execution of a prepared PRAGMA synchronous does nothing.
	if err := c.exec(fmt.Sprintf("PRAGMA synchronous=%d", want)); err != nil {
		return err
	}
	var got int64
	if err := c.first("PRAGMA synchronous", func(s *sqlite3.Stmt) { got = s.ColumnInt64(0) }); err != nil {
		return err
	}
	if got != int64(want) {
		return &Error{Class: Misuse, Op: "synchronous", Msg: fmt.Sprintf("is %d after setting it to %d: it cannot change inside a transaction", got, want)}
	}
	c.sync = want
	return nil
}

// Checkpoint copies the WAL into the database file. log and done are frames in the WAL and frames copied; both -1 without a WAL.
// busy means that a reader or a writer kept the mode from being completed, which is no error.
func (c *Conn) Checkpoint(mode CheckpointMode) (log, done int, busy bool, err error) {
	if err := c.enter("checkpoint"); err != nil {
		return 0, 0, false, err
	}
	defer c.leave("checkpoint", &err)
	if t := c.store.track; t != nil && t.unsynced.Swap(false) { // a sync that fails from here on says so itself
		if busy, err := c.forgetBackfill(); busy || err != nil {
			t.unsynced.Store(true)
			if err != nil {
				err = &Error{Class: IO, Op: "checkpoint", Msg: "the pages that a failed sync may have lost cannot be written again", Cause: err}
			}
			return -1, -1, busy, err
		}
	}
	m := sqlite3.CHECKPOINT_PASSIVE
	switch mode {
	case Restart:
		m = sqlite3.CHECKPOINT_RESTART
	case Truncate:
		m = sqlite3.CHECKPOINT_TRUNCATE
	}
	// The C call and not the pragma, whose own result is success even when it was blocked.
	log, done, e := c.raw.WALCheckpoint("main", m)
	if log >= 0 && (e == nil || errors.Is(e, sqlite3.BUSY)) {
		c.frames = log // it has looked, whoever wrote them
	}
	if e != nil {
		werr := c.wrap("checkpoint", e)
		if ClassOf(werr) == Busy {
			return log, done, true, nil
		}
		return log, done, false, werr
	}
	return log, done, mode != Passive && log > done, nil
}

// WALFrames returns the frames in the WAL after this connection's last commit or checkpoint; 0 before its first.
func (c *Conn) WALFrames() int { return c.frames }

// WALUsed is what WALFrames comes to in bytes; of a Writer.
func (c *Conn) WALUsed() int64 { return int64(c.frames) * (c.page + frameHeader) }

// DataVersion changes when the database was changed by another connection or, unlike PRAGMA data_version, by this one.
func (c *Conn) DataVersion() (v uint32, err error) {
	if err := c.enter("data version"); err != nil {
		return 0, err
	}
	defer c.leave("data version", &err)
	got, err := c.raw.FileControl("main", sqlite3.FCNTL_DATA_VERSION)
	v, _ = got.(uint32)
	return v, c.wrap("data version", err)
}

// BusyTimeout sets how long a statement waits for a lock; 0 means not at all.
func (c *Conn) BusyTimeout(d time.Duration) (err error) {
	if err := c.enter("busy timeout"); err != nil {
		return err
	}
	defer c.leave("busy timeout", &err)
	return c.wrap("busy timeout", c.raw.BusyTimeout(d))
}

// MemoryUsed returns the bytes that the connection's page cache, schema and statements occupy; 0 on a broken connection.
// What SQLite once took is given back to the system only by Close.
func (c *Conn) MemoryUsed() int64 {
	return c.number(func(raw *sqlite3.Conn) (sum int64) {
		for _, op := range []sqlite3.DBStatus{sqlite3.DBSTATUS_CACHE_USED, sqlite3.DBSTATUS_SCHEMA_USED, sqlite3.DBSTATUS_STMT_USED} {
			n, _, err := raw.Status(op, false)
			if err == nil {
				sum += n
			}
		}
		return sum
	})
}

// ResetStatements closes every open cursor. A cursor left open keeps a read transaction, and with it the WAL, alive.
func (c *Conn) ResetStatements() {
	var err error
	if c.enter("reset") != nil {
		return
	}
	defer c.leave("reset", &err)
	for s := range c.raw.Stmts() {
		if s.Busy() {
			// It repeats the error of the last step, which was returned then.
			_ = s.Reset()
		}
	}
}

// Script runs the statements of sql one after the other, each to its end, under the guard. each, when not nil, is called ahead of
// every statement with its text; its error stops the script. The transaction is the caller's business.
func (c *Conn) Script(sql string, each func(stmtSQL string) error) error {
	rest := sql
	for {
		start := skipBlank(rest, true)
		rest = rest[start:]
		if rest == "" {
			return nil
		}
		s, tail, err := c.prepareRaw(rest)
		if err != nil {
			return err
		}
		if s == nil {
			return nil
		}
		if each != nil {
			if err := each(strings.TrimSpace(s.sql)); err != nil {
				s.Release()
				return err
			}
		}
		for row := true; row; {
			if row, err = s.Step(); err != nil {
				s.Release()
				return err
			}
		}
		s.Release()
		rest = tail
	}
}

// SetContext makes the cancellation of ctx interrupt what the connection runs, and returns the context it replaces;
// nil means context.Background.
func (c *Conn) SetContext(ctx context.Context) (old context.Context) {
	old = c.ctx.parent
	if ctx == nil {
		ctx = context.Background()
	}
	c.ctx.parent, c.ctx.patient = ctx, false
	if c.ctx.overdue.Load() { // a store costs more than a look, at every statement
		c.ctx.overdue.Store(false)
	}
	return old
}

// Kick interrupts the running statement; its error, and that of every later call until Unkick, unwraps to cause.
// Safe for concurrent use.
func (c *Conn) Kick(cause error) { c.ctx.kick.Store(&kick{cause}) }

// Unkick takes back a Kick. Safe for concurrent use.
func (c *Conn) Unkick() { c.ctx.kick.Store(nil) }

// settle runs after anything that may have ended a transaction.
func (c *Conn) settle() {
	if c.pending == 0 || !c.raw.GetAutocommit() {
		return
	}
	what := c.pending
	c.pending = 0
	if what&pendingDDL != 0 {
		c.store.gen.Add(1)
	}
	if what&pendingMark != 0 {
		_ = c.first("PRAGMA application_id", func(s *sqlite3.Stmt) {
			if s.ColumnInt64(0) == ApplicationID {
				c.store.state.Store(uint32(Managed))
			}
		})
	}
}

// wrap makes an *Error of a driver's error, adds what only the connection knows, and decides whether the connection is lost.
func (c *Conn) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	e := driverError(op, err)
	if d := c.guard.takeDenied(); d != nil && (e.Class == Auth || e.Class == SQL) {
		// A refusal deep inside (a pragma run as a table-valued function) loses its code on the way up.
		e.Class, e.Msg = Auth, d.message()
	}
	switch e.Class {
	case Interrupt:
		e.Cause = c.ctx.cause()
		e.Msg = "interrupted"
	case IO, Fsync, Full, CantOpen:
		if e.Cause == nil {
			e.Cause = c.vfs.last
		}
		if e.Class == IO && isDiskFull(e.Cause) {
			e.Class = Full
		}
		c.vfs.last = nil
	}
	if c.fnPanic != nil {
		if e.Cause == nil {
			e.Cause = c.fnPanic
		}
		c.fnPanic = nil
	}
	if c.vfs.fsync != nil {
		e.Class, e.Cause = Fsync, c.vfs.fsync
	}
	if e.Class == IO || e.Class == Fsync || e.Class == ReadOnly && e.Code&0xff == int(sqlite3.IOERR) {
		c.breakOff(e, true)
	}
	return e
}
