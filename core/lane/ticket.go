package lane

import (
	"sync/atomic"
	"time"
)

// ticket is a place in a line: of a transaction that waits for the writer, or of a caller that waits for a run slot.
type ticket struct {
	class  Class
	tenant *tenant
	queued time.Time // when it came
	taken  time.Time // when its turn came
	state  atomic.Uint32
	job    *job       // of the writer; nil: it waits for a slot
	grant  chan error // where a slot, or the refusal of one, arrives; room for one
	flying bool       // it counts against its tenant's in-flight quota
}

const (
	ticketWaiting = iota
	ticketClaimed
	ticketCancelled
)

// claim takes a waiting ticket out for its lane; false when its caller gave up first.
func (t *ticket) claim() bool { return t.state.CompareAndSwap(ticketWaiting, ticketClaimed) }

// cancel withdraws a waiting ticket; false when the lane has it already.
func (t *ticket) cancel() bool { return t.state.CompareAndSwap(ticketWaiting, ticketCancelled) }

func (t *ticket) cancelled() bool { return t.state.Load() == ticketCancelled }

// refuse tells the caller of a claimed ticket that its turn will not come.
func (t *ticket) refuse(err error) {
	if t.job != nil {
		t.job.done(err)
		return
	}
	t.grant <- err
}

// durable reports whether it wants an fsync.
func (t *ticket) durable() bool { return t.job != nil && t.job.durable() }
