package sqlite

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// fenceWait bounds how long Fence waits for a call inside SQLite. A point read takes microseconds, an fsync some milliseconds.
const fenceWait = 100 * time.Millisecond

// connContext is the context that the driver polls: in every Step, Prepare and Exec, every thousand steps of a running statement,
// and while it waits for a lock. It is also where a running statement meets its fence.
type connContext struct {
	gate    *gate
	parent  context.Context
	kick    atomic.Pointer[kick]
	masked  atomic.Int32 // > 0: transaction control is running, which nothing interrupts
	asked   atomic.Bool  // the watchdog wants to know whether anybody polls; a poll takes it back
	memory  arena        // what the watchdog takes away
	faults  bool         // what debug.SetPanicOnFault was before enter
	seen    seen
	patient bool        // see SetPatience
	overdue atomic.Bool // the watchdog's: patience has ended
}

type kick struct{ cause error }

// Deadline implements context.Context.
func (*connContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context. The driver polls Err and never waits.
func (*connContext) Done() <-chan struct{} { return nil }

// Value implements context.Context.
func (*connContext) Value(any) any { return nil }

// Err implements context.Context.
func (c *connContext) Err() error {
	c.gate.check()
	if c.asked.Load() { // a step is too short for a counter that it would have to write to
		c.asked.Store(false)
	}
	if c.masked.Load() > 0 {
		return nil
	}
	return c.ended()
}

func (c *connContext) cause() error {
	if k := c.kick.Load(); k != nil {
		return k.cause
	}
	return context.Cause(c.parent)
}

// enter must precede every use of the driver. A successful enter is followed by a deferred leave.
func (c *Conn) enter(op string) error {
	if b := c.broken.Load(); b != nil {
		return b.err
	}
	if c.gate.enter() {
		if c.vfs.last != nil {
			c.vfs.last = nil // of an earlier call, which SQLite could do without
		}
		c.ctx.faults = debug.SetPanicOnFault(true) // see watchdog
		return nil
	}
	if c.gate.fenced() {
		return c.fencedError(op)
	}
	return &Error{Class: Misuse, Op: op, Msg: "the connection is in use by another goroutine or by a function it called"}
}

// leave ends what enter began. It recovers whatever came up from SQLite.
func (c *Conn) leave(op string, errp *error) {
	if r := recover(); r != nil {
		c.ctx.masked.Add(1) // from here on the watchdog takes nothing
		c.gate.released()
		c.caught(r, op, errp)
		c.ctx.masked.Add(-1)
		debug.SetPanicOnFault(c.ctx.faults) // not before: what was caught is looked at in SQLite's memory
		return
	}
	left := c.gate.leave()
	debug.SetPanicOnFault(c.ctx.faults)
	switch {
	case !left:
		e := c.fencedError(op)
		c.breakOff(e, false)
		*errp = e
	case c.ctx.memory.off.Load(): // it came back in the very moment in which its memory was taken
		e := c.takenError(op)
		c.breakOff(e, false)
		*errp = e
	}
}

// takenError is the error of a call whose memory the watchdog took.
func (c *Conn) takenError(op string) *Error {
	return &Error{Class: Interrupt, Op: op, Cause: c.ctx.cause(), Msg: "interrupted inside an instruction that does not end by itself; the connection is discarded"}
}

func (c *Conn) caught(r any, op string, errp *error) {
	if _, ok := r.(fenceSignal); ok {
		e := c.fencedError(op)
		c.breakOff(e, false)
		c.gate.quit()
		*errp = e
		return
	}
	if c.ctx.memory.off.Load() {
		e := c.takenError(op)
		c.breakOff(e, false)
		*errp = e
		c.settleGate(op, errp)
		return
	}
	e := &Error{Class: Poisoned, Op: op, Cause: &PanicError{Value: r, Stack: debug.Stack()},
		Msg: "SQLite failed in a way it cannot continue from; the connection is discarded"}
	if isOutOfMemory(r) {
		e.Class, e.Msg = OutOfMemory, "the connection's memory limit is reached; ask for less at a time or raise Options.Memory for the "+c.role.String()
	}
	c.breakOff(e, !insideWasm())
	*errp = e
	c.settleGate(op, errp)
}

// settleGate leaves the gate after a panic.
func (c *Conn) settleGate(op string, errp *error) {
	c.gate.filing.Store(false)
	// The panic may have come from a registered function.
	c.gate.state.CompareAndSwap(gateInGo, gateInside)
	if !c.gate.leave() {
		*errp = c.fencedError(op)
	}
}

func isOutOfMemory(r any) bool {
	switch v := r.(type) {
	case error:
		return strings.Contains(v.Error(), "out of memory")
	case string:
		return strings.Contains(v, "out of memory")
	}
	return false
}

// insideWasm reports whether the panic being recovered unwound SQLite's own code. The driver panics for want of memory in two places:
// in the middle of SQLite, and after SQLite returned NOMEM in good order; only the second leaves a connection that can roll back.
func insideWasm() bool {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "github.com/ncruces/go-sqlite3-wasm/") {
			return true
		}
		if !more {
			return false
		}
	}
}

