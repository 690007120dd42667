package lane

import (
	"time"

	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/failpoint"
)

// restartWait is how long a checkpoint over the hard limit waits for readers of old snapshots to finish.
const restartWait = 20 * time.Millisecond

// checkpointDue looks after a commit whether the WAL has grown by enough since the last checkpoint.
func (s *shift) checkpointDue() bool {
	if s.broken() {
		return false
	}
	frames := s.conn.WALFrames()
	before, last := s.w.stats.wal.used.Swap(s.conn.WALUsed()), s.w.wal.last()
	if before < last && s.w.walUsed() >= last {
		s.w.lanes.govern(s.w.lanes.clock.Now()) // what is left to the cap is little: not only at the next look
	}
	tried := int(s.w.stats.wal.tried.Load())
	if frames < tried {
		tried = 0 // the WAL was reset
		s.w.stats.wal.tried.Store(0)
	}
	if frames-tried >= s.w.wal.CheckpointFrames || s.w.stats.wal.pin.stale(s.w.cfg.IdleTruncate) {
		return true
	}
	switch {
	case !s.w.lanes.governor.held.Load():
		return false
	case s.w.walUsed() < last:
		s.w.lanes.resetDone()
		return false
	}
	return true // while readers are held back there is an instant without one, which must be used
}

// checkpoint runs after an acknowledgement. It never delays somebody who was promised an answer, only those who come next.
func (s *shift) checkpoint() {
	if s.broken() || s.w.isFrozen() != nil {
		return
	}
	frames := s.conn.WALFrames()
	s.w.lanes.letGo()
	mode := sqlite.Passive
	if s.w.walUsed() >= s.w.wal.Hard { // the file keeps its size when the log begins anew
		mode = sqlite.Restart
		if s.conn.BusyTimeout(restartWait) == nil {
			defer s.conn.BusyTimeout(0)
		}
	}
	began := time.Now()
	log, done, busy, err := s.conn.Checkpoint(mode)
	s.w.stats.wal.checkpoints.Add(1)
	s.w.stats.wal.took.Add(int64(time.Since(began)))
	if err != nil {
		s.w.failed(retry.Checkpoint, err)
		if s.broken() || fatal(sqlite.ClassOf(err)) {
			s.discard(err)
		}
		return
	}
	failpoint.Hit(failpoint.CheckpointDone)
	s.w.stats.wal.pin.met(s.w.lanes, log, done)
	if busy || done < log {
		s.w.stats.wal.incomplete.Add(1)
	}
	// After an incomplete one, wait for as many frames again: else every commit would try in vain.
	s.w.stats.wal.tried.Store(int64(frames))
	if done >= log {
		s.w.lanes.resetPossible()
	}
}

// truncate gives the WAL's space back while nobody writes. Where a reader is in the way it leaves things as they are.
func (s *shift) truncate() {
	if s.broken() || s.w.isFrozen() != nil || s.w.store.WALBytes() == 0 || s.w.store.Location().Memory {
		return
	}
	s.w.lanes.letGo()
	log, done, _, err := s.conn.Checkpoint(sqlite.Truncate)
	if err != nil {
		s.w.failed(retry.Checkpoint, err)
		if s.broken() || fatal(sqlite.ClassOf(err)) {
			s.discard(err)
			return
		}
	} else {
		s.w.stats.wal.pin.met(s.w.lanes, log, done)
	}
	s.w.stats.wal.used.Store(s.conn.WALUsed()) // 0 where it went well
	s.w.stats.wal.tried.Store(int64(s.conn.WALFrames()))
}

// fatal reports whether an error leaves the connection in doubt.
func fatal(c sqlite.ErrorClass) bool {
	switch c {
	case sqlite.IO, sqlite.Fsync, sqlite.Corrupt, sqlite.NotADB, sqlite.OutOfMemory, sqlite.Poisoned, sqlite.Fenced, sqlite.Moved:
		return true
	}
	return false
}
