package lane

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// ReadOptions say what a read wants.
type ReadOptions struct {
	Class    Class
	Name     string
	Snapshot bool // several statements that must see one state
}

// Reader is a session of a pool that holds a connection: one statement, or one snapshot for several. Its cursors are
// used by one goroutine at a time; the governor may end it at any time between two steps.
type Reader struct {
	pool     *pool
	class    Class
	name     string
	snapshot bool
	queued   time.Duration

	mu sync.Mutex // held while the connection is in use
	hold
	open     map[*Cursor]struct{}
	begun    bool
	ended    error
	slotless bool
	sound    bool
	since    atomic.Int64 // when its snapshot began, clock ns; 0: none yet
	kick     sync.Mutex   // guards stepping, so that a late interruption cannot hit the connection's next user
	stepping *sqlite.Conn // the connection while inside SQLite
}

// Read takes a connection of the lane that serves the class.
func (l *Lanes) Read(ctx context.Context, opt ReadOptions) (*Reader, error) {
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
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	r := &Reader{pool: p, class: opt.Class, name: opt.Name, snapshot: opt.Snapshot, sound: true}
	began := time.Now()
	if err := p.slots.acquire(ctx, opt.Class, false); err != nil {
		return nil, err
	}
	err := p.checkout(ctx, r)
	if !r.slotless {
		p.slots.release()
	}
	if err != nil {
		return nil, err
	}
	r.queued = time.Since(began)
	return r, nil
}

// Queued is how long the session waited for its connection.
func (r *Reader) Queued() time.Duration { return r.queued }

// enter begins a use of the connection: it takes a run slot.
func (r *Reader) enter(ctx context.Context) error {
	if r.ended != nil {
		return r.ended
	}
	if err := r.pool.slots.acquire(ctx, r.class, true); err != nil {
		return err
	}
	r.conn.SetContext(ctx)
	r.kick.Lock()
	r.stepping = r.conn
	r.kick.Unlock()
	return nil
}

func (r *Reader) exit() {
	r.kick.Lock()
	r.stepping = nil
	r.kick.Unlock()
	if r.conn != nil {
		r.conn.SetContext(nil)
	}
	r.pool.slots.release()
}

// Open starts a statement. A statement that would write is not run: ErrWrites tells so.
func (r *Reader) Open(ctx context.Context, sql string, args []any) (*Cursor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	defer r.exit()
	stmt, err := r.conn.Prepare(sql)
	if err != nil {
		return nil, r.failed(ctx, err)
	}
	class := stmt.Class()
	if !class.ReadOnly {
		stmt.Release()
		return nil, ErrWrites
	}
	if class.UsesConnState {
		stmt.Release()
		return nil, connState()
	}
	if err := stmt.Bind(args); err != nil {
		stmt.Release()
		return nil, err
	}
	if r.snapshot && !r.begun {
		if err := r.conn.Exec("BEGIN"); err != nil {
			stmt.Release()
			return nil, r.failed(ctx, err)
		}
		r.begun = true
	}
	c := &Cursor{rd: r, stmt: stmt, columns: class.Columns}
	if r.open == nil {
		r.open = map[*Cursor]struct{}{}
	}
	r.open[c] = struct{}{}
	return c, nil
}

// ErrWrites says that a statement writes and belongs on the writer.
var ErrWrites = errors.New("the statement writes")

// next steps c.
func (r *Reader) next(ctx context.Context, c *Cursor) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(ctx); err != nil {
		return false, err
	}
	defer r.exit()
	if r.since.Load() == 0 {
		r.since.Store(r.pool.lanes.clock.Now().UnixNano())
	}
	row, err := c.stmt.Step()
	if err == nil && row {
		c.begun()
		err = c.stmt.Row(&c.row)
	}
	if err != nil {
		return false, r.failed(ctx, err)
	}
	return row, nil
}

// failed gives an interruption its reason and remembers whether the connection may be used on.
func (r *Reader) failed(ctx context.Context, err error) error {
	kind := sqlite.ClassOf(err)
	if fatal(kind) || r.conn.Broken() != nil {
		r.sound = false
	}
	if kind != sqlite.Interrupt {
		return err
	}
	if why := kickedBy(err); why != nil {
		r.conn.Unkick()
		r.end()
		r.ended = why
		return why
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// closeCursor ends a statement, and the session where it was opened for that statement alone.
func (r *Reader) closeCursor(c *Cursor) {
	r.mu.Lock()
	if _, ok := r.open[c]; ok {
		delete(r.open, c)
		if r.conn != nil && r.ended == nil {
			c.counters = c.stmt.Counters()
			c.stmt.Release()
		}
	}
	if len(r.open) == 0 && !r.begun {
		r.since.Store(0)
	}
	r.mu.Unlock()
	if c.own {
		r.Close()
	}
}

// Close ends the session and gives its connection back. It is safe to call again.
func (r *Reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return
	}
	for c := range r.open {
		c.closed = true
		if r.ended == nil {
			c.stmt.Release()
		}
	}
	r.open = nil
	r.end()
	r.pool.checkin(r, r.sound)
}

// end ends the snapshot on the connection. r.mu is held.
func (r *Reader) end() {
	if r.conn.Broken() != nil {
		r.sound = false
		return
	}
	r.conn.ReleaseStatements()
	if r.begun {
		if err := r.conn.Exec("ROLLBACK"); err != nil {
			r.sound = false
		}
		r.begun = false
	}
	r.since.Store(0)
}

// expire takes the snapshot away. Between two steps that is done at once; inside a step the statement is interrupted and
// the session ends itself.
func (r *Reader) expire(why error) {
	if r.mu.TryLock() {
		defer r.mu.Unlock()
		if r.conn == nil || r.ended != nil {
			return
		}
		r.end()
		r.ended = why
		if why == ErrClosed {
			r.pool.checkin(r, false) // the pool is closing: nobody will come to give it back
		}
		return
	}
	r.kick.Lock()
	defer r.kick.Unlock()
	if r.stepping != nil {
		r.stepping.Kick(why)
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
	return nil
}

// Own makes closing the cursor close the session too.
func (c *Cursor) Own() { c.own = true }