func (c *Conn) tryAutocommit() (on bool) {
	defer func() {
		if recover() != nil {
			on = false
		}
	}()
	return c.raw.GetAutocommit()
}

func (c *Conn) fencedError(op string) *Error {
	return &Error{Class: Fenced, Op: op, Msg: "the connection was taken away because its holder did not return it; whether an open commit took effect is unknown"}
}

// breakOff marks the connection as lost; the first reason stays. It is called from inside. clean says that SQLite has returned.
func (c *Conn) breakOff(e *Error, clean bool) {
	if clean {
		c.autoco = c.tryAutocommit()
	}
	c.broken.CompareAndSwap(nil, &brokenState{err: e, clean: clean})
}

// Broken returns why the connection must be discarded, or nil. Safe for concurrent use.
func (c *Conn) Broken() error {
	if b := c.broken.Load(); b != nil {
		return b.err
	}
	if c.gate.fenced() {
		return c.fencedError("")
	}
	return nil
}

// Fence takes the connection away from whoever holds it, at whatever point, and releases its locks so that others can write. SQLite's
// code never runs on it again: a call in flight fails with class Fenced as soon as it touches SQLite. The connection's addresses stay
// reserved until the process ends, and its memory with them while a call is in flight, see Store.Leaked. Safe for concurrent use.
//
// # Errors
//
// Class Busy when SQLite itself (and not a registered function) still ran after 100 ms, for example in an fsync that does not return.
// The locks are then still held, because taking them from running code can corrupt the database; they are released by the call itself
// as soon as it comes to its next file call or its next thousand steps.
func (c *Conn) Fence() error {
	c.broken.CompareAndSwap(nil, &brokenState{err: c.fencedError("")})
	first, done, err := c.gate.fence(fenceWait)
	if first {
		c.store.leak(c)
	}
	if err != nil {
		return err
	}
	if done && c.gate.left() {
		c.ctx.memory.giveBack()
	}
	if !done {
		return &Error{Class: Busy, Op: "fence", Msg: "a call is still running inside SQLite; its locks are released as soon as it returns"}
	}
	return nil
}

// Close closes the connection and all its statements; an open transaction is rolled back. A broken connection is closed where SQLite
// can still do it, and fenced and leaked where it cannot; that is no error. Closing twice does nothing.
func (c *Conn) Close() error {
	b := c.broken.Load()
	switch {
	case c.gate.fenced(), b != nil && b.closed:
		return nil
	case b != nil && !b.clean:
		return c.Fence()
	}
	if !c.gate.enter() {
		if c.gate.fenced() {
			return nil
		}
		return &Error{Class: Misuse, Op: "close", Msg: "the connection is in use by another goroutine; use Fence to take it away"}
	}
	closed, err := c.shut(b != nil)
	if !closed {
		// Nothing runs on a connection that could not be closed, so its locks may be taken.
		return errors.Join(err, c.Fence())
	}
	c.store.forget(c)
	c.broken.Store(&brokenState{closed: true, clean: true, err: &Error{Class: Misuse, Msg: "the connection is closed"}})
	return err
}

// finalise drops the error that closing a statement repeats from its last step. When that was NOMEM the driver panics with it,
// after SQLite is done; any other panic goes on.
func finalise(s *sqlite3.Stmt) {
	defer func() {
		if r := recover(); r != nil && (!isOutOfMemory(r) || insideWasm()) {
			panic(r)
		}
	}()
	_ = s.Close()
}

func (c *Conn) shut(broken bool) (closed bool, err error) {
	defer c.leave("close", &err)
	c.guard.bypass++
	c.ctx.masked.Add(1)
	if broken || c.store.keepLog.Load() || c.store.LogInDoubt() || c.store.track != nil && c.store.track.unsynced.Load() {
		// What could not be synced must not be copied into the database on the way out, nor anything into one that is damaged.
		if _, err := c.raw.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
			return false, c.wrap("close", err)
		}
	}
	c.stmts.clear()
	for _, s := range slices.Collect(c.raw.Stmts()) {
		finalise(s)
	}
	if !c.raw.GetAutocommit() {
		if e := c.raw.Exec("ROLLBACK"); e != nil && !broken {
			err = c.wrap("close", e)
		}
	}
	if e := c.raw.Close(); e != nil {
		return false, c.wrap("close", e)
	}
	if c.linger.index != nil {
		c.linger.index.close()
		c.linger.index = nil
	}
	return true, err
}
