package sqlite

import (
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// stmtKey identifies a compiled statement. The guard is part of it: a statement compiled for a trusted caller must not reach a user.
type stmtKey struct {
	sql   string
	guard Guard
}

// cacheSlot is a statement's place in the cache.
type cacheSlot struct {
	key        stmtKey
	prev, next *Stmt
	cached     bool
}

// stmtCache keeps the most recently used statements of a connection compiled.
type stmtCache struct {
	max   int
	byKey map[stmtKey]*Stmt
	ring  Stmt // sentinel of the list; its next is the most recently used
}

func newStmtCache(max int) stmtCache { return stmtCache{max: max, byKey: make(map[stmtKey]*Stmt, max)} }

func (c *stmtCache) init() {
	if c.ring.slot.next == nil {
		c.ring.slot.next, c.ring.slot.prev = &c.ring, &c.ring
	}
}

func (c *stmtCache) get(key stmtKey) *Stmt {
	s := c.byKey[key]
	if s == nil {
		return nil
	}
	if c.ring.slot.next != s {
		c.unlink(s)
		c.push(s)
	}
	return s
}

func (c *stmtCache) unlink(s *Stmt) {
	s.slot.prev.slot.next, s.slot.next.slot.prev = s.slot.next, s.slot.prev
}

func (c *stmtCache) push(s *Stmt) {
	c.init()
	s.slot.prev, s.slot.next = &c.ring, c.ring.slot.next
	s.slot.prev.slot.next, s.slot.next.slot.prev = s, s
}

// put adds s and makes room by finalising what was not used for longest and is not in use now.
func (c *stmtCache) put(s *Stmt) {
	if c.max <= 0 {
		return
	}
	for old := c.ring.slot.prev; len(c.byKey) >= c.max && old != nil && old != &c.ring; {
		prev := old.slot.prev
		if !old.inUse {
			c.remove(old)
			finalise(old.raw)
		}
		old = prev
	}
	if len(c.byKey) >= c.max {
		return
	}
	s.slot.cached = true
	c.byKey[s.slot.key] = s
	c.push(s)
}

func (c *stmtCache) remove(s *Stmt) {
	c.unlink(s)
	delete(c.byKey, s.slot.key)
	s.slot.cached = false
}

func (c *stmtCache) clear() {
	clear(c.byKey)
	c.ring.slot.next, c.ring.slot.prev = nil, nil
}

// Prepare returns the compiled statement for sql, which must hold exactly one statement; blanks, comments and semicolons around it are
// ignored. It comes from the connection's cache when it can; while a statement is in use, asking again gives a copy of its own.
// Give it back with Stmt.Release.
//
// # Errors
//
// Class Misuse for a second statement in sql, Auth for what the guard refuses, Args for an empty statement.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	key := stmtKey{sql, c.guard.active}
	if s := c.stmts.get(key); s != nil && !s.inUse {
		if b := c.broken.Load(); b != nil {
			return nil, b.err
		}
		if c.gate.fenced() {
			return nil, c.fencedError("prepare")
		}
		s.inUse = true
		return s, nil
	}
	s, tail, err := c.prepareRaw(sql)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, &Error{Class: Args, Op: "prepare", Msg: "there is no statement in the text"}
	}
	if rest := skipBlank(tail, true); rest < len(tail) {
		s.Release()
		return nil, &Error{Class: Misuse, Op: "prepare", Msg: "one statement at a time: run several one after the other, in one Update where they belong together"}
	}
	s.slot.key = key
	if c.stmts.byKey[key] == nil {
		if err := c.keep(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (c *Conn) keep(s *Stmt) (err error) {
	if err := c.enter("prepare"); err != nil {
		return err
	}
	defer c.leave("prepare", &err)
	c.stmts.put(s)
	return nil
}

// prepareRaw compiles the first statement of sql and returns the text after it. A nil Stmt means that there is none.
func (c *Conn) prepareRaw(sql string) (s *Stmt, tail string, err error) {
	if err := c.enter("prepare"); err != nil {
		return nil, "", err
	}
	defer c.leave("prepare", &err)
	sql = sql[skipBlank(sql, true):]
	if sql == "" {
		return nil, "", nil
	}
	if strings.IndexByte(sql, 0) >= 0 {
		return nil, "", &Error{Class: Args, Op: "prepare", Msg: "the SQL text holds a NUL byte"}
	}
	c.guard.seen, c.guard.denied, c.guard.inner = 0, nil, nil
	raw, tail, err := c.raw.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, "", c.wrap("prepare", err)
	}
	if raw == nil {
		return nil, tail, nil
	}
	if c.guard.active.ReadOnly && c.guard.bypass == 0 && !raw.ReadOnly() {
		_ = raw.Close()
		return nil, "", (&denied{what: "a statement that writes", use: "a write transaction (Update, Exec or Batch)"}).error("prepare")
	}
	s = &Stmt{conn: c, raw: raw, sql: sql[:len(sql)-len(tail)], seen: c.guard.seen, inner: c.guard.inner, inUse: true}
	s.params = int32(raw.BindCount())
	return s, tail, nil
}
