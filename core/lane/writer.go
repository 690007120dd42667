package lane

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
)

// writer is the lane that writes.
type writer struct {
	cfg     WriterConfig
	wal     WALConfig
	store   *sqlite.Store
	lanes   *Lanes
	q       *queue
	stats   writerStats
	groups  atomic.Uint64
	busy    atomic.Bool // a shift is at work: the supervisor must look
	left    givenUp
	damaged atomic.Pointer[error] // what was acknowledged is not there any more: nothing is written until Thaw
	acked   sqlite.LogMark        // the end of what was acknowledged last; the shift's

	mu    sync.Mutex
	shift *shift         // who is at work
	wg    sync.WaitGroup // shifts that can still end by themselves

	names
}

// names is what is known of the names of the files.
type names struct {
	suspect atomic.Bool   // they may lead to other files by now
	ordered atomic.Uint64 // times that they were brought in order
}

func newWriter(l *Lanes, cfg Config) *writer {
	w := &writer{cfg: cfg.Writer, wal: cfg.WAL, store: l.store, lanes: l, q: newQueue(cfg.Writer, cfg.Quotas)}
	w.busy.Store(true)
	return w
}

// open makes the first connection, so that Open fails where the database cannot be written, and begins to work.
func (w *writer) open(ctx context.Context) error {
	conn, err := w.first(ctx)
	if err != nil && !w.store.Degraded() {
		return err
	}
	s := newShift(w)
	s.conn = conn // nil where the file system is read only for now: each group tries again
	s.checks.mark()
	w.hire(s)
	return nil
}

// first connects, and waits as a transaction does for another program that has the file to itself: one that makes the database at the same instant,
// or is the last to close it.
func (w *writer) first(ctx context.Context) (*sqlite.Conn, error) {
	backoff := retry.DefaultBackoff()
	for try, until := 0, time.Now().Add(w.cfg.BusyTimeout); ; try++ {
		conn, err := w.store.Connect(ctx, sqlite.Writer)
		if sqlite.ClassOf(err) != sqlite.Busy || time.Now().After(until) {
			return conn, err
		}
		t := time.NewTimer(backoff.Delay(try))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, err
		}
	}
}

func (w *writer) hire(s *shift) {
	w.mu.Lock()
	w.shift = s
	w.mu.Unlock()
	w.wg.Add(1)
	go s.run()
}

// leave is called by a shift that ends because there is no more work.
func (w *writer) leave(s *shift) {
	if s.identify() && !s.broken() { // to close a log that has lost its name would lose it
		s.truncate()
	}
	s.drop()
	w.wg.Done()
}

// holder is the span of whoever has the writer now.
func (w *writer) holder() oteltrace.SpanContext {
	if !w.busy.Load() {
		return oteltrace.SpanContext{}
	}
	w.mu.Lock()
	s := w.shift
	w.mu.Unlock()
	if s == nil {
		return oteltrace.SpanContext{}
	}
	t := s.active.Load()
	if t == nil {
		return oteltrace.SpanContext{}
	}
	return oteltrace.SpanContextFromContext(t.job.ctx)
}

// enqueue puts a job in line and waits for its turn or its end.
func (w *writer) enqueue(j *job) (signal, error) {
	if err := context.Cause(j.ctx); err != nil {
		return signal{}, err
	}
	j.report.Holder = w.holder()
	alone, err := w.q.put(j)
	switch {
	case err != nil:
		return signal{}, err
	case alone && carriable(&j.ticket):
		w.carry(j)
	default:
		w.q.signal()
	}
	select {
	case sig := <-j.c:
		return sig, nil
	case <-j.ctx.Done():
	}
	if j.cancel() {
		w.q.withdraw(j)
		return signal{}, context.Cause(j.ctx)
	}
	// Claimed at this very moment. A lease is taken all the same: its first statement will meet the context. A job that
	// runs on the lane has its answer bounded below.
	return j.answer(w.cfg.AckGrace)
}

// Update runs fn as a write transaction, on this goroutine, with the writer's connection on loan.
func (l *Lanes) Update(ctx context.Context, opt JobOptions, fn func(*Tx) error) (Report, error) {
	if err := l.refuses(&opt); err != nil {
		return Report{}, err
	}
	runs, most := 0, 0
	for {
		j := newJob(ctx, opt, nil)
		j.report.Runs, j.most = runs, most
		tx, err := l.writer.lend(j)
		if err != nil {
			return j.told(err), err
		}
		again, err := tx.with(ctx, fn)
		if !again {
			return j.told(err), err
		}
		runs, most = j.report.Runs, j.most
	}
}

// lend waits until the writer's connection is on loan to j.
func (w *writer) lend(j *job) (*Tx, error) {
	sig, err := w.enqueue(j)
	if err != nil {
		return nil, err
	}
	if sig.kind == sigDone {
		return nil, sig.err
	}
	j.tx.picked.Store(j.tx.shift.now())
	return j.tx, nil
}

// with runs fn and ends the transaction, whatever way fn takes out.
func (t *Tx) with(ctx context.Context, fn func(*Tx) error) (again bool, err error) {
	returned := false
	defer func() {
		if !returned { // panic or Goexit: nothing of it may stay, and the way out goes on
			t.abandon()
		}
	}()
	err = fn(t)
	returned = true
	return t.finish(ctx, err)
}

// Begin starts a write transaction that the caller ends itself with Commit or Rollback.
func (l *Lanes) Begin(ctx context.Context, opt JobOptions) (*Tx, error) {
	if err := l.refuses(&opt); err != nil {
		return nil, err
	}
	opt.Replayable = false // nobody here could run it again
	return l.writer.lend(newJob(ctx, opt, nil))
}

// Commit ends the transaction and waits until its group is durable.
func (t *Tx) Commit(ctx context.Context) (Report, error) {
	_, err := t.finish(ctx, t.dead)
	return t.job.told(err), err
}

// Rollback ends the transaction and undoes it. It is safe after Commit.
func (t *Tx) Rollback() (Report, error) {
	if !t.turn.take() {
		return Report{}, t.lost() // the lane has it, and may still be writing its report
	}
	t.back <- verdictRollback
	<-t.job.c
	return t.job.report, nil
}

// Do runs a job of the engine's own on the lane's goroutine, or on this one where the lane is at rest and the job needs no fsync: run must not
// call foreign code, and may be run twice.
func (l *Lanes) Do(ctx context.Context, opt JobOptions, run func(*Tx) error) (Report, error) {
	if err := l.refuses(&opt); err != nil {
		return Report{}, err
	}
	j := newJob(ctx, opt, run)
	sig, err := l.writer.enqueue(j)
	if err != nil {
		return j.told(err), err
	}
	return j.told(sig.err), sig.err
}
