package lane

import (
	"context"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

const (
	// identityEvery is how often the lane makes sure, while it writes, that the file under its connection still is the file at the path.
	identityEvery = 5 * time.Millisecond
	// watchEvery is how often that is looked at while nobody writes.
	watchEvery = 250 * time.Millisecond
)

// ready makes sure that there is a sound connection to the right file.
func (s *shift) ready() error {
	if s.conn != nil && s.conn.Broken() == nil && !s.w.store.LogInDoubt() {
		if !s.checks.older(identityEvery) && !s.w.suspect.Load() {
			return nil
		}
		if s.identify() {
			return nil
		}
	}
	s.drop()
	ctx, cancel := context.WithTimeout(context.Background(), s.w.cfg.BusyTimeout)
	defer cancel()
	degraded := s.w.store.Degraded()
	conn, err := s.w.store.Connect(ctx, sqlite.Writer)
	if err != nil {
		return err
	}
	s.conn, s.seen = conn, 0
	s.checks.mark()
	s.w.stats.file.reconnects.Add(1)
	if degraded {
		s.w.lanes.log.Info("the file system can be written again")
		s.w.lanes.renew() // readers have taken the file for one that nobody changes
	}
	if err := s.ours(); err != nil {
		s.drop()
		return err
	}
	if s.w.store.LogInDoubt() {
		if _, err := s.conn.Settle(sqlite.LogMark{}, true); err != nil {
			s.drop()
			return err
		}
	}
	if err := s.audit(); err != nil {
		s.drop()
		return err
	}
	return nil
}

// ours refuses a file of another program that was put in the place of the database: opening was consent to the one that was there.
func (s *shift) ours() error {
	if s.w.store.State() == sqlite.Foreign || s.w.store.Location().Memory {
		return nil
	}
	id, err := s.conn.QueryInt("PRAGMA application_id")
	if err != nil {
		return err
	}
	if id != sqlite.ApplicationID {
		return &sqlite.Error{Class: sqlite.Moved, Op: "reconnect",
			Msg: "the file that is now at " + s.w.store.Location().Path + " was not made by this engine: put the database back, or open that file anew"}
	}
	return nil
}

// identify looks whether the database, its WAL or its shared memory were renamed, replaced or unlinked. On yes every
// connection is stale: what they write, nobody would find.
func (s *shift) identify() (same bool) {
	s.checks.mark()
	s.w.suspect.Store(false)
	moved, which, err := s.w.store.HasMoved()
	if err != nil || !moved {
		return true // not being able to look is not a reason to stop; the next I/O will tell
	}
	s.displaced(which)
	return false
}

// displaced gives up every connection, because the files under them are not those at the path.
func (s *shift) displaced(which string) {
	s.w.stats.file.moved.Add(1)
	s.w.lanes.log.Error("the database was moved or replaced under the engine: reconnecting", "file", which)
	if s.conn != nil {
		if strings.HasSuffix(which, "-wal") || strings.HasSuffix(which, "-shm") {
			s.rescue()
		}
		s.conn.Fence() // closing it would checkpoint into, or unlink, files that may now be another database's
		s.conn = nil
	}
	s.w.acked = sqlite.LogMark{} // it was in the log that is gone
	s.w.store.Disown()
	s.w.lanes.retire()
}

// rescue copies a write-ahead log that has lost its name into the database, as long as nobody has made another one: what was
// acknowledged since the last checkpoint is nowhere else.
func (s *shift) rescue() {
	if s.broken() || !s.w.store.Orphaned() {
		return
	}
	log, done, _, err := s.conn.Checkpoint(sqlite.Passive)
	if err != nil || done < log {
		s.w.lanes.log.Error("transactions of a write-ahead log that was removed could not all be saved: the latest of them may be lost",
			"frames", log, "saved", done, "cause", err)
		return
	}
	s.w.lanes.log.Warn("the write-ahead log was removed: what it held is in the database now", "frames", log)
}

// watchFile looks at the files also while nobody writes, so that readers do not go on with a file that is gone.
func (l *Lanes) watchFile(stop <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		moved, which, err := l.store.HasMoved()
		switch {
		case err != nil || !moved:
		case l.writer != nil:
			l.writer.suspect.Store(true)
			l.writer.q.signal() // an idle lane wakes up, finds no work, and looks
		default:
			l.log.Error("the database was moved or replaced under the engine: reconnecting", "file", which)
			l.store.Disown()
			l.retire()
		}
	}
}

// discard gives up the connection after an error that leaves it in doubt.
func (s *shift) discard(cause error) {
	if s.conn == nil {
		return
	}
	s.w.lanes.log.Warn("the writer's connection is discarded", "cause", cause)
	s.drop()
	if sqlite.ClassOf(cause) == sqlite.Moved {
		s.w.lanes.retire()
	}
}

func (s *shift) drop() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// broken reports whether the connection cannot be used on.
func (s *shift) broken() bool { return s.conn == nil || s.conn.Broken() != nil }
