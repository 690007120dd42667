package lane

import (
	"sync/atomic"
	"time"
)

// Oldest is what has been open for longest of what keeps the write-ahead log from being reset. The zero value: nothing is open.
type Oldest struct {
	Age    time.Duration
	Lane   string // writer, reader, analytics, maintenance; "" for Foreign
	Holder string // the caller's name, "" where it gave none
	// Foreign says that it is none of ours: checkpoints stop at the same place, and no snapshot of this process is that old. Its age is then
	// counted from the first checkpoint that stopped there.
	Foreign bool
}

// Oldest looks for it. It takes no lock that a statement holds. Safe for concurrent use.
func (l *Lanes) Oldest() Oldest {
	var o Oldest
	now := l.clock.ns(l.clock.Now())
	if all := l.snapshots(); len(all) > 0 {
		r := all[0].reader
		o = Oldest{Age: time.Duration(max(0, now-all[0].since)), Lane: r.pool.role.String(), Holder: r.holder()}
	}
	w := l.writer
	if w == nil {
		return o
	}
	w.mu.Lock()
	s := w.shift
	w.mu.Unlock()
	if s == nil {
		return o
	}
	if t := s.active.Load(); t != nil {
		if age := time.Since(t.job.taken); age > o.Age {
			o = Oldest{Age: age, Lane: "writer", Holder: t.job.opt.Name}
		}
	}
	if since := w.stats.wal.pin.foreignSince(); since != 0 {
		if age := time.Duration(max(0, now-since)); age > o.Age || o == (Oldest{}) {
			o = Oldest{Age: age, Foreign: true}
		}
	}
	return o
}

// holder is the name of who has the session.
func (r *Reader) holder() string {
	r.kick.Lock()
	defer r.kick.Unlock()
	return r.name
}

// pin is the place at which checkpoints stop. One stops where the oldest snapshot of anybody begins, so two that stop at the same place tell
// of a snapshot that was open all the while, whoever has it. The writer's shift writes it, others read.
type pin struct {
	at    atomic.Int64 // frames that were copied
	since atomic.Int64 // when a checkpoint first stopped there, clock ns; 0: the latest one was complete
	ours  atomic.Bool  // a snapshot of this process explains it
	tried atomic.Int64 // when a checkpoint last was, ns since 1970
}

// met notes how far a checkpoint has come.
func (p *pin) met(l *Lanes, log, done int) {
	p.tried.Store(time.Now().UnixNano())
	switch {
	case log < 0: // another connection was at it, and nothing was found out
		return
	case done >= log:
		p.since.Store(0)
		return
	}
	if p.since.Load() == 0 || p.at.Load() != int64(done) {
		p.at.Store(int64(done))
		p.since.Store(l.clock.ns(l.clock.Now()))
	}
	all := l.snapshots()
	p.ours.Store(len(all) > 0 && all[0].since <= p.since.Load())
}

// stale reports whether it is time to look whether somebody is still in the way: where little is written, the next checkpoint is far off.
func (p *pin) stale(after time.Duration) bool {
	return p.since.Load() != 0 && time.Now().UnixNano()-p.tried.Load() >= int64(after)
}

// foreignSince is since when somebody else has held the log; 0 for never.
func (p *pin) foreignSince() int64 {
	if p.ours.Load() {
		return 0
	}
	return p.since.Load()
}
