package lane

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/internal/clock"
)

// governEvery is how often the governor looks at the size of the WAL and at idle connections.
const governEvery = 50 * time.Millisecond

// governor keeps the write-ahead log bounded. A WAL can be reset only at an instant at which no reader needs it;
// snapshots back to back leave no such instant, so over the soft limit new analytics snapshots wait for one.
type governor struct {
	mu   sync.Mutex
	shut chan struct{} // closed when analytics snapshots may start again; nil: they may

	// Near the cap whoever lost his snapshot and begins the next one at once would be in the way again: all wait for a moment.
	held  atomic.Bool
	reset chan struct{} // closed when the log has begun anew; nil while nobody is held back
}

// heldBack is how long a new session waits for the log to begin anew at most. Where something else is in the way that does not happen, and reads
// must go on.
const heldBack = 100 * time.Millisecond

// holdBack lets a new session wait while snapshots are being ended.
func (l *Lanes) holdBack(ctx context.Context) {
	l.governor.mu.Lock()
	c := l.governor.reset
	l.governor.mu.Unlock()
	if c == nil {
		return
	}
	timer := time.NewTimer(heldBack)
	defer timer.Stop()
	select {
	case <-c:
	case <-ctx.Done(): // the caller's next step
	case <-timer.C:
	}
}

// hold begins or ends that state. g.mu is held.
func (g *governor) hold(on bool) {
	switch {
	case on && g.reset == nil:
		g.reset = make(chan struct{})
	case !on && g.reset != nil:
		close(g.reset)
		g.reset = nil
	}
	g.held.Store(on)
}

// gate holds a new analytics snapshot back while the WAL is over the soft limit.
func (l *Lanes) gate(ctx context.Context) error {
	l.governor.mu.Lock()
	c := l.governor.shut
	l.governor.mu.Unlock()
	if c == nil {
		return nil
	}
	timer := time.NewTimer(l.cfg.Analytics.QueueTimeout)
	defer timer.Stop()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return &OverloadError{Lane: "analytics", Class: Analytics, Reason: ReasonTimeout, Waited: l.cfg.Analytics.QueueTimeout,
			RetryAfter: time.Second, Hint: "the write-ahead log is over its soft limit and an open snapshot keeps it from being reset"}
	}
}

// resetPossible is called when a checkpoint has copied everything: the next commit starts the WAL anew unless a reader
// is in the way, so the size may be looked at again.
func (l *Lanes) resetPossible() { l.govern(l.clock.Now()) }

// resetDone is called when the log has begun anew while readers are held back: they must not wait for the next look.
func (l *Lanes) resetDone() { l.govern(l.clock.Now()) }

// govern looks at the WAL's size and does what that asks for.
func (l *Lanes) govern(now time.Time) {
	if l.writer == nil {
		return
	}
	wal := l.cfg.WAL
	// The file keeps its size when the log restarts, so what counts is the position of the latest commit.
	size := l.writer.walUsed()
	g := &l.governor
	g.mu.Lock()
	switch {
	case size >= wal.Soft && g.shut == nil:
		g.shut = make(chan struct{})
	case size < wal.Soft && g.shut != nil:
		close(g.shut)
		g.shut = nil
	}
	g.hold(size >= wal.last() && !l.foreignPin(now))
	g.mu.Unlock()
	if size < wal.Soft {
		return
	}
	for _, s := range l.snapshots() {
		r, age := s.reader, time.Duration(l.clock.ns(now)-s.since)
		limit := wal.Soft
		if size >= wal.last() {
			limit = wal.last()
		} else if age < wal.SnapshotAge {
			return // sorted by age: the rest is younger
		}
		l.log.Warn("a snapshot is ended: it keeps the write-ahead log from being reset", "reader", r.title(), "age", age, "wal_bytes", size)
		l.ended.Add(1)
		r.expire(s.serial, &SnapshotError{Holder: r.title(), Age: age, WALBytes: size, Limit: limit})
	}
}

// foreignPin reports whether another program keeps the log from beginning anew, and has for a while: whom we cannot end must not stop our reads.
func (l *Lanes) foreignPin(now time.Time) bool {
	since := l.writer.stats.wal.pin.foreignSince()
	return since != 0 && time.Duration(l.clock.ns(now)-since) > 10*heldBack
}

// letGo ends the snapshots that connections keep while nobody uses them, in every pool: one alone keeps the log from being reset, and a connection that
// few need is not used again for minutes.
func (l *Lanes) letGo() {
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		p.letGo()
	}
}

// last is the size from which the oldest snapshots end whatever their age. The log goes on growing until the next look, and until who is
// told has let go, so that is before the cap.
func (c WALConfig) last() int64 { return c.Cap - c.Cap/8 }

// snapshot is a session as the governor saw it.
type snapshot struct {
	reader *Reader
	serial uint64
	since  int64
}

// snapshots lists the sessions that hold one, oldest first.
func (l *Lanes) snapshots() []snapshot {
	var out []snapshot
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		for _, r := range p.holders() {
			serial := r.serial.Load()
			if at := r.since.Load(); at != 0 {
				out = append(out, snapshot{r, serial, at})
			}
		}
	}
	sort.Slice(out, func(i, k int) bool { return out[i].since < out[k].since })
	return out
}

func nameOr(name string) string {
	if name == "" {
		return "unnamed"
	}
	return name
}

// housekeep runs until stop: the governor and the idle close, on the configured clock.
func (l *Lanes) housekeep(tick *clock.Ticker, stop <-chan struct{}) {
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			now := l.clock.tick() // not the tick's own time, which a slow receiver gets late
			l.letGo()
			l.govern(now)
			for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
				p.reap(now)
				p.unstick(now)
			}
		}
	}
}
