package lane

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
)

// Lanes are all the lanes of one database. Safe for concurrent use.
type Lanes struct {
	store       *sqlite.Store
	cfg         Config
	log         *slog.Logger
	clock       coarse
	writer      *writer               // nil: read only
	readOnly    error                 // why there is no writer
	frozen      atomic.Pointer[error] // why nothing may be written for now; nil: it may
	thawed      atomic.Bool           // the writer's connection is of before that
	readers     *pool
	analytics   *pool
	maintenance *pool
	governor    governor
	ended       atomic.Uint64
	ids         atomic.Uint64 // numbers of sessions and transactions

	helpers
}

// helpers are the goroutines beside the lanes.
type helpers struct {
	stop chan struct{}
	wg   sync.WaitGroup
	once sync.Once
}

// Open starts the lanes of a store. readOnly, where not nil, is what every write gets as its error; nothing is written
// then. On error nothing is left running.
func Open(ctx context.Context, store *sqlite.Store, cfg Config, readOnly error) (*Lanes, error) {
	if bad := cfg.Mistakes(); len(bad) > 0 {
		return nil, errors.New("lane configuration: " + strings.Join(bad, "; "))
	}
	l := &Lanes{store: store, cfg: cfg, log: cfg.Logger, readOnly: readOnly, helpers: helpers{stop: make(chan struct{})}}
	if l.log == nil {
		l.log = slog.Default()
	}
	l.clock.Clock, l.clock.exact = cfg.Clock, cfg.Clock != nil
	if cfg.Clock == nil {
		l.clock.Clock = clock.System()
	}
	l.clock.epoch = l.clock.Now().Add(-time.Second)
	l.clock.tick()
	l.readers = newPool(l, sqlite.Reader, cfg.Readers)
	l.analytics = newPool(l, sqlite.Analytics, cfg.Analytics)
	l.maintenance = newPool(l, sqlite.Maintenance, cfg.Maintenance)
	if readOnly == nil {
		l.writer = newWriter(l, cfg)
		if err := l.writer.open(ctx); err != nil {
			return nil, err
		}
		l.wg.Go(func() { l.writer.supervise(l.stop) })
	}
	l.wg.Go(func() { l.watchFile(l.stop) })
	tick := l.clock.Tick(governEvery) // here, so that a test's clock that is moved at once moves this too
	l.wg.Go(func() { l.housekeep(tick, l.stop) })
	return l, nil
}

// coarse is a clock that can also be read up to one tick late: the ages of snapshots and of idle connections need no
// better, and reading a clock costs as much as a row.
//
// Its readings count from epoch, by the clock's monotonic reading where it has one: an operator who sets the machine's clock makes no
// snapshot a day old.
type coarse struct {
	clock.Clock
	epoch  time.Time
	exact  bool         // a test's clock, which may be moved at any moment
	latest atomic.Int64 // ns
}

func (c *coarse) tick() time.Time {
	now := c.Now()
	c.latest.Store(c.ns(now))
	return now
}

// ns is how long after the epoch t is; never 0, which means unset.
func (c *coarse) ns(t time.Time) int64 {
	if n := int64(t.Sub(c.epoch)); n != 0 {
		return n
	}
	return 1
}

func (c *coarse) late() int64 {
	if c.exact {
		return c.ns(c.Now())
	}
	return c.latest.Load()
}

// retire makes every connection reopen, because the file under them is not the file at the path any more.
func (l *Lanes) retire() {
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		p.retire(true)
	}
}

// renew makes every connection reopen, because it should have been opened in another way. The file is the same.
func (l *Lanes) renew() {
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		p.retire(false)
	}
}

// Shutdown lets nobody new in, serves who is waiting, and closes everything. When ctx ends first, those who still wait get
// ErrClosed and what runs is interrupted; Shutdown returns ctx's cause then, with everything closed all the same but for
// what code outside the engine holds on to.
func (l *Lanes) Shutdown(ctx context.Context) error {
	var err error
	l.once.Do(func() { err = l.shutdown(ctx) })
	return err
}

func (l *Lanes) shutdown(ctx context.Context) error {
	var err error
	if w := l.writer; w != nil {
		w.q.close()
		done := make(chan struct{})
		go func() { w.wg.Wait(); close(done) }()
		select {
		case <-done:
		case <-ctx.Done():
			err = context.Cause(ctx)
			w.q.drain()
			w.interrupt()
			<-done // bounded: the supervisor still ends what does not stop
		}
	}
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		if e := p.drain(ctx); err == nil {
			err = e
		}
	}
	close(l.stop)
	l.wg.Wait()
	return err
}

// interrupt ends what runs on the writer now, as if its time were up.
func (w *writer) interrupt() {
	w.mu.Lock()
	s := w.shift
	w.mu.Unlock()
	if t := s.active.Load(); t != nil {
		w.end(t, ErrClosed)
	}
}

// end takes the writer from t: at once where t is between two statements, else by interrupting the statement.
func (w *writer) end(t *Tx, why error) {
	t.reason.CompareAndSwap(nil, &reason{why})
	if t.job.run == nil && t.turn.want() {
		t.back <- verdictExpired
		return
	}
	w.kick(t, t.began.Load(), why)
}

// walUsed is the part of the WAL that holds commits since its last reset, in bytes.
func (w *writer) walUsed() int64 { return w.stats.wal.used.Load() }
