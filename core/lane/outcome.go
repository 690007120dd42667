package lane

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
)

// fate is what became of a group whose COMMIT failed.
type fate uint8

const (
	fateUnknown fate = iota
	fateCommitted
	fateMissing
)

// inquiry is how long the lane tries to find out. Nobody else can write meanwhile: whatever is written before the question is settled
// could make the answer wrong.
const inquiry = 2 * time.Second

// commitFailed answers the members of a group whose COMMIT failed. An error that comes before the last frame was written, on a
// connection that is sound, leaves no doubt. After any other the database is asked, on another connection.
func (s *shift) commitFailed(err error) {
	kind := sqlite.ClassOf(err)
	members := append([]*job(nil), s.group.members...)
	s.group.members = s.group.members[:0]
	var mark sqlite.LogMark
	if s.conn != nil {
		mark = s.conn.Mark()
	}
	if !s.broken() && !s.conn.Autocommit() {
		s.conn.Exec("ROLLBACK") // where it fails the connection is discarded below
	}
	nowhere := (kind == sqlite.Full || kind == sqlite.ReadOnly) && !mark.Whole() // nothing more could be written to the log
	if nowhere || !s.broken() && (kind == sqlite.Constraint || kind == sqlite.Busy) {
		if s.broken() {
			s.discard(err)
		}
		if len(members) == 1 || nowhere {
			for _, j := range members {
				j.done(err)
			}
			return
		}
		s.replay(members, err)
		return
	}
	switch s.resolve(members, mark, err) {
	case fateCommitted:
		s.w.stats.outcome.committed.Add(1)
		s.w.stats.committed(len(members), 0)
		for _, j := range members {
			j.report.Group, j.report.GroupSize = s.group.id, len(members)
			j.done(nil)
		}
	case fateMissing:
		s.w.stats.outcome.missing.Add(1)
		s.undone(members, kind, err)
	default:
		s.w.stats.outcome.unknown.Add(1)
		for _, j := range members {
			j.done(&OutcomeError{j.name(), err})
		}
	}
}

// undone answers members of whom it is known that nothing was applied. A full disk is nobody's bad luck but everybody's news. After a
// failed sync the engine runs nothing again by itself.
func (s *shift) undone(members []*job, kind sqlite.ErrorClass, err error) {
	switch kind {
	case sqlite.Full, sqlite.ReadOnly:
		for _, j := range members {
			j.done(err)
		}
	case sqlite.IO:
		if s.w.mayRetry() {
			s.replay(members, err)
			return
		}
		fallthrough
	default:
		for _, j := range members {
			j.done(&NotAppliedError{j.name(), err})
		}
	}
}

// resolve gives the connection up and finds out on a new one what became of the group. The group is whole or not there at all, so what is
// known of one member holds for all.
func (s *shift) resolve(members []*job, mark sqlite.LogMark, cause error) fate {
	store := s.w.store
	if moved, which, _ := store.HasMoved(); moved {
		s.displaced(which) // what is at the path now tells nothing of the file that was written to
		return fateUnknown
	}
	before, err := store.Stat()
	s.discard(cause)
	if err != nil {
		return fateUnknown
	}
	q := question{members: members, mark: mark, before: before, synced: sqlite.ClassOf(cause) != sqlite.Fsync}
	until := time.Now().Add(min(inquiry, s.w.cfg.BusyTimeout))
	backoff := retry.DefaultBackoff()
	for try := 0; ; try++ {
		f, err := s.ask(&q)
		if err == nil {
			return f
		}
		s.w.failed(retry.Begin, err)
		s.drop()
		damaged := retry.Of(err, retry.Begin).Quarantine
		if damaged {
			s.w.damaged.Store(&err)
		}
		if damaged || time.Now().After(until) {
			s.w.lanes.log.Error("it could not be found out whether a group of transactions was committed", "group", s.group.id, "cause", err)
			return fateUnknown
		}
		_ = s.pause(context.Background(), backoff.Delay(try)) // that context has no end
	}
}

// question is what is asked of the database about a group.
type question struct {
	members []*job
	mark    sqlite.LogMark
	before  fs.FileInfo // the file that was written to
	synced  bool        // no sync has failed since
}

// ask opens a connection and asks once.
func (s *shift) ask(q *question) (fate, error) {
	ctx, cancel := context.WithTimeout(context.Background(), inquiry)
	defer cancel()
	conn, err := s.w.store.Connect(ctx, sqlite.Writer)
	if err != nil {
		return fateUnknown, err
	}
	s.conn, s.seen = conn, 0
	s.checks.mark()
	s.w.stats.file.reconnects.Add(1)
	now, err := s.w.store.Stat()
	if err != nil {
		return fateUnknown, err
	}
	if q.before != nil && !os.SameFile(q.before, now) {
		s.displaced(s.w.store.Location().Path)
		return fateUnknown, nil
	}
	v, err := conn.Settle(&q.mark, !q.synced)
	if err != nil {
		q.synced = q.synced && sqlite.ClassOf(err) != sqlite.Fsync
		return fateUnknown, err
	}
	if err := s.audit(); err != nil {
		return fateUnknown, err
	}
	switch v {
	case sqlite.LogHolds:
		s.w.acked = q.mark
		return fateCommitted, nil
	case sqlite.LogLacks:
		return fateMissing, nil
	}
	for _, j := range q.members {
		if j.opt.Proof == nil {
			continue
		}
		there, err := j.opt.Proof(conn)
		switch {
		case errors.Is(err, ErrNoProof):
			continue
		case err != nil:
			return fateUnknown, err
		case there:
			return fateCommitted, nil
		}
		return fateMissing, nil
	}
	return fateUnknown, nil
}

// ErrNoProof is what a Proof returns that can say nothing about its transaction. It reaches nobody else.
var ErrNoProof = errors.New("the transaction left nothing behind that it could be told by")

// audit looks for what was acknowledged last. A log that has begun anew since cannot show it, and needed not: it begins anew only
// when all of it is in the database file.
func (s *shift) audit() error {
	v, err := s.conn.Holds(s.w.acked)
	if err != nil || v != sqlite.LogLacks || s.w.acked.IsZero() {
		return nil // not being able to look is no finding
	}
	err = &sqlite.Error{Class: sqlite.Corrupt, Op: "reconnect",
		Msg: "transactions that were acknowledged are not in the write-ahead log any more: restore a backup, or restart to accept the loss"}
	s.w.damaged.Store(&err)
	s.w.lanes.log.Error("acknowledged transactions are missing: nothing is written any more", "cause", err)
	return err
}
