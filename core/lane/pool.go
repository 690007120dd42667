package lane

import (
	"context"
	"sync"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// pool is a lane of readers: connections on demand, run slots for those that step.
type pool struct {
	cfg   PoolConfig
	role  sqlite.Role
	lanes *Lanes
	slots *slots

	mu      sync.Mutex
	idle    []parked // last in, first out, so that those at the bottom age and are closed
	open    int      // idle and in use
	waiters []*connWait
	gen     uint64 // connections of an older generation are closed when they come back
	fenced  uint64 // those older than this are fenced instead
	closed  bool
	active  []*Reader // who holds a connection; each knows its place

	readers sync.Pool // of *Reader, of sessions for one statement that have ended

	counts struct{ opened, closedIdle, retired, connWaits, fenced uint64 }
}

// memoryEvery is after how many uses a connection's memory is looked at.
const memoryEvery = 32

// parked is a connection that nobody uses.
type parked struct {
	hold
	since int64 // clock ns
}

// hold is a connection with what the pool must know when it comes back.
type hold struct {
	conn *sqlite.Conn
	gen  uint64 // of the pool when it was opened
	uses int
	// spare is where the connection's next cursor copies its rows to, so that it need not allocate.
	spare sqlite.Block
}

type connWait struct {
	c    chan parked // without a connection: you may open one
	gone bool
}

func newPool(l *Lanes, role sqlite.Role, cfg PoolConfig) *pool {
	return &pool{cfg: cfg, role: role, lanes: l, slots: newSlots(role.String(), cfg, l.cfg.Quotas)}
}

// checkout gets a connection for r, opening one where none is idle and the limit allows.
func (p *pool) checkout(ctx context.Context, r *Reader) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	var got parked
	if n := len(p.idle); n > 0 && !(r.fresh && p.open < p.cfg.Conns) {
		got = p.idle[n-1]
		p.idle[n-1] = parked{}
		p.idle = p.idle[:n-1]
	} else if p.open < p.cfg.Conns {
		p.open++
	} else {
		w := &connWait{c: make(chan parked, 1)}
		p.waiters = append(p.waiters, w)
		p.counts.connWaits++
		p.mu.Unlock()
		var err error
		if got, err = p.await(ctx, r, w); err != nil {
			return err
		}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			p.giveBack(got)
			return ErrClosed
		}
	}
	r.place = len(p.active)
	p.active = append(p.active, r)
	gen := p.gen
	p.mu.Unlock()
	if got.conn != nil {
		r.hold = got.hold
		return nil
	}
	conn, err := p.lanes.connect(ctx, p.role)
	if err != nil {
		p.mu.Lock()
		p.leave(r)
		p.lost()
		p.mu.Unlock()
		return err
	}
	r.hold = hold{conn: conn, gen: gen, spare: r.spare}
	p.mu.Lock()
	p.counts.opened++
	p.mu.Unlock()
	return nil
}

// await waits for a connection to be given back. The run slot is not held meanwhile: those who could give one back need it.
func (p *pool) await(ctx context.Context, r *Reader, w *connWait) (parked, error) {
	p.slots.release()
	began := time.Now()
	timer := time.NewTimer(p.cfg.QueueTimeout)
	defer timer.Stop()
	var got parked
	select {
	case got = <-w.c:
	case <-ctx.Done():
		return got, p.forsake(w, r, context.Cause(ctx), began)
	case <-timer.C:
		return got, p.forsake(w, r, nil, began)
	}
	if err := p.slots.again(ctx, r.class); err != nil {
		p.giveBack(got)
		r.slotless = true
		return parked{}, err
	}
	r.queued += time.Since(began)
	return got, nil
}

// forsake leaves the line of those who wait for a connection.
func (p *pool) forsake(w *connWait, r *Reader, cause error, began time.Time) error {
	r.slotless = true
	p.mu.Lock()
	select {
	case got := <-w.c:
		p.mu.Unlock()
		p.giveBack(got)
		p.mu.Lock()
	default:
	}
	w.gone = true
	depth := len(p.waiters)
	p.mu.Unlock()
	if cause != nil {
		return cause
	}
	p.slots.unconnected(r.class)
	return &OverloadError{Lane: p.role.String(), Class: r.class, Reason: ReasonConnections, Depth: depth, Waited: time.Since(began),
		RetryAfter: p.cfg.QueueTimeout / 4,
		Hint:       "all connections are held by open rows and Views: close them sooner or raise the lane's Connections"}
}

// giveBack returns what await was given: a connection, or the right to open one.
func (p *pool) giveBack(got parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case got.conn == nil:
		p.lost()
	case p.closed: // nobody else comes by to close it
		got.conn.Close()
		p.lost()
	default:
		p.park(got)
	}
}

