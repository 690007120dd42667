package lane

import (
	"sync"
	"sync/atomic"
	"time"
)

// floorEvery is how often the lane looks at the classes from the bottom, so that a flood of trades cannot starve the
// rest: one pick in sixteen.
const floorEvery = 16

// queue is the writer's waiting room: a bounded line per class.
type queue struct {
	mu     sync.Mutex
	lines  [classes]line
	limit  int
	picks  uint
	depth  int
	strict int // waiting jobs that want a durable commit
	closed bool
	wake   chan struct{} // capacity 1: something was put
	ended  chan struct{} // closed with the queue

	depthNow atomic.Int64 // depth, for statistics without the lock
}

// line is a FIFO that reuses its array.
type line struct {
	jobs []*job
	head int
}

func (l *line) len() int { return len(l.jobs) - l.head }

func (l *line) push(j *job) {
	if l.head > 64 && l.head*2 > len(l.jobs) {
		n := copy(l.jobs, l.jobs[l.head:])
		clear(l.jobs[n:])
		l.jobs, l.head = l.jobs[:n], 0
	}
	l.jobs = append(l.jobs, j)
}

func (l *line) pushFront(j *job) {
	if l.head > 0 {
		l.head--
		l.jobs[l.head] = j
		return
	}
	l.jobs = append([]*job{j}, l.jobs...)
}

func (l *line) peek() *job { return l.jobs[l.head] }

func (l *line) pop() *job {
	j := l.jobs[l.head]
	l.jobs[l.head] = nil
	l.head++
	if l.head == len(l.jobs) {
		l.jobs, l.head = l.jobs[:0], 0
	}
	return j
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// put adds j at the end of its class's line.
func (q *queue) put(j *job) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	l := &q.lines[j.opt.Class]
	if l.len() >= q.limit {
		depth := q.depth
		q.mu.Unlock()
		return &OverloadError{Lane: "writer", Class: j.opt.Class, Reason: "queue full", Depth: depth, RetryAfter: 10 * time.Millisecond}
	}
	l.push(j)
	q.counted(j, 1)
	q.mu.Unlock()
	q.signal()
	return nil
}

// again puts a job back at the head of its line, in front of those that came later.
func (q *queue) again(j *job) {
	q.mu.Lock()
	q.lines[j.opt.Class].pushFront(j)
	q.counted(j, 1)
	q.mu.Unlock()
	q.signal()
}

func (q *queue) counted(j *job, n int) {
	q.depth += n
	q.depthNow.Store(int64(q.depth))
	if j.durable() {
		q.strict += n
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the next job that fits, or nil. fits may be nil. Jobs whose callers gave up are dropped on the way.
func (q *queue) take(fits func(*job) bool) *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.picks++
	low := q.picks%floorEvery == 0
	for i := range rank {
		at := i
		if low {
			at = classes - 1 - i
		}
		l := &q.lines[rank[at]]
		for l.len() > 0 {
			j := l.peek()
			if fits != nil && !fits(j) {
				return nil // who is first waits for the next group; nobody of its class or below overtakes
			}
			l.pop()
			q.counted(j, -1)
			if j.claim() {
				return j
			}
		}
	}
	return nil
}

// wantsDurable reports whether a waiting job needs an fsync: its group should offer one from the start.
func (q *queue) wantsDurable() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.strict > 0
}

// expire turns away the jobs that were put before cutoff.
func (q *queue) expire(now time.Time, limit time.Duration) (gone []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c := range q.lines {
		l := &q.lines[c]
		for l.len() > 0 && now.Sub(l.peek().queued) > limit {
			j := l.pop()
			q.counted(j, -1)
			if j.claim() {
				gone = append(gone, j)
			}
		}
	}
	return gone
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

// drain empties the queue and returns who was waiting.
func (q *queue) drain() (left []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c := range q.lines {
		for q.lines[c].len() > 0 {
			j := q.lines[c].pop()
			q.counted(j, -1)
			if j.claim() {
				left = append(left, j)
			}
		}
	}
	return left
}
