package lane

import (
	"errors"
	"time"
)

// Other programs that want to write poll for the lock, at best every few milliseconds: SQLite's own busy handler ends up at a tenth of a
// second. Groups back to back leave it free for some microseconds in between, so whoever polls would wait for ever. Where there are signs
// of such a program the lane lets go for a moment now and then.
const (
	courtesyHold  = 25 * time.Millisecond // longest time of groups back to back
	courtesyPause = 5 * time.Millisecond  // how long the lock is then left alone: of the fifty tries that SQLite's handler has in 5 s one in six finds it free
	courtesyFor   = 10 * time.Second      // how long a sign counts
	strangerHold  = time.Second           // without a sign: somebody may be there who never got as far as leaving one
)

// courtesy remembers when the lock was last left alone, and when somebody else was last seen to write. The zero value has seen nobody.
type courtesy struct {
	since time.Time // the lane has been at work without a break since; zero: it has just begun
	seen  time.Time // latest sign of another program that writes
}

// sign notes another program: it held the lock, or it has committed.
func (c *courtesy) sign() { c.seen = time.Now() }

// rested is called when the lane has work again, with the time from which it had none. Callers that wait for each other's group leave the
// lane idle for some microseconds after each, which is no pause for anybody.
func (c *courtesy) rested(from time.Time) {
	if time.Since(from) >= courtesyPause {
		c.since = time.Time{}
	}
}

// due reports whether it is time to let others have the lock.
func (c *courtesy) due(now time.Time) bool {
	if c.since.IsZero() {
		c.since = now
		return false
	}
	limit := strangerHold
	if !c.seen.IsZero() && now.Sub(c.seen) < courtesyFor {
		limit = courtesyHold
	}
	if now.Sub(c.since) < limit {
		return false
	}
	c.since = now
	return true
}

// yield leaves the write lock alone for a moment when it is time to.
func (s *shift) yield() {
	if !s.owesPause && !s.polite.due(time.Now()) {
		return
	}
	if s.owesPause = s.carried; s.owesPause {
		return // to the shift's own goroutine: the caller has his answer
	}
	s.w.stats.file.yields.Add(1)
	time.Sleep(courtesyPause)
}

// foreign looks whether another program has committed since our last look. What we knew about statements (which of them
// can end a transaction) may be wrong then: its triggers are not ours.
func (s *shift) foreign() error {
	v, err := s.conn.QueryInt("PRAGMA data_version")
	if err != nil {
		return nil // the next statement will meet the same trouble and report it
	}
	if fence := s.w.lanes.cfg.Fence; fence != nil && v != s.seen {
		if err := fence(s.conn); err != nil {
			// What was seen stays, so that the next write asks again.
			return errors.Join(err, s.conn.Exec("ROLLBACK"))
		}
	}
	if v != s.seen && s.seen != 0 {
		s.w.stats.file.foreign.Add(1)
		now := s.w.lanes.clock.Now()
		s.w.stats.file.foreignAt.Store(&now)
		s.w.store.BumpSchema()
		s.polite.sign()
	}
	s.seen = v
	return nil
}
