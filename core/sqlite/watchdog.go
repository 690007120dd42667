package sqlite

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// watchEvery is how often the watchdog looks at the connections. A call whose time is up comes back after three looks at the latest.
const watchEvery = 10 * time.Millisecond

// watchdog ends instructions of SQLite that do not look at the clock. SQLite polls for an interruption between the instructions of its
// virtual machine, and one instruction may be instr() of two values of 8 MB, which compares for hours, a sort, or a pattern against a
// large text. There is one way into such a loop that needs nobody's cooperation: the connection's memory is taken away, so that its next
// access to it panics on its own goroutine, as a fence does. The connection is lost, the caller is back.
type watchdog struct {
	stop  chan struct{}
	ended sync.WaitGroup
	once  sync.Once
	taken atomic.Int64                 // connections that lost their memory
	spent func() (time.Duration, bool) // processor time of the process; false where nobody knows
}

func (s *Store) startWatchdog() {
	s.dog.stop, s.dog.spent = make(chan struct{}), processorTime
	s.dog.ended.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-s.dog.stop:
				return
			case <-tick.C:
				s.watch()
			}
		}
	})
}

func (s *Store) stopWatchdog() {
	s.dog.once.Do(func() {
		if s.dog.stop != nil {
			close(s.dog.stop)
			s.dog.ended.Wait()
		}
	})
}

// watch looks at every connection once.
func (s *Store) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := moment{}
	if len(s.live)+len(s.leaked) > 0 {
		now.spent, now.known = s.dog.spent()
	}
	for c := range s.live {
		silent := c.silent(now)
		if c.overdue(silent) {
			s.dog.taken.Add(1)
		}
	}
	for _, c := range s.leaked {
		if c.stranded(now) {
			s.dog.taken.Add(1)
		}
	}
}

// stranded looks whether a fenced connection is still inside an instruction that meets no fence, and takes its memory away. Behind a fence no
// file call begins any more, so only one that was under way can use the memory. What has come out gives its memory back.
func (c *Conn) stranded(now moment) bool {
	memory := &c.ctx.memory
	if memory.gone.Load() {
		return false
	}
	if c.gate.left() {
		memory.giveBack()
		return false
	}
	if memory.off.Load() || c.gate.state.Load()&gateWhere != gateInside || c.gate.filing.Load() {
		c.ctx.seen.begins(now)
		return false
	}
	return c.ctx.seen.goesOn(now) && memory.protect()
}

// silent reports whether the connection has been inside SQLite without a poll since the last look. The fields are the watchdog's own.
func (c *Conn) silent(now moment) bool {
	same := c.ctx.asked.Load() && c.gate.state.Load() == gateInside
	c.ctx.asked.Store(true)
	if !same {
		c.ctx.seen.begins(now)
		return false
	}
	return c.ctx.seen.goesOn(now)
}

// overdue looks whether the call was cancelled that the connection is in, ends the patience with it, and takes its memory away where it
// has not polled. While the gate is held the connection's goroutine can neither leave SQLite nor begin a file call, so that what is
// looked at stays true.
func (c *Conn) overdue(silent bool) bool {
	if !c.gate.hold() {
		c.ctx.seen.over = 0
		return false
	}
	defer c.gate.letGo()
	if c.ctx.masked.Load() > 0 {
		return false
	}
	if c.ctx.patient && c.ctx.parent.Err() != nil {
		if c.ctx.seen.over++; c.ctx.seen.over == looks {
			c.ctx.overdue.Store(true)
			return false // it may poll yet
		}
	} else {
		c.ctx.seen.over = 0
	}
	if !silent || c.gate.filing.Load() || c.ctx.ended() == nil {
		return false
	}
	return c.ctx.memory.protect()
}

// looks is how often the watchdog has to see the same before it believes it.
const looks = 2

