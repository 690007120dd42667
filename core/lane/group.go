package lane

import (
	"errors"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/failpoint"
)

// groupBytes is how much a group may add to the WAL before it is committed: what it writes early is what a reader or a
// checkpoint then has to wait for.
const groupBytes = 1 << 20

// codeForeignKey is SQLITE_CONSTRAINT_FOREIGNKEY.
const codeForeignKey = 19 | 3<<8

// errEnded is the cause when a transaction was ended and no statement's error says why.
var errEnded = errors.New("a statement ended the transaction")

// group is the set of transactions that the next COMMIT makes durable.
type group struct {
	id       uint64
	members  []*job // released, waiting for the COMMIT
	ran      int    // jobs that were run in it, failed ones included
	began    time.Time
	walStart int64
	open     bool // a transaction is open on the connection
	closed   bool // takes in no more
	fixed    int  // members that cannot be run again
}

func (g *group) start(w *writer) {
	g.id = w.groups.Add(1)
	g.members, g.ran, g.closed, g.open = g.members[:0], 0, false, true
	g.fixed = 0
	g.began = time.Now()
	g.walStart = w.store.WALBytes()
}

// commit makes the group durable and answers its members.
func (s *shift) commit() {
	g := &s.group
	g.open = false
	if len(g.members) == 0 {
		if err := s.conn.Control(sqlite.Commit); err != nil {
			s.discard(err)
		}
		s.w.stats.busy.Add(int64(time.Since(g.began)))
		return
	}
	began := time.Now()
	span, told := s.observe()
	err := s.conn.Control(sqlite.Commit)
	ended := time.Now()
	s.w.stats.busy.Add(int64(ended.Sub(g.began)))
	told(CommitInfo{Err: err, Size: len(g.members), Durable: s.full, Took: ended.Sub(began)})
	if err != nil {
		s.commitFailed(err)
		return
	}
	if m := s.conn.Mark(); !m.IsZero() {
		s.w.acked = m
	}
	s.w.stats.committed(len(g.members), ended.Sub(began))
	failpoint.Hit(failpoint.CommitUnacknowledged)
	for i, j := range g.members {
		j.report.Group, j.report.GroupSize = g.id, len(g.members)
		j.report.Commit, j.report.CommitSpan = ended.Sub(j.freed), span
		j.done(nil)
		failpoint.Hit(failpoint.CommitHalfAcknowledged)
		g.members[i] = nil
	}
	g.members = g.members[:0]
	switch due := s.checkpointDue(); {
	case due && s.carried:
		s.owesCheckpoint = true
	case due:
		s.checkpoint()
	}
}

// observe reports the COMMIT as a child of the first member whose trace is kept; the others get a link.
func (s *shift) observe() (oteltrace.SpanContext, func(CommitInfo)) {
	o := s.w.lanes.cfg.Observer
	if o == nil {
		return oteltrace.SpanContext{}, func(CommitInfo) {}
	}
	ctx := s.group.members[0].ctx
	for _, j := range s.group.members {
		if oteltrace.SpanContextFromContext(j.ctx).IsSampled() {
			ctx = j.ctx
			break
		}
	}
	return o.StartCommit(ctx, s.group.id)
}

// lose ends a group whose transaction is gone. The job that did it gets own; the others get another run or are told
// that nothing of theirs was applied.
func (s *shift) lose(cause error, blamed *job, own error) {
	members := append([]*job(nil), s.group.members...)
	s.group.members, s.group.open = s.group.members[:0], false
	if !s.broken() && !s.conn.Autocommit() {
		s.conn.Exec("ROLLBACK")
	}
	if s.broken() || fatal(sqlite.ClassOf(cause)) {
		s.discard(cause)
	}
	s.w.stats.failed.Add(1)
	if s.retries(blamed, own) {
		members = append(members, blamed) // nothing of it was applied, and the next connection may be luckier
	} else {
		blamed.done(own)
	}
	s.replay(members, cause)
}

// replay gives each job another run, or tells it that it was not applied.
func (s *shift) replay(members []*job, cause error) {
	for i := len(members) - 1; i >= 0; i-- { // backwards: each goes to the front of the line
		j := members[i]
		switch {
		case j.spent():
			j.done(&NotAppliedError{j.name(), cause})
		case j.run != nil:
			s.w.stats.replayed.Add(1)
			s.w.q.again(j)
		case j.opt.Replayable:
			s.w.stats.replayed.Add(1)
			j.answerWith(signal{kind: sigAgain})
		default:
			j.done(&NotAppliedError{j.name(), cause})
		}
	}
}

// isolate moves t, whose next statement could end the whole transaction, into a group of its own: its work is undone,
// the others are committed, and its journal is played again on the very state that it saw. It runs on t's goroutine while t
// is inside a statement, so nobody else is at the connection.
func (s *shift) isolate(t *Tx) error {
	if len(s.group.members) == 0 {
		t.alone, t.job.report.Alone = true, true
		t.harmless.Store(true)
		s.group.closed = true
		return nil
	}
	if t.cursors > 0 {
		return &UseError{t.job.name(), "a statement that can roll back the whole transaction was run while rows were open: close them first"}
	}
	if err := s.conn.Exec("ROLLBACK TO _tg_job; RELEASE _tg_job"); err != nil {
		return err
	}
	seen := s.seen
	s.commit()
	if s.broken() {
		return &NotAppliedError{t.job.name(), errEnded}
	}
	if err := s.begin(t.job.durable(), t.job); err != nil {
		return err
	}
	t.conn = s.conn
	s.group.start(s.w)
	s.group.ran, s.group.closed = 1, true
	if err := s.conn.Control(sqlite.Mark); err != nil {
		return err
	}
	t.alone, t.job.report.Alone = true, true
	t.harmless.Store(true)
	s.w.stats.isolated.Add(1)
	if err := s.guard(t); err != nil {
		return err
	}
	if s.seen != seen && len(t.journal.entries) > 0 {
		return &NotAppliedError{t.job.name(), errors.New("another program wrote in between")}
	}
	for _, e := range t.journal.entries {
		if err := s.redo(t, e); err != nil {
			return err
		}
	}
	t.journal.entries = nil
	return nil
}

// redo plays one entry of a journal and checks that it did what it did before.
func (s *shift) redo(t *Tx, e entry) error {
	if e.own {
		s.conn.SetGuard(sqlite.Guard{Trusted: true})
		defer s.conn.SetGuard(sqlite.Guard{})
	}
	stmt, err := s.conn.Prepare(e.sql)
	if err != nil {
		return err
	}
	defer stmt.Release()
	if err := stmt.Bind(e.args); err != nil {
		return err
	}
	from := trailStart(s.conn)
	if t.warden != nil {
		t.warden.Before()
	}
	for {
		row, err := stmt.Step()
		if err != nil {
			return &NotAppliedError{t.job.name(), err}
		}
		if !row {
			break
		}
	}
	if !from.end(s.conn).same(e.did) {
		return &NotAppliedError{t.job.name(), errors.New("run again it did not do the same: it uses random values or the time")}
	}
	if t.warden != nil {
		return t.warden.Again(stmt.Class().DDL)
	}
	return nil
}
