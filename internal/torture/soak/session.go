package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture"
)

// session is one of a hundred. It belongs to one goroutine.
type session struct {
	id    int
	db    *engine.DB
	rng   *rand.Rand
	lines []state        // of the ledger, by number: what it was told of each. One byte a line, so that the soak itself stays level
	kinds map[string]int // how its calls ended
}

type state uint8

const (
	refused state = iota // told that nothing was applied
	kept                 // told that it is there
	unsure               // told that nobody knows
)

// bad is what must never be seen; it ends the soak.
type bad struct{ what string }

func (e *bad) Error() string { return e.what }

// hostile are some of the statements that nobody should be able to hurt others with.
func hostile() []string {
	const forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
	return []string{forever + "SELECT count(*) FROM n", "SELECT hex(zeroblob(200000000))", "SELECT instr(zeroblob(8000000)||x'02', zeroblob(4000000)||x'01')",
		forever + "SELECT group_concat(hex(zeroblob(1000))) FROM n", forever + "SELECT i FROM n ORDER BY hex(randomblob(200))", "SELECT zeroblob(10), '", "PRAGMA journal_mode = DELETE",
		"SELECT count(*) FROM ledger a, ledger b, ledger c", "SELECT length(replace(hex(zeroblob(4000000)), '0', hex(zeroblob(1000))))"}
}

// work goes on until ctx ends, or something bad is seen.
func (s *session) work(ctx context.Context) error {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, s.patience())
		var err error
		switch kind := s.rng.IntN(100); {
		case kind < 45:
			err = s.transfer(call)
		case kind < 80:
			err = s.look(call)
		case kind < 94:
			err = s.count(call)
		case kind < 96:
			err = s.attack(ctx)
		case kind < 97:
			err = s.kill()
		default:
			err = s.rows(call)
		}
		cancel()
		if wrong, ok := errors.AsType[*bad](err); ok {
			return wrong
		}
		if ctx.Err() == nil {
			if err := s.note(err); err != nil {
				return err
			}
		}
		pause(ctx, time.Duration(s.rng.IntN(60))*time.Millisecond)
	}
	return nil
}

// patience is what a call is given: mostly enough, sometimes hardly anything.
func (s *session) patience() time.Duration {
	if s.rng.IntN(20) == 0 {
		return time.Duration(s.rng.IntN(3000)) * time.Microsecond
	}
	return 3 * time.Second
}

// transfer moves money and writes a line of the ledger, in one transaction.
func (s *session) transfer(ctx context.Context) error {
	n := len(s.lines)
	s.lines = append(s.lines, refused)
	from, to, amount := 1+s.rng.IntN(accounts), 1+s.rng.IntN(accounts), 1+s.rng.IntN(50)
	durability := engine.Durable
	if s.rng.IntN(4) == 0 {
		durability = engine.Relaxed
	}
	undo := s.rng.IntN(20) == 0
	err := s.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE account SET balance = balance - ? WHERE id = ?", amount, from); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO ledger VALUES (?, ?)", s.id, n); err != nil {
			return err
		}
		if undo {
			return errUndo
		}
		_, err := tx.Exec(ctx, "UPDATE account SET balance = balance + ? WHERE id = ?", amount, to)
		return err
	}, engine.WithDurability(durability))
	switch {
	case err == nil && undo:
		return &bad{"a transaction whose closure failed was committed"}
	case err == nil:
		s.lines[n] = kept
	case errors.Is(err, engine.ErrOutcomeUnknown):
		s.lines[n] = unsure
	default:
		s.lines[n] = refused
	}
	return err
}

// look reads several accounts in one snapshot. Their sum never changes.
func (s *session) look(ctx context.Context) error {
	return s.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		var low, high int64
		if err := tx.QueryRow(ctx, "SELECT sum(balance) FROM account WHERE id <= ?", accounts/2).Scan(&low); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT sum(balance) FROM account WHERE id > ?", accounts/2).Scan(&high); err != nil {
			return err
		}
		if low+high != accounts*opening {
			return &bad{fmt.Sprintf("a snapshot holds %d and %d, together not %d", low, high, accounts*opening)}
		}
		return nil
	})
}

func (s *session) count(ctx context.Context) error {
	var n int64
	return s.db.QueryRow(ctx, "SELECT count(*) FROM ledger WHERE session = ?", s.id).Scan(&n)
}

// rows leaves a result half read.
func (s *session) rows(ctx context.Context) error {
	rows, err := s.db.Query(ctx, "SELECT session, n FROM ledger ORDER BY n LIMIT 500", engine.WithClass(engine.ClassAnalytics))
	if err != nil {
		return err
	}
	return torture.Take(rows, 100)
}

func (s *session) attack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	all := hostile()
	stmt := all[s.rng.IntN(len(all))]
	if s.rng.IntN(3) == 0 {
		_, err := s.db.Exec(ctx, stmt)
		return err
	}
	var any any
	return s.db.QueryRow(ctx, stmt, engine.WithClass([]engine.Class{engine.ClassNormal, engine.ClassAnalytics}[s.rng.IntN(2)])).Scan(&any)
}

// kill ends what somebody else is at.
func (s *session) kill() error {
	under := s.db.Sessions()
	if len(under) > 0 {
		s.db.Kill(under[s.rng.IntN(len(under))].ID)
	}
	return nil
}

// note counts how a call ended. What belongs to no kind is bad.
func (s *session) note(err error) error {
	if err == nil {
		s.kinds["well"]++
		return nil
	}
	for kind, name := range map[error]string{errUndo: "undone", context.DeadlineExceeded: "deadline", engine.ErrIO: "io", engine.ErrFull: "full", engine.ErrKilled: "killed", engine.ErrNotApplied: "not_applied",
		engine.ErrOverloaded: "overloaded", engine.ErrLeaseExpired: "lease", engine.ErrOutcomeUnknown: "unknown", engine.ErrOutOfMemory: "memory", engine.ErrTooBig: "too_big", engine.ErrSQL: "sql",
		engine.ErrForbidden: "forbidden", engine.ErrCannotOpen: "cannot_open", engine.ErrInterrupted: "interrupted", engine.ErrSnapshotExpired: "snapshot", engine.ErrConstraint: "constraint", engine.ErrReadOnly: "read_only",
		engine.ErrMoved: "moved", engine.ErrBusy: "busy", engine.ErrCorrupt: "corrupt",
		engine.ErrUnavailable: "unavailable", engine.ErrStuck: "stuck", engine.ErrQuarantined: "quarantined"} {
		if errors.Is(err, kind) {
			s.kinds[name]++
			if kind == engine.ErrCorrupt || kind == engine.ErrQuarantined {
				return &bad{"the database is said to be damaged: " + err.Error()}
			}
			return nil
		}
	}
	s.kinds["other"]++
	return &bad{"an error of no kind: " + err.Error()}
}
