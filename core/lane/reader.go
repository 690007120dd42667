package lane

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// ReadOptions say what a read wants.
type ReadOptions struct {
	Class    Class
	Tenant   string // on whose behalf, "" for nobody's; see Quotas
	Name     string
	Snapshot bool // several statements that must see one state
	Fresh    bool // on a connection that nobody has used, where the lane may open one more
}

// Reader is a session of a pool that holds a connection: one statement, or one snapshot for several. Its cursors are
// used by one goroutine at a time; the governor may end it at any time between two steps.
type Reader struct {
	pool *pool
	visitor
	current atomic.Pointer[sqlite.Stmt] // what runs, or ran last
	since   atomic.Int64                // when its snapshot began, clock ns; 0: none yet
	place   int                         // in the pool's list of those who hold a connection; guarded by its mutex

	mu sync.Mutex // held while the connection is in use
	hold
	stage
	open []*Cursor
	solo Cursor     // of a session for one statement
	room [1]*Cursor // first array of open

	kick     sync.Mutex   // guards stepping, so that a late interruption cannot hit the connection's next user
	stepping *sqlite.Conn // the connection while inside SQLite
	wanted   error        // why the session is to end, once its holder can be met
	overdue
}

// visitor is who the session is for.
type visitor struct {
	class    Class
	name     string
	snapshot bool
	fresh    bool
	queued   time.Duration
	ticket   *ticket       // by which its tenant is counted; nil where nobody counts
	began    int64         // clock ns
	serial   atomic.Uint64 // the session's number; another one when it is used again
}

// stage is how far the session has come.
type stage struct {
	begun    bool  // a transaction is open
	control  bool  // a statement was run that may have opened one: SAVEPOINT
	ended    error // why its snapshot was taken away
	slotless bool  // it lost its run slot while it waited for a connection
	sound    bool  // its connection may be used on
}

// Read takes a connection of the lane that serves the class.
func (l *Lanes) Read(ctx context.Context, opt ReadOptions) (*Reader, error) {
	r, err := l.session(ctx, opt)
	if err == nil {
		r.pool.slots.release()
	}
	return r, err
}

