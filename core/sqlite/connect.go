package sqlite

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// readerBusy is how long a reader waits for a lock: readers meet one only while a WAL is recovered or reset.
const readerBusy = 250 * time.Millisecond

// Connect opens a connection for role. Its context covers the opening only.
//
// # Errors
//
// Class OutOfMemory when the address space for the connection's memory cannot be reserved, ReadOnly for a Writer of a read-only store,
// Mismatch when a setting that durability depends on does not read back as set, and those of opening a file.
func (s *Store) Connect(ctx context.Context, role Role) (*Conn, error) {
	if role > Maintenance {
		return nil, &Error{Class: Args, Op: "connect", Msg: fmt.Sprintf("there is no role %d", role)}
	}
	if role == Writer && s.look.degraded.Load() {
		if err := s.regain(ctx); err != nil {
			return nil, err
		}
	}
	if role == Writer && s.ReadOnly() {
		return nil, &Error{Class: ReadOnly, Op: "connect", Msg: s.readOnlyReason()}
	}
	if err := s.displaced(nil); err != nil {
		return nil, err // ahead of dialling, for it says nothing of the disk
	}
	dial := &s.opt.Dial
	if dial.Before != nil {
		if err := dial.Before(); err != nil {
			return nil, err
		}
	}
	c, err := s.connect(ctx, role)
	if dial.After != nil {
		dial.After(err)
	}
	return c, err
}

func (s *Store) connect(ctx context.Context, role Role) (*Conn, error) {
	s.moving.RLock()
	defer s.moving.RUnlock()
	if s.track != nil && !s.ReadOnly() {
		if err := s.settleNames(); err != nil {
			return nil, err
		}
	}
	c, err := s.open(ctx, role, s.ReadOnly())
	if err != nil {
		return nil, s.displaced(err)
	}
	err = c.verify()
	if moved := s.displaced(err); moved != nil {
		c.discard()
		return nil, moved
	}
	return c, nil
}

// displaced is what to say of a connection that was opened, well or with err, beside files that are not in their places: what it has read
// then means nothing.
func (s *Store) displaced(err error) error {
	moved, which, _ := s.HasMoved() // what cannot be looked at has not moved, as far as is known
	if !moved || ClassOf(err) == CantOpen {
		return err
	}
	return &Error{Class: CantOpen, Op: "connect", Msg: which + " cannot be used", Cause: errDisplaced}
}

func (s *Store) readOnlyReason() string {
	if s.loc.ReadOnly {
		return "the database was opened for reading only; open it without mode=ro to write"
	}
	return "the database was not made by this engine and is opened for reading only; adopt it first"
}

// discard closes a connection that nobody has seen yet. Where the files changed their places while it was opened, what it has open may not belong
// together: to close it could copy the log of one database into another.
func (c *Conn) discard() {
	if moved, _, _ := c.store.HasMoved(); moved {
		_ = c.Fence() // how it ends changes nothing: it has done nothing
		return
	}
	// Why it is discarded has been reported; Close fences what it cannot close.
	_ = c.Close()
}

// open makes a connection with the settings of role, but does not read back what only a prepared database can satisfy.
func (s *Store) open(ctx context.Context, role Role, readOnly bool) (*Conn, error) {
	g := newGate()
	v := &connVFS{
		name: s.name + "-" + strconv.FormatUint(s.seq.Add(1), 10),
		base: s.base, gate: g, track: s.track, io: &s.io, faults: s.opt.Faults, handles: &s.seq,
	}
	g.after = func() {
		vfs.Unregister(v.name)
		if s.track != nil {
			s.track.forget(v)
		}
	}
	c := &Conn{store: s, role: role, vfs: v, gate: g, ctx: &connContext{gate: g, parent: ctx}, stmts: newStmtCache(s.opt.StatementCache)}
	if role == Reader || role == Analytics {
		v.stop = c.ctx
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, &Error{Class: Misuse, Op: "connect", Msg: "the store is closed"}
	}
	s.live[c] = struct{}{}
	s.mu.Unlock()
	vfs.Register(v.name, v)
	if err := c.dial(readOnly); err != nil {
		if c.raw == nil {
			// The driver closed what it had opened.
			g.release()
			s.forget(c)
			return nil, err
		}
		c.discard()
		return nil, err
	}
	c.ctx.parent = context.Background()
	return c, nil
}

func (c *Conn) dial(readOnly bool) (err error) {
	if err := c.enter("connect"); err != nil {
		return err
	}
	defer c.leave("connect", &err)
	c.guard.bypass++
	defer func() { c.guard.bypass-- }()
	memory := c.store.opt.Memory[c.role]
	raw, err := openDriver(sqlite3.WithMaxMemory(c.ctx, memory), c.store.uri(c.vfs.name, readOnly), memory)
	if err != nil {
		return c.openError(err)
	}
	c.raw = raw
	c.ctx.memory.find(raw)
	raw.SetInterrupt(c.ctx)
	return c.configure()
}