// checkin takes r's connection back. A connection that is in doubt, stale or fat is closed.
func (p *pool) checkin(r *Reader, sound bool) {
	conn := r.conn
	r.conn = nil
	p.slots.leave(r.ticket)
	sound = sound && conn.Broken() == nil
	if r.uses++; sound && r.uses%memoryEvery == 0 {
		sound = conn.MemoryUsed() <= p.cfg.MemoryBound
	}
	p.mu.Lock()
	if sound && r.gen == p.gen && !p.closed {
		p.leave(r)
		back := parked{hold: r.hold, since: p.lanes.clock.late()}
		back.conn = conn
		r.spare = sqlite.Block{}
		p.park(back)
		p.mu.Unlock()
		return
	}
	stale := r.gen < p.fenced
	p.mu.Unlock()
	if stale {
		conn.Fence() // see retire
	}
	conn.Close() // before r counts as gone: drain waits for it, and then the store must have no connection left
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.retired++
	if r.place >= 0 { // else it was abandoned and counted off
		p.leave(r)
		p.lost()
	}
}

// park puts a connection where the next caller finds it. p.mu is held.
func (p *pool) park(c parked) {
	for len(p.waiters) > 0 {
		w := p.waiters[0]
		p.waiters[0] = nil
		p.waiters = p.waiters[1:]
		if !w.gone {
			w.c <- c
			return
		}
	}
	p.idle = append(p.idle, c)
}

// lost counts a connection off and lets a waiter open another. p.mu is held.
func (p *pool) lost() {
	for len(p.waiters) > 0 {
		w := p.waiters[0]
		p.waiters[0] = nil
		p.waiters = p.waiters[1:]
		if !w.gone {
			w.c <- parked{}
			return
		}
	}
	p.open--
}

// reap closes the connections that were idle for too long. Who was given back last is used first, so the old ones are
// at the front.
func (p *pool) reap(now time.Time) {
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && time.Duration(p.lanes.clock.ns(now)-p.idle[n].since) >= p.cfg.IdleTimeout {
		n++
	}
	old := append([]parked(nil), p.idle[:n]...)
	p.idle = append([]parked(nil), p.idle[n:]...)
	p.open -= n
	p.counts.closedIdle += uint64(n)
	p.mu.Unlock()
	for _, c := range old {
		c.conn.Close()
	}
}

// letGo ends the snapshots that idle connections keep for the next read: they would keep the WAL from being reset.
func (p *pool) letGo() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		// What fails here fails again for the connection's next user, who gives it back as unsound.
		_ = p.idle[i].conn.LetGo()
	}
}

// retire gives up the connections of today, those in use when they come back. fence is for files that have been replaced: to close a
// connection could unlink those that are now in their place.
func (p *pool) retire(fence bool) {
	p.mu.Lock()
	p.gen++
	if fence {
		p.fenced = p.gen
	}
	old := p.idle
	p.idle = nil
	p.open -= len(old)
	p.mu.Unlock()
	for _, c := range old {
		if fence {
			c.conn.Fence()
		} else {
			c.conn.Close()
		}
	}
}

// close closes the idle connections and lets nobody in; those in use are closed when they come back.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	old := p.idle
	p.idle = nil
	p.open -= len(old)
	for _, w := range p.waiters {
		if !w.gone {
			w.c <- parked{}
			p.open++ // the waiter finds the pool closed and counts itself off
		}
	}
	p.waiters = nil
	p.mu.Unlock()
	for _, c := range old {
		c.conn.Close()
	}
}

// holders lists who holds a connection.
func (p *pool) holders() []*Reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Reader(nil), p.active...)
}

// leave takes r off the list of those who hold a connection. p.mu is held.
func (p *pool) leave(r *Reader) {
	last := len(p.active) - 1
	p.active[r.place] = p.active[last]
	p.active[r.place].place = r.place
	p.active[last] = nil
	p.active = p.active[:last]
	r.place = -1
}

// drain closes the pool: it waits for the sessions to end until ctx does, then ends them.
func (p *pool) drain(ctx context.Context) error {
	p.close()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var err error
	var fence <-chan time.Time
	done := ctx.Done()
	for {
		left := p.holders()
		if len(left) == 0 {
			return err
		}
		if err != nil {
			for _, r := range left {
				r.expire(r.serial.Load(), ErrClosed)
			}
		}
		select {
		case <-done:
			err, done = context.Cause(ctx), nil
			fence = time.After(p.lanes.cfg.Writer.Grace)
		case <-fence:
			for _, r := range left {
				p.abandon(r, p.lanes.cfg.Writer.Grace)
			}
		case <-tick.C:
		}
	}
}
