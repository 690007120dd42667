package lane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
)

// begin opens a write transaction for a group whose first member is given. What stands in the way is waited for, for half of the time
// that this member has left and no longer than BusyTimeout: whoever comes after it may have more.
func (s *shift) begin(full bool, first *job) error {
	began := time.Now()
	until := began.Add(s.w.cfg.BusyTimeout)
	if deadline, ok := first.ctx.Deadline(); ok && deadline.Sub(began)/2 < s.w.cfg.BusyTimeout {
		until = began.Add(deadline.Sub(began) / 2)
	}
	backoff := retry.DefaultBackoff()
	counted := 0 // further runs that the table counts
	for try := 0; ; try++ {
		err := s.tryBegin(full)
		if err == nil {
			s.full = full
			return s.foreign()
		}
		s.w.failed(retry.Begin, err)
		d := retry.Of(err, retry.Begin)
		if d.Discard || s.conn != nil && s.conn.Broken() != nil {
			s.discard(err)
		}
		limit := until
		if sqlite.ClassOf(err) == sqlite.Busy {
			s.w.stats.file.busy.Add(1)
			s.polite.sign()
		} else if most := began.Add(retry.Patience); most.Before(limit) {
			limit = most // a file that cannot be opened is not about to be given back
		}
		most := d.Again.Most()
		if most >= 0 {
			if counted >= most {
				return err
			}
			counted++
		}
		delay := backoff.Delay(try)
		if d.Again == retry.Once {
			delay = 0
		}
		if now := time.Now(); now.Add(delay).After(limit) {
			return s.lockedOut(err, now.Sub(began))
		}
		if err := s.pause(first.ctx, delay); err != nil {
			return err
		}
	}
}

func (s *shift) tryBegin(full bool) error {
	if err := s.w.isFrozen(); err != nil {
		return err
	}
	if why := s.w.damaged.Load(); why != nil {
		return *why
	}
	if err := s.ready(); err != nil {
		return err
	}
	if err := s.conn.SetSynchronous(full); err != nil {
		return err
	}
	s.conn.ForgetMark()
	return s.conn.Control(sqlite.BeginWrite)
}

// lockedOut says in plain words who is in the way.
func (s *shift) lockedOut(err error, waited time.Duration) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || e.Class != sqlite.Busy {
		return err
	}
	return &sqlite.Error{Class: sqlite.Busy, Code: e.Code, Op: "begin",
		Msg: fmt.Sprintf("another program holds the write lock of %s and did not give it back within %v: end its transaction, or give this call a later deadline",
			s.w.store.Location(), waited.Round(time.Millisecond))}
}

// pause waits for d, or until the caller gives up.
func (s *shift) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
