package lane_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

const endlessWrite = "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c WHERE x < 0"

// TestCancelledWrite: a caller that gives up gets a definite answer, because its statement is interrupted.
func TestCancelledWrite(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.StatementTime = time.Hour })
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
	gaveUp := errors.New("gave up")
	for _, lent := range []bool{true, false} {
		ctx, cancel := context.WithCancelCause(t.Context())
		running := make(chan struct{})
		work := func(tx *lane.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO t VALUES (1)", nil); err != nil {
				return err
			}
			close(running)
			_, err := tx.Exec(ctx, endlessWrite, nil)
			return err
		}
		got := make(chan error, 1)
		go func() {
			var err error
			if lent {
				_, err = r.Update(ctx, lane.JobOptions{Hold: time.Hour}, work)
			} else {
				_, err = r.Do(ctx, lane.JobOptions{}, work)
			}
			got <- err
		}()
		<-running
		cancel(gaveUp)
		if err := <-got; !errors.Is(err, gaveUp) || errors.Is(err, lane.ErrOutcomeUnknown) {
			t.Errorf("lent %v: told %v, want its own reason", lent, err)
		}
		if n := r.number(t, "SELECT count(*) FROM t"); n != 0 {
			t.Errorf("lent %v: %d rows of a transaction that was given up", lent, n)
		}
	}
}

// TestCancelledWriteSparesOthers: in a group with a transaction that cannot be run again a caller's giving up waits for its statement, for
// half a hold.
func TestCancelledWriteSparesOthers(t *testing.T) {
	t.Parallel()
	for _, replayable := range []bool{false, true} {
		started, release := make(chan struct{}, 2), make(chan struct{})
		r := build(t, func(s *setup) {
			s.cfg.Writer.StatementTime, s.cfg.Writer.GroupTime = time.Hour, time.Hour
			s.cfg.Writer.Hold = 2 * time.Minute // the race detector takes seconds for the steps below
			s.opt.Functions = []sqlite.Function{{Name: "hold", Args: 0, Scalar: func([]sqlite.Value) (any, error) {
				started <- struct{}{}
				<-release
				return int64(2), nil
			}}}
		})
		r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT")
		ctx, cancel := context.WithCancel(t.Context())
		two := make(chan error, 1)
		runs := 0
		_, one := r.Update(t.Context(), lane.JobOptions{Replayable: replayable}, func(tx *lane.Tx) error {
			if runs++; runs == 1 {
				go func() {
					_, err := r.Update(ctx, lane.JobOptions{}, func(tx *lane.Tx) error {
						_, err := tx.Exec(ctx, "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT hold() UNION ALL SELECT x+1 FROM c LIMIT 300000) SELECT x FROM c", nil)
						return err
					})
					two <- err
				}()
				go func() {
					<-started
					cancel()
					// Some looks of the supervisor later. If it did interrupt, the statement would end in the 300,000 steps that follow.
					time.AfterFunc(100*time.Millisecond, func() { close(release) })
				}()
				eventually(t, "the second to be in line", func() bool { return r.Stats().Writer.Waiting > 0 })
			}
			_, err := tx.Exec(t.Context(), "INSERT INTO t VALUES (1)", nil)
			return err
		})
		if one != nil {
			t.Errorf("replayable %v: the innocent one: %v", replayable, one)
		}
		if err := <-two; !replayable && err != nil && !errors.Is(err, context.Canceled) || replayable && !errors.Is(err, context.Canceled) {
			t.Errorf("replayable %v: the one that gave up: %v", replayable, err)
		}
		if n := r.Stats().Writer.Limits.Interrupted; (n > 0) != replayable {
			t.Errorf("replayable %v: %d interruptions", replayable, n)
		}
		if n := r.number(t, "SELECT count(*) FROM t WHERE n = 1"); n != 1 {
			t.Error("the innocent one's row is missing")
		}
	}
}
