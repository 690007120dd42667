package lane

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// identityEvery is how often the lane makes sure that the file under its connection still is the file at the path.
const identityEvery = 5 * time.Millisecond

// ready makes sure that there is a sound connection to the right file.
func (s *shift) ready() error {
	if s.conn != nil && s.conn.Broken() == nil {
		if !s.checks.older(identityEvery) {
			return nil
		}
		if err := s.identify(); err == nil {
			return nil
		}
	}
	s.drop()
	ctx, cancel := context.WithTimeout(context.Background(), s.w.cfg.BusyTimeout)
	defer cancel()
	conn, err := s.w.store.Connect(ctx, sqlite.Writer)
	if err != nil {
		return err
	}
	s.conn, s.seen = conn, 0
	s.checks.mark()
	s.w.stats.file.reconnects.Add(1)
	return nil
}

// identify looks whether the database, its WAL or its shared memory were renamed, replaced or unlinked. On yes every
// connection is stale: what they write, nobody would find.
func (s *shift) identify() error {
	s.checks.mark()
	moved, which, err := s.w.store.HasMoved()
	if err != nil {
		return nil // not being able to look is not a reason to stop; the next I/O will tell
	}
	if !moved {
		return nil
	}
	s.w.stats.file.moved.Add(1)
	s.w.lanes.log.Error("the database was moved or replaced under the engine: reconnecting", "file", which)
	s.conn.Fence() // closing it would checkpoint into, or unlink, files that may now be another database's
	s.w.lanes.retire()
	return &sqlite.Error{Class: sqlite.Moved, Op: "check file", Msg: which + " was moved or replaced"}
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
