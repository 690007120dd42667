package lane

import (
	"sync"
	"sync/atomic"
	"time"
)

// queue is the writer's waiting room.
type queue struct {
	mu     sync.Mutex
	room   room
	work   groupPace
	closed bool
	wake   chan struct{} // capacity 1: something was put
	ended  chan struct{} // closed with the queue

	depthNow atomic.Int64 // depth, for statistics without the lock
}

func newQueue(cfg WriterConfig, quotas Quotas) *queue {
	q := &queue{wake: make(chan struct{}, 1), ended: make(chan struct{}), work: groupPace{most: cfg.GroupJobs, span: cfg.GroupTime}}
	q.room.open("writer", cfg.Queue, cfg.QueueTimeout, cfg.QueueTarget, quotas)
	q.room.apart = true
	q.room.pace = q.work.wait
	return q
}

// unlock publishes the depth.
func (q *queue) unlock() {
	q.depthNow.Store(int64(q.room.depth))
	q.mu.Unlock()
}

// put adds j at the end of its line; alone says that nobody else waits. Whoever puts one signals, or takes it himself.
func (q *queue) put(j *job) (alone bool, err error) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false, ErrClosed
	}
	j.queue = q
	alone = q.room.depth == 0
	err = q.room.admit(j.ctx, &j.ticket, j.opt.Tenant)
	q.unlock()
	return alone, err
}

// again puts a job back at the head of its line, in front of those that came later.
func (q *queue) again(j *job) {
	q.mu.Lock()
	q.room.again(&j.ticket)
	q.unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the next job that fits, or nil. fits may be nil.
func (q *queue) take(fits func(*ticket) bool) *job {
	if q.depthNow.Load() == 0 {
		return nil // who puts one at this moment signals after it
	}
	q.mu.Lock()
	defer q.unlock()
	if t := q.room.next(time.Now(), fits); t != nil {
		return t.job
	}
	return nil
}

// withdraw takes a job out whose caller has cancelled it.
func (q *queue) withdraw(j *job) {
	q.mu.Lock()
	defer q.unlock()
	q.room.withdrawn(&j.ticket)
}

// landed counts a job off that was in flight.
func (q *queue) landed(j *job) {
	q.mu.Lock()
	waits := q.room.landed(&j.ticket)
	q.mu.Unlock()
	if waits {
		q.signal()
	}
}

// worked is told of each group, see groupPace.
func (q *queue) worked(members int, run, rest time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.work.add(time.Now(), members, run, rest)
}

// wantsDurable reports whether a waiting job needs an fsync: its group should offer one from the start.
func (q *queue) wantsDurable() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.room.strict > 0
}

// expire turns away the jobs that have waited for longer than the queue lets anybody wait.
func (q *queue) expire(now time.Time) {
	q.mu.Lock()
	defer q.unlock()
	for _, t := range q.room.out(func(t *ticket) bool { return now.Sub(t.queued) > q.room.timeout }) {
		t.refuse(q.room.timedOut(t, now))
	}
}

// close refuses newcomers; those already waiting are still served.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.ended)
	}
}

// over is closed when the queue takes no more.
func (q *queue) over() <-chan struct{} { return q.ended }

// drain empties the queue and tells who was waiting that it is closed.
func (q *queue) drain() {
	q.mu.Lock()
	defer q.unlock()
	for _, t := range q.room.out(func(*ticket) bool { return true }) {
		t.refuse(ErrClosed)
	}
}

// stats describes the lines.
func (q *queue) stats() [classes]QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.room.stats(time.Now())
}