// atWork is the processor time that the process has to have spent on a call that is not polling. An instruction without an end spends all that it gets; a
// call that is quiet because the machine gives us no processor spends none, and losing its connection would cost a writer its transaction. It is a
// quarter of two looks, because the system counts in steps of up to 10 ms.
const atWork = looks * watchEvery / 4

// moment is what the process has spent by a look.
type moment struct {
	spent time.Duration
	known bool
}

// seen is what the watchdog remembers of a connection between two looks.
type seen struct {
	quiet int    // looks without a poll
	since moment // the look before them
	over  int    // looks at a patient call after its time
}

func (s *seen) begins(now moment) { s.quiet, s.since = 0, now }

// goesOn counts a look without a poll, and reports whether they are enough to believe that there will be none.
func (s *seen) goesOn(now moment) bool {
	s.quiet++
	return s.quiet >= looks && (!now.known || !s.since.known || now.spent-s.since.spent >= atWork)
}

// hold keeps the connection's goroutine from leaving SQLite, from entering a Go function and from beginning a file call, until letGo.
// It fails when the goroutine is not inside.
func (g *gate) hold() bool { return g.state.CompareAndSwap(gateInside, gateInside|gateHeld) }

func (g *gate) letGo() { g.state.And(^gateHeld) }

// released waits until nobody holds the gate: some microseconds.
func (g *gate) released() {
	for g.state.Load()&gateHeld != 0 {
		runtime.Gosched()
	}
}

// swap changes the state from one to the other, however often the watchdog holds it for a moment. It reports false when the gate was shut:
// the state is looked at once nobody holds it, because a hold that ends between two looks must not pass for a fence.
func (g *gate) swap(from, to uint32) bool {
	for !g.state.CompareAndSwap(from, to) {
		g.released()
		if g.state.Load()&^gateHeld != from {
			return false
		}
	}
	return true
}

// arena is the address space that a connection's SQLite runs in.
type arena struct {
	mem  atomic.Pointer[[]byte] // nil: unknown, so never touched
	off  atomic.Bool            // taken
	gone atomic.Bool            // given back
}

// find looks for the memory of a connection. The driver keeps it to itself; where a version keeps it elsewhere than expected the
// connection has no watchdog, and TestWatchdogEndsAnInstruction fails.
func (a *arena) find(conn any) {
	v := reflect.ValueOf(conn).Elem().FieldByName("wrp")
	for _, name := range []string{"Memory", "Buf"} {
		if v.IsValid() && v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if !v.IsValid() || v.Kind() != reflect.Struct {
			return
		}
		v = v.FieldByName(name)
	}
	if v.IsValid() && v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && v.Cap() > 0 {
		mem := unsafe.Slice((*byte)(v.UnsafePointer()), v.Cap())
		a.mem.Store(&mem)
	}
}

// protect takes the memory away. It reports whether it did, now or before.
func (a *arena) protect() bool {
	mem := a.mem.Load()
	if mem == nil {
		return false
	}
	a.off.Store(true) // ahead of the fault, which asks for it
	if !takeMemory(*mem) {
		a.off.Store(false)
		return false
	}
	return true
}

// giveBack returns to the system what a connection occupies that nothing will run on again. The addresses stay reserved, because the
// driver still knows them.
func (a *arena) giveBack() {
	if mem := a.mem.Load(); mem != nil && takeMemory(*mem) && dropMemory(*mem) {
		a.gone.Store(true)
	}
}

// ended is why the call under way must end; nil while it may go on.
func (c *connContext) ended() error {
	if c.kick.Load() != nil {
		return context.Canceled
	}
	if c.patient && !c.overdue.Load() {
		return nil
	}
	return c.parent.Err()
}

// SetPatience is SetContext for a statement whose interruption costs others something, because it undoes all that the transaction has
// done: it is interrupted only when ctx has been over for two looks of the watchdog, so not when it is about to end by itself.
func (c *Conn) SetPatience(ctx context.Context) {
	c.SetContext(ctx)
	c.ctx.patient = true
}
