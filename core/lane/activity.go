package lane

import (
	"sort"
	"time"
)

// Activity is a transaction or a query that is under way.
type Activity struct {
	ID    uint64 // for Kill; 0 for one that waits in the queue
	Lane  string // writer, reader, analytics, maintenance
	Class Class
	Name  string // the caller's, "" where it gave none
	State string // "waiting": for its turn; "running": inside a statement; "idle": between two statements
	SQL   string // of the statement that runs or ran last, as the caller wrote it: mask it before it leaves the process
	Age   time.Duration
}

// Activity lists what is under way, oldest first. It is a look from outside: by the time it is read, things have moved on.
// Safe for concurrent use.
func (l *Lanes) Activity() []Activity {
	var out []Activity
	if w := l.writer; w != nil {
		w.mu.Lock()
		s := w.shift
		w.mu.Unlock()
		if t := s.active.Load(); t != nil {
			out = append(out, t.activity())
		}
		out = append(out, w.q.waiting()...)
	}
	now := l.clock.ns(l.clock.Now())
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		for _, r := range p.holders() {
			out = append(out, r.activity(now))
		}
	}
	sort.SliceStable(out, func(i, k int) bool { return out[i].Age > out[k].Age })
	return out
}

func (t *Tx) activity() Activity {
	a := Activity{ID: t.id, Lane: "writer", Class: t.job.opt.Class, Name: t.job.opt.Name, State: "idle", Age: time.Since(t.job.taken)}
	if t.turn.busy() {
		a.State = "running"
	}
	if s := t.current.Load(); s != nil {
		a.SQL = s.SQL()
	}
	return a
}

func (r *Reader) activity(now int64) Activity {
	r.kick.Lock()
	defer r.kick.Unlock()
	a := Activity{ID: r.serial.Load(), Lane: r.pool.role.String(), Class: r.class, Name: r.name, State: "idle", Age: time.Duration(max(0, now-r.began))}
	if r.stepping != nil {
		a.State = "running"
	}
	if s := r.current.Load(); s != nil {
		a.SQL = s.SQL()
	}
	return a
}

// waiting lists the jobs in line.
func (q *queue) waiting() []Activity {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Activity
	for c := range q.room.lines {
		q.room.lines[c].each(func(f *flow) {
			for _, t := range f.tickets[f.head:] {
				if !t.cancelled() {
					out = append(out, Activity{Lane: "writer", Class: t.class, Name: t.job.opt.Name, State: "waiting", Age: time.Since(t.queued)})
				}
			}
		})
	}
	return out
}

// Kill ends the transaction or query with that number: its caller gets a *KilledError. It reports whether there was one.
// Safe for concurrent use.
func (l *Lanes) Kill(id uint64) bool {
	if id == 0 {
		return false
	}
	if w := l.writer; w != nil {
		w.mu.Lock()
		s := w.shift
		w.mu.Unlock()
		if t := s.active.Load(); t != nil && t.id == id {
			w.end(t, &KilledError{id, nameOr(t.job.opt.Name)})
			return true
		}
	}
	for _, p := range []*pool{l.readers, l.analytics, l.maintenance} {
		for _, r := range p.holders() {
			if r.serial.Load() == id {
				r.expire(id, &KilledError{id, r.title()})
				return true
			}
		}
	}
	return false
}
