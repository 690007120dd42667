package lane

import (
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/failpoint"
)

// shift is one goroutine at the writer with one connection at a time, or a caller in its place (carry.go). When a statement of
// it cannot be stopped the shift is abandoned, with that connection, and the next one begins.
type shift struct {
	w      *writer
	conn   *sqlite.Conn
	group  group
	epoch  time.Time
	active atomic.Pointer[Tx] // whose turn it is
	gone   chan struct{}      // closed when abandoned
	timer  *time.Timer
	full   bool // synchronous level of the open transaction
	ward   ward
	seen   int64  // data_version after our last look: another program's commits change it
	checks moment // when the file's identity was last looked at
	polite courtesy
	place
}

// moment is an instant that may be unset.
type moment struct{ at time.Time }

func (m *moment) older(d time.Duration) bool { return time.Since(m.at) > d }
func (m *moment) mark()                      { m.at = time.Now() }

func newShift(w *writer) *shift {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &shift{w: w, epoch: time.Now(), gone: make(chan struct{}), timer: t, place: place{free: make(chan struct{}, 1)}}
}

func (s *shift) now() int64 { return int64(time.Since(s.epoch)) }

// run serves the queue until it is closed and empty, or the shift is abandoned.
func (s *shift) run() {
	for {
		j := s.w.q.take(nil)
		if j == nil {
			switch s.rest() {
			case restLeft:
				s.w.leave(s)
				return
			case restGone:
				return
			}
			continue
		}
		if !s.serve(j) {
			return // abandoned: connection, group and place belong to whoever did it
		}
		s.yield()
	}
}

// rested is how a rest ends.
type rested uint8

const (
	restOver rested = iota // there may be work
	restLeft               // there will be none
	restGone               // the shift was abandoned while a caller had it
)

// rest waits for work, and lets callers carry theirs through meanwhile. But for restGone the shift is its own again afterwards.
func (s *shift) rest() rested {
	s.rise()
	idle := s.timer
	idle.Reset(s.w.cfg.IdleTruncate)
	defer idle.Stop()
	for {
		select {
		case <-s.gone:
			return restGone
		case <-s.w.q.wake:
			if !s.sit() {
				s.w.q.signal() // that was for the next shift
				return restGone
			}
			if !s.w.suspect.Load() || s.identify() {
				return restOver
			}
			s.rise()
		case <-s.w.q.over():
			if !s.sit() {
				return restGone
			}
			if s.w.q.depthNow.Load() > 0 {
				return restOver
			}
			return restLeft
		case <-idle.C:
			idle.Reset(s.tidy())
		}
	}
}

// tidy gives the space of the log back where nobody has written for long enough, and returns when to look again.
func (s *shift) tidy() time.Duration {
	every := s.w.cfg.IdleTruncate
	select {
	case <-s.free:
	default:
		return every // a caller writes
	}
	defer func() { s.free <- struct{}{} }() // no work of anybody: since stays as it is
	if left := every - time.Since(s.since); left > 0 {
		return left
	}
	if !s.tidied {
		s.truncate()
		s.tidied = s.w.stats.wal.pin.since.Load() == 0 // else somebody is in the way: as soon as they are gone the space goes back
	}
	return every
}

// serve runs a group that begins with j. It reports false when the shift was abandoned.
func (s *shift) serve(j *job) bool {
	began := time.Now()
	full := j.durable() || !s.carried && s.w.q.wantsDurable()
	if err := s.begin(full, j); err != nil {
		j.done(err)
		return true
	}
	s.group.start(s.w)
	for j != nil {
		if !s.runJob(j) {
			return false
		}
		if !s.group.open {
			return true // the whole transaction is gone and everybody has been told
		}
		j = s.nextMember(j)
	}
	run, ran := time.Since(s.group.began), s.group.ran
	s.commit()
	s.w.q.worked(ran, run, time.Since(began)-run)
	return true
}

// nextMember takes the next job into the open group, or nil when the group is to be committed.
func (s *shift) nextMember(last *job) *job {
	g := &s.group
	if g.closed || last.opt.RunOnce || g.ran >= s.w.cfg.GroupJobs || time.Since(g.began) >= s.w.cfg.GroupTime ||
		s.w.store.WALBytes()-g.walStart > groupBytes {
		return nil
	}
	if s.carried {
		return s.w.q.take(carriable)
	}
	return s.w.q.take(func(t *ticket) bool { return s.full || !t.durable() })
}

