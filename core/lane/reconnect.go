package lane

import (
	"context"
	"errors"
	"fmt"
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
	if s.w.lanes.thawed.Load() && s.w.lanes.thawed.Swap(false) {
		s.drop()
	}
	if s.conn != nil && s.conn.Broken() == nil && !s.w.store.LogInDoubt() {
		if !s.checks.older(identityEvery) && !s.w.suspect.Load() {
			return nil
		}
		if s.identify() {
			return nil
		}
	}
	s.drop()
	s.identify() // where readers still hold what was moved away, nothing else can be opened
	ctx, cancel := context.WithTimeout(context.Background(), s.w.cfg.BusyTimeout)
	defer cancel()
	degraded := s.w.store.Degraded()
	conn, err := s.w.store.Connect(ctx, sqlite.Writer)
	if err != nil {
		return s.overdue(ctx, err)
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
		if _, err := s.conn.Settle(&sqlite.LogMark{}, true); err != nil {
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

// overdue is what to say of a connection that could not be opened in the lane's own time: nobody whose context is not over may be told that it is.
func (s *shift) overdue(ctx context.Context, err error) error {
	if ctx.Err() == nil || sqlite.ClassOf(err) != sqlite.Interrupt {
		return err
	}
	return &sqlite.Error{Class: sqlite.CantOpen, Op: "reconnect", Msg: fmt.Sprintf("%s could not be opened again within %v (writer.busy_timeout): look how busy its disk and this machine are",
		s.w.store.Location(), s.w.cfg.BusyTimeout)}
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

// displaced gives up every connection, because the files under them are not those at the path, and brings the files in order.
func (s *shift) displaced(which string) {
	s.w.stats.file.moved.Add(1)
	log := s.w.lanes.log
	log.Error("the database was moved or replaced under the engine: reconnecting", "file", which)
	got := s.w.store.Salvage(s.rescue, func(same bool) {
		if s.conn != nil {
			s.conn.Fence() // closing it would checkpoint into, or unlink, files that may now be another database's
			s.conn = nil
		}
		if same {
			s.w.lanes.evict(which)
		}
		s.w.lanes.retire()
	})
	defer s.w.ordered.Add(1)
	switch {
	case !got.Same:
		s.w.acked = sqlite.LogMark{} // it was in the log of another database
	case got.Lost != nil:
		err := error(&sqlite.Error{Class: sqlite.Corrupt, Op: "reconnect", Cause: got.Lost,
			Msg: which + " was taken away, and what only the write-ahead log held could not be saved: restore a backup, or restart to accept the loss"})
		s.w.damaged.Store(&err)
		log.Error("acknowledged transactions may be lost: nothing is written any more", "cause", got.Lost)
	case got.Put > 0:
		log.Warn("the write-ahead log was taken away: what it held was written again under its name", "bytes", got.Put)
	}
}

// rescue copies a write-ahead log that has lost its name into the database, where it could not be written again under it.
func (s *shift) rescue() error {
	if s.broken() {
		return errors.New("the writer's connection is lost, too")
	}
	s.w.lanes.evict("the write-ahead log")
	for try := 1; ; try++ {
		log, done, busy, err := s.conn.Checkpoint(sqlite.Passive)
		switch {
		case err != nil:
			return err
		case busy || log < 0: // nothing was copied
			if try == rescueTries {
				return errors.New("another program is at a checkpoint of the log and does not end it")
			}
			time.Sleep(identityEvery)
		case done < log:
			return fmt.Errorf("%d of %d frames of the log could be copied into the database, another program reads by the others", done, log)
		default:
			return nil
		}
	}
}

// rescueTries is how often the lane tries while another program is at a checkpoint, for half a second in all. Tries are counted and not the clock looked at, for a machine
// that stands still has tried nothing. Nothing is acknowledged meanwhile.
const rescueTries = 100

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

// orderWait is how long a reader that cannot be opened, because a file is not in its place, waits for the lane to bring things in order.
const orderWait = 500 * time.Millisecond

// connect opens a connection of a reader. Where it finds a file out of its place it has the lane look at once, and tries again.
func (l *Lanes) connect(ctx context.Context, role sqlite.Role) (*sqlite.Conn, error) {
	until := time.Now().Add(orderWait)
	for {
		moved := l.moves()
		conn, err := l.store.Connect(ctx, role)
		if err == nil || sqlite.ClassOf(err) != sqlite.CantOpen || l.writer == nil {
			return conn, err
		}
		if out, _, _ := l.store.HasMoved(); !out && l.moves() == moved {
			return conn, err // it cannot be opened for another reason
		}
		l.writer.suspect.Store(true)
		l.writer.q.signal()
		tick := time.NewTicker(time.Millisecond)
		for l.moves() == moved && ctx.Err() == nil && time.Now().Before(until) {
			<-tick.C
		}
		tick.Stop()
		if l.moves() == moved || ctx.Err() != nil {
			return conn, err
		}
	}
}

// moves counts how often the lane has brought files in order.
func (l *Lanes) moves() uint64 {
	if l.writer == nil {
		return 0
	}
	return l.writer.ordered.Load()
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