// session is Read with the run slot still held.
func (l *Lanes) session(ctx context.Context, opt ReadOptions) (*Reader, error) {
	p := l.readers
	switch opt.Class {
	case Analytics:
		p = l.analytics
		if err := l.gate(ctx); err != nil {
			return nil, err
		}
	case Maintenance:
		p = l.maintenance
	}
	if l.governor.held.Load() {
		l.holdBack(ctx)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	r, _ := p.readers.Get().(*Reader)
	if r == nil {
		r = &Reader{pool: p}
	}
	r.kick.Lock() // others may still look at the session that it was before
	r.serial.Store(l.ids.Add(1))
	r.wanted, r.overdue = nil, overdue{} // meant for that one
	r.class, r.name, r.snapshot, r.began = opt.Class, opt.Name, opt.Snapshot, l.clock.late()
	r.fresh = opt.Fresh
	r.kick.Unlock()
	r.sound, r.slotless = true, false
	var err error
	if r.queued, r.ticket, err = p.slots.enter(ctx, opt.Class, opt.Tenant); err != nil {
		return nil, err
	}
	r.mu.Lock() // from the pool's list on, the governor sees it
	err = p.checkout(ctx, r)
	r.mu.Unlock()
	if err != nil {
		if !r.slotless {
			p.slots.release()
		}
		p.slots.leave(r.ticket)
		return nil, err
	}
	return r, nil
}

// Query runs one statement in a session of its own, which ends with the cursor. It is Read, Open and the first row in one
// visit to the connection.
func (l *Lanes) Query(ctx context.Context, opt ReadOptions, sql string, args []any) (*Cursor, error) {
	r, err := l.session(ctx, opt)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.arm(ctx)
	c, err := r.start(ctx, sql, args, &r.solo)
	r.exit()
	r.mu.Unlock()
	if err != nil {
		r.Close()
		return nil, err
	}
	c.own = true
	return c, nil
}

// title is the session's name for messages.
func (r *Reader) title() string {
	r.kick.Lock()
	defer r.kick.Unlock()
	return nameOr(r.name)
}

// Queued is how long the session waited for its connection.
func (r *Reader) Queued() time.Duration { return r.queued }

// enter begins a use of the connection: it takes a run slot.
func (r *Reader) enter(ctx context.Context) error {
	if r.ended != nil {
		return r.ended
	}
	if r.conn == nil {
		return &UseError{nameOr(r.name), "used after its end"}
	}
	if err := r.pool.slots.again(ctx, r.class); err != nil {
		return err
	}
	r.arm(ctx)
	return nil
}

// arm makes the connection interruptible, by the context and by the governor.
func (r *Reader) arm(ctx context.Context) {
	r.conn.SetContext(ctx)
	r.kick.Lock()
	r.stepping, r.within, r.late, r.seen = r.conn, ctx, 0, 0
	if r.wanted != nil { // said while it waited for its run slot
		r.conn.Kick(r.wanted)
	}
	r.kick.Unlock()
}

// exit ends a use of the connection. An interruption that came too late for the statement still ends the session: whoever
// asked for it was told yes.
func (r *Reader) exit() {
	r.kick.Lock()
	why, lost := r.wanted, r.stuck
	r.wanted, r.stepping, r.within = nil, nil, nil
	r.kick.Unlock()
	if lost != nil {
		r.ended = lost // the connection is fenced, and the slot somebody else's
		return
	}
	if r.conn != nil {
		r.conn.SetContext(nil)
		if why != nil {
			r.conn.Unkick()
			r.finishEarly(why)
		}
	}
	r.pool.slots.release()
}

// finishEarly takes the snapshot away. r.mu is held.
func (r *Reader) finishEarly(why error) {
	if r.ended == nil {
		r.end(true)
		r.ended = why
	}
}

// Open starts a statement and reads its first row. A statement that would write is not run: ErrWrites tells so; its plan can be asked for.
func (r *Reader) Open(ctx context.Context, sql string, args []any) (*Cursor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	defer r.exit()
	return r.start(ctx, sql, args, new(Cursor))
}

// start is Open with the connection in use, for a cursor that is in nobody's hands.
func (r *Reader) start(ctx context.Context, sql string, args []any, c *Cursor) (*Cursor, error) {
	if err := r.conn.Renew(); err != nil {
		return nil, r.failed(ctx, err)
	}
	stmt, err := r.conn.Prepare(sql)
	if err != nil {
		return nil, r.failed(ctx, err)
	}
	r.current.Store(stmt)
	class := stmt.Class()
	switch {
	case !class.ReadOnly && !class.Explain: // SQLite says of a plan what it would say of the statement
		err = ErrWrites
	case class.UsesConnState:
		err = connState()
	case r.snapshot && !r.begun:
		err = r.conn.BeginRead()
		r.begun = err == nil
	case c != &r.solo:
		err = r.conn.LetGo()
	}
	if err != nil {
		stmt.Release()
		return nil, r.failed(ctx, err)
	}
	if r.since.Load() == 0 {
		r.since.Store(r.pool.lanes.clock.late())
	}
	if len(class.Columns) == 0 {
		r.control = true
	}
	*c = Cursor{rd: r, stmt: stmt, columns: class.Columns, at: -1, want: nextBlock}
	c.block, r.spare = r.spare, sqlite.Block{}
	if c == &r.solo {
		c.more, err = stmt.BeginLone(args, &c.block, firstBlock)
	} else {
		c.more, err = stmt.Begin(args, &c.block, firstBlock)
	}
	if err != nil {
		stmt.Release()
		return nil, r.failed(ctx, err)
	}
	c.begun()
	if r.open == nil {
		r.open = r.room[:0]
	}
	r.open = append(r.open, c)
	return c, nil
}

// ErrWrites says that a statement writes and belongs on the writer.
var ErrWrites = errors.New("the statement writes")

// fetch reads the next block of c.
func (r *Reader) fetch(ctx context.Context, c *Cursor) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx); err != nil {
		return false, err
	}
	defer r.exit()
	more, err := c.stmt.Fetch(&c.block, c.size())
	if err != nil {
		return false, r.failed(ctx, err)
	}
	return more, nil
}