// runJob runs one transaction of the group to its verdict. It reports false when the shift was abandoned meanwhile.
func (s *shift) runJob(j *job) bool {
	j.report.Queue = j.taken.Sub(j.queued)
	j.report.Runs++
	s.group.ran++
	if err := s.conn.Control(sqlite.Mark); err != nil {
		s.lose(err, j, err)
		return true
	}
	s.conn.SetLastInsertRowID(0) // of another's insert
	t := newTx(s, j)
	if err := s.guard(t); err != nil {
		t.dead = err
	}
	s.active.Store(t)
	v := verdictCommit
	if j.run != nil {
		err := runHere(j.run, t)
		if err == nil {
			err = t.seal(j.ctx)
		}
		if err != nil {
			v = verdictRollback
			if t.dead == nil {
				t.dead = err
			}
		}
		if !t.turn.take() {
			return false // the supervisor has it, and has told everybody
		}
	} else {
		j.c <- signal{kind: sigLent}
		var ok bool
		if v, ok = s.await(t); !ok {
			return false
		}
	}
	s.active.Store(nil)
	j.freed = time.Now()
	j.report.Hold = j.freed.Sub(j.taken)
	s.settle(t, v)
	if t.warden != nil {
		t.warden.End()
	}
	return true
}

// runHere runs a job of the engine's own on this goroutine.
func runHere(f func(*Tx) error, t *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p}
		}
	}()
	return f(t)
}

// absurd is how many times its hold a lease may last in all. It counts what the caller could not use: on a busy machine some
// time can pass before its goroutine gets to run.
const absurd = 20

// await waits until the holder of a lease gives it back or its time is up.
func (s *shift) await(t *Tx) (v verdict, ok bool) {
	hold := t.job.opt.Hold
	if hold <= 0 {
		hold = s.w.cfg.Hold
	}
	idle := t.job.opt.Idle
	wait := hold
	if idle > 0 {
		wait = min(hold, idle)
	}
	var starved time.Duration // while the machine kept the whole process waiting
	set := time.Now()
	s.timer.Reset(wait)
	defer s.timer.Stop()
	for {
		select {
		case v = <-t.back:
			return v, true
		case <-s.gone:
			return 0, false
		case <-s.timer.C:
		}
		// A timer that is late says that nobody here got to run, the holder neither: that time is not its own.
		starved += max(0, time.Since(set)-wait)
		held := t.held()
		over, limit := held >= hold+starved || time.Since(t.job.taken) >= absurd*hold, hold
		if since := time.Duration(s.now() - t.last.Load()); !over && idle > 0 && since >= idle+starved && !t.turn.busy() {
			over, limit = true, idle
		}
		if over {
			t.reason.Store(&reason{&LeaseError{Holder: t.job.name(), Held: held, Limit: limit}})
			if t.turn.want() {
				return verdictExpired, true
			}
			// Inside a statement: it hands over at the statement's end, and the supervisor bounds the statement.
			continue
		}
		wait = hold + starved - held
		if idle > 0 {
			wait = min(wait, idle)
		}
		wait = max(wait, time.Millisecond)
		set = time.Now()
		s.timer.Reset(wait)
	}
}

// settle turns a job's verdict into RELEASE or ROLLBACK TO, and answers the failed ones at once.
func (s *shift) settle(t *Tx, v verdict) {
	j := t.job
	if v == verdictExpired {
		t.dead = t.lost()
		s.w.stats.expired.Add(1)
	}
	if s.broken() {
		cause := errEnded
		if s.conn != nil {
			cause = s.conn.Broken()
		}
		s.lose(cause, j, orElse(t.dead, cause))
		return
	}
	if s.conn.Autocommit() { // the job ended the whole transaction
		s.lose(orElse(t.dead, errEnded), j, orElse(t.dead, errEnded))
		return
	}
	if t.cursors > 0 || v == verdictExpired {
		s.conn.ReleaseStatements()
	}
	if v == verdictCommit && t.dead == nil && !t.sealed {
		t.dead = errUnsealed
	}
	if v == verdictCommit && t.dead == nil {
		if n, err := s.conn.DeferredFKs(); err != nil {
			t.dead = err
		} else if n != 0 {
			t.dead = &sqlite.Error{Class: sqlite.Constraint, Code: codeForeignKey, Op: "commit",
				Msg: "FOREIGN KEY constraint failed (deferred): a row still points to a missing parent at the end of the transaction"}
		}
	}
	if v == verdictCommit && t.dead == nil {
		if err := s.conn.Control(sqlite.Release); err == nil {
			s.group.members = append(s.group.members, j)
			failpoint.Hit(failpoint.GroupMember)
			if !j.again() {
				s.group.fixed++
			}
			if t.alone {
				s.group.closed = true
			}
			return
		} else {
			t.dead = err
		}
	}
	if err := s.conn.Exec("ROLLBACK TO _tg_job; RELEASE _tg_job"); err != nil {
		s.lose(err, j, orElse(t.dead, err))
		return
	}
	s.w.stats.failed.Add(1)
	if s.retries(j, t.dead) {
		s.replay([]*job{j}, t.dead)
		return
	}
	j.done(t.dead)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