// openDriver reports the failure to reserve address space, a panic of the driver, as what it is.
func openDriver(ctx context.Context, uri string, memory int64) (raw *sqlite3.Conn, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(fenceSignal); ok {
				panic(r)
			}
			cause, _ := r.(error)
			raw, err = nil, &Error{Class: OutOfMemory, Op: "connect", Cause: cause,
				Msg: fmt.Sprintf("%d MiB of address space cannot be reserved; raise the limit of the process (ulimit -v) or lower Options.Memory", memory>>20)}
		}
	}()
	return sqlite3.OpenContext(ctx, uri)
}

// openError is wrap for a connection that has no driver yet.
func (c *Conn) openError(err error) error {
	e := driverError("connect", err)
	if e.Class == Interrupt {
		e.Cause = c.ctx.cause()
	}
	if e.Cause == nil && c.vfs.last != nil {
		e.Cause = c.vfs.last
	}
	if isDiskFull(e.Cause) {
		e.Class = Full
	}
	return e
}

// configure applies limits, hardening, extensions and the pragmas of the role.
func (c *Conn) configure() error {
	raw, opt := c.raw, &c.store.opt
	memory := opt.Memory[c.role]
	// A value passes through several copies on its way; a quarter of the memory fails with TOOBIG before it could fail without a way back.
	length := int(min(memory/4, math.MaxInt32))
	attached := 0
	if c.role == Maintenance {
		attached = 1 // VACUUM attaches its copy
	}
	limits := map[sqlite3.LimitCategory]int{
		sqlite3.LIMIT_LENGTH:              length,
		sqlite3.LIMIT_SQL_LENGTH:          length / 4,
		sqlite3.LIMIT_LIKE_PATTERN_LENGTH: 200,
		sqlite3.LIMIT_EXPR_DEPTH:          100,
		sqlite3.LIMIT_COMPOUND_SELECT:     50,
		sqlite3.LIMIT_TRIGGER_DEPTH:       10,
		sqlite3.LIMIT_VARIABLE_NUMBER:     32766,
		sqlite3.LIMIT_ATTACHED:            attached,
	}
	for id, n := range limits {
		raw.Limit(id, n)
	}
	raw.SoftHeapLimit(memory / 4 * 3)
	own := c.store.State() != Foreign
	for _, set := range []struct {
		op sqlite3.DBConfig
		on bool
	}{
		{sqlite3.DBCONFIG_DEFENSIVE, true},
		{sqlite3.DBCONFIG_TRUSTED_SCHEMA, false},
		{sqlite3.DBCONFIG_DQS_DDL, !own}, // the schema of a foreign database may need double-quoted strings
		{sqlite3.DBCONFIG_DQS_DML, !own},
		{sqlite3.DBCONFIG_ENABLE_QPSG, c.role == Writer || c.role == Reader},
		{sqlite3.DBCONFIG_ENABLE_LOAD_EXTENSION, false},
		{sqlite3.DBCONFIG_WRITABLE_SCHEMA, false},
	} {
		if _, err := raw.Config(set.op, set.on); err != nil {
			return c.wrap("connect", err)
		}
	}
	if err := raw.SetAuthorizer(c.authorize); err != nil {
		return c.wrap("connect", err)
	}
	// A hook of our own also switches SQLite's automatic checkpoint off.
	raw.WALHook(func(_ *sqlite3.Conn, _ string, frames int) error {
		c.frames = frames
		return nil
	})
	// Loading an extension reads the schema, which meets a lock while another process closes the database or resets its log.
	if err := raw.BusyTimeout(readerBusy); err != nil {
		return c.wrap("connect", err)
	}
	if err := c.register(opt); err != nil {
		return err
	}
	return c.pragmas()
}

func (c *Conn) pragmas() error {
	var b strings.Builder
	fmt.Fprintf(&b, "PRAGMA cache_size=-%d; PRAGMA mmap_size=0; PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON;", c.store.opt.CacheKiB[c.role])
	timeout := readerBusy
	switch c.role {
	case Writer:
		// The lane waits for the lock itself, with its own pace and deadline.
		b.WriteString("PRAGMA temp_store=MEMORY;")
		timeout = 0
	case Reader, Analytics:
		b.WriteString("PRAGMA query_only=ON;")
	}
	if err := c.raw.BusyTimeout(timeout); err != nil {
		return c.wrap("connect", err)
	}
	if err := c.exec(b.String()); err != nil {
		return err
	}
	return c.setSynchronous(2)
}

// verify reads back what durability and integrity depend on, and how large a page is.
func (c *Conn) verify() (err error) {
	if c.role == Writer {
		if c.page, err = c.QueryInt("PRAGMA page_size"); err != nil {
			return err
		}
	}
	fk, err := c.QueryInt("PRAGMA foreign_keys")
	if err != nil {
		return err
	}
	if fk != 1 {
		return &Error{Class: Mismatch, Op: "connect", Msg: "foreign keys cannot be switched on"}
	}
	if c.store.loc.Memory || c.store.ReadOnly() {
		// The first read shows whether the file is a database at all.
		_, err := c.QueryInt("SELECT 1 FROM sqlite_schema")
		return err
	}
	mode, err := c.QueryText("PRAGMA journal_mode")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return &Error{Class: Mismatch, Op: "connect", Msg: fmt.Sprintf("the journal mode is %q and not wal: another program changed it; close that program and reopen the database", mode)}
	}
	return nil
}