// failed gives an interruption its reason and remembers whether the connection may be used on.
func (r *Reader) failed(ctx context.Context, err error) error {
	kind := sqlite.ClassOf(err)
	if fatal(kind) || r.conn.Broken() != nil {
		r.sound = false
	}
	switch kind {
	case sqlite.Fenced:
		if lost := r.lost(); lost != nil {
			return lost
		}
		if r.pool.stale(r) {
			return evicted(nameOr(r.name), "a file of the database")
		}
	case sqlite.Corrupt, sqlite.NotADB, sqlite.IO:
		if r.pool.stale(r) {
			return evicted(nameOr(r.name), "a file of the database")
		}
	}
	if kind != sqlite.Interrupt {
		return err
	}
	if why := kickedBy(err); why != nil {
		return why // exit ends the session
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// closeCursor ends a statement, and the session where it was opened for that statement alone.
func (r *Reader) closeCursor(c *Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.open, c); i >= 0 {
		r.open = slices.Delete(r.open, i, i+1)
		if r.conn != nil && r.ended == nil {
			c.counters = c.stmt.Finish()
			r.spare, c.block = c.block, sqlite.Block{}
		}
	}
	if len(r.open) == 0 && !r.begun {
		r.since.Store(0)
	}
	if c.own {
		r.close()
	}
}

// Close ends the session and gives its connection back. It is safe to call again.
func (r *Reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
}

func (r *Reader) close() {
	if r.conn == nil {
		return
	}
	left := len(r.open) > 0
	for _, c := range r.open {
		c.closed = true
	}
	r.open = nil
	r.kick.Lock()
	r.wanted = nil
	r.kick.Unlock()
	r.end(left)
	r.pool.checkin(r, r.sound)
}

// end ends the snapshot on the connection; open says that cursors are. r.mu is held.
func (r *Reader) end(open bool) {
	if r.conn.Broken() != nil {
		r.sound = false
		return
	}
	if open {
		r.conn.ReleaseStatements()
		if r.conn.LetGo() != nil {
			r.sound = false
		}
	}
	if r.begun || r.control && !r.conn.Autocommit() {
		if err := r.conn.Exec("ROLLBACK"); err != nil {
			r.sound = false
		}
	}
	r.begun, r.control = false, false
	r.since.Store(0)
}

// expire takes the snapshot away. Between two steps that is done at once; inside a step the statement is interrupted and
// the session ends itself.
func (r *Reader) expire(serial uint64, why error) {
	// The holder may be just about to begin or to end a step: then it is met a moment later, in one state or the other.
	for range 100 {
		if r.mu.TryLock() {
			r.expireIdle(serial, why)
			r.mu.Unlock()
			return
		}
		r.kick.Lock()
		if r.serial.Load() != serial {
			r.kick.Unlock()
			return
		}
		r.wanted = why
		stepping := r.stepping
		if stepping != nil {
			stepping.Kick(why)
		}
		r.kick.Unlock()
		if stepping != nil {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
	// It waits for a run slot, and meets the interruption when it gets one.
}

// expireIdle is expire for a session that is between two steps. r.mu is held.
func (r *Reader) expireIdle(serial uint64, why error) {
	r.kick.Lock()
	if r.serial.Load() == serial {
		r.wanted = nil
	}
	r.kick.Unlock()
	if r.conn == nil || r.ended != nil || r.serial.Load() != serial {
		return
	}
	r.finishEarly(why)
	if why == ErrClosed {
		r.pool.checkin(r, false) // the pool is closing: nobody will come to give it back
	}
}

// kickedBy is the engine's own reason for an interruption, or nil.
func kickedBy(err error) error {
	var snap *SnapshotError
	if errors.As(err, &snap) {
		return snap
	}
	if errors.Is(err, ErrClosed) {
		return ErrClosed
	}
	var killed *KilledError
	if errors.As(err, &killed) {
		return killed
	}
	return evictedBy(err)
}

// recycle lets the next session for one statement use this one's memory. Nobody may use r or its cursor any more; the
// governor, which may have seen it, is told by the serial number.
func (r *Reader) recycle() {
	r.mu.Lock()
	reusable := r.conn == nil && r.ended == nil && r.sound
	if reusable {
		r.serial.Store(0)
		r.current.Store(nil)
		r.solo = Cursor{}
		r.room[0], r.open, r.queued = nil, nil, 0
	}
	r.mu.Unlock()
	if reusable {
		r.pool.readers.Put(r)
	}
}
