package lane

import (
	"sync"
	"sync/atomic"
)

// turn says who may use a lent connection. The holder enters before each statement and exits after it; the lane takes.
// All transitions are compare-and-swap, so that exactly one side wins each of them.
type turn struct {
	state  atomic.Uint32
	wanted atomic.Bool
	mu     sync.Mutex // held while a statement is interrupted, so that its end waits for that
}

const (
	turnIdle   = iota // lent, holder outside a statement
	turnBusy          // holder inside a statement
	turnKicked        // holder inside a statement that was interrupted
	turnTaken         // back with the lane: the holder must not touch the connection again
)

// enter begins a statement. busy tells a second goroutine from a lost turn.
func (t *turn) enter() (ok, busy bool) {
	if t.state.CompareAndSwap(turnIdle, turnBusy) {
		return true, false
	}
	return false, t.busy()
}

// exit ends a statement. kept is false when the turn was taken in mid-statement: the connection was fenced. undo runs
// before the turn is idle, if the statement was interrupted.
func (t *turn) exit(undo func()) (kept bool) {
	for !t.state.CompareAndSwap(turnBusy, turnIdle) {
		t.mu.Lock()
		if t.state.Load() == turnKicked {
			undo() // a seizure in this very moment finds the statement ended, and the fence an idle connection: both are sound
		}
		ended, taken := t.state.CompareAndSwap(turnKicked, turnIdle), t.state.Load() == turnTaken
		t.mu.Unlock()
		if ended {
			return true
		}
		if taken {
			return false
		}
	}
	return true
}

// yield gives the turn back if it is wanted. It follows exit, once the connection is in order again.
func (t *turn) yield() bool { return t.wanted.Load() && t.take() }

// take ends the turn if the holder is outside a statement.
func (t *turn) take() bool { return t.state.CompareAndSwap(turnIdle, turnTaken) }

// want asks for the turn: true if it was taken at once, else the holder gives it at the end of its statement.
func (t *turn) want() bool {
	t.wanted.Store(true)
	return t.take()
}

// kick runs interrupt if the holder is inside the statement that same reports to be meant. The statement cannot end
// before interrupt has returned, so what it does cannot reach the next one.
func (t *turn) kick(same func() bool, interrupt func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.state.CompareAndSwap(turnBusy, turnKicked) {
		return false
	}
	if !same() {
		t.state.Store(turnBusy)
		return false
	}
	interrupt()
	return true
}

// seize takes the turn from a holder whose interrupted statement does not end. Only a fence makes that safe, and it must
// follow at once.
func (t *turn) seize() bool { return t.state.CompareAndSwap(turnKicked, turnTaken) }

// busy reports whether the holder is inside a statement.
func (t *turn) busy() bool {
	s := t.state.Load()
	return s == turnBusy || s == turnKicked
}

// kicked reports whether the holder's statement was interrupted and has not ended.
func (t *turn) kicked() bool { return t.state.Load() == turnKicked }
