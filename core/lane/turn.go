package lane

import "sync/atomic"

// turn says who may use a lent connection. The holder enters before each statement and exits after it; the lane takes.
// All transitions are compare-and-swap, so that exactly one side wins each of them.
type turn struct {
	state  atomic.Uint32
	wanted atomic.Bool
}

const (
	turnIdle  = iota // lent, holder outside a statement
	turnBusy         // holder inside a statement
	turnTaken        // back with the lane: the holder must not touch the connection again
)

// enter begins a statement. busy tells a second goroutine from a lost turn.
func (t *turn) enter() (ok, busy bool) {
	if t.state.CompareAndSwap(turnIdle, turnBusy) {
		return true, false
	}
	return false, t.state.Load() == turnBusy
}

// exit ends a statement. It reports false when the turn was taken in mid-statement (the connection was fenced) or is
// wanted back, in which case this call has given it.
func (t *turn) exit() (kept, gaveBack bool) {
	if !t.state.CompareAndSwap(turnBusy, turnIdle) {
		return false, false
	}
	if t.wanted.Load() && t.take() {
		return false, true
	}
	return true, false
}

// take ends the turn if the holder is outside a statement.
func (t *turn) take() bool { return t.state.CompareAndSwap(turnIdle, turnTaken) }

// want asks for the turn: true if it was taken at once, else the holder gives it at the end of its statement.
func (t *turn) want() bool {
	t.wanted.Store(true)
	return t.take()
}

// seize takes the turn from a holder in mid-statement. Only a fence makes that safe, and it must follow at once.
func (t *turn) seize() bool { return t.state.CompareAndSwap(turnBusy, turnTaken) }

// busy reports whether the holder is inside a statement.
func (t *turn) busy() bool { return t.state.Load() == turnBusy }
