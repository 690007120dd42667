package shell

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/tidegate/engine"
)

func (s *Shell) complain(err error) {
	if err != errReported {
		fmt.Fprintf(s.cfg.Err, "error: %s\n", Plain(s.explain(err)))
	}
}

// explain gives an error of the engine the remedy of this shell where its own names the Go API.
func (s *Shell) explain(err error) string {
	switch {
	case errors.Is(err, engine.ErrKilled) && s.press.killed.Load() && s.tx != nil:
		return "interrupted, and the transaction with it: ROLLBACK ends it"
	case errors.Is(err, engine.ErrKilled) && s.press.killed.Load():
		return "interrupted, nothing of it was applied"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, engine.ErrNotAdopted):
		return "the database was made by another program and stays read only: `engine exec --adopt` takes it over and keeps a copy first"
	case errors.Is(err, engine.ErrReadOnly) && s.cfg.ReadOnly:
		return "the statement writes, and the shell was started with --read-only: start it without"
	case errors.Is(err, engine.ErrReadOnly) && s.tx != nil && s.tx.readOnly:
		return "the statement writes, and the transaction only reads: ROLLBACK, then BEGIN"
	case errors.Is(err, engine.ErrForbidden) && s.tx == nil && strings.Contains(err.Error(), "savepoint outside"):
		return "a savepoint needs a transaction: BEGIN opens one"
	}
	return message(err)
}

// fatal reports whether an error of a statement has cost its transaction.
func fatal(err error) bool {
	for _, lost := range []error{engine.ErrKilled, engine.ErrLeaseExpired, engine.ErrNotApplied, engine.ErrSnapshotExpired, engine.ErrTxDone,
		engine.ErrFull, engine.ErrIO, engine.ErrCorrupt, engine.ErrMoved, engine.ErrClosed} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// message is an error as this shell shows it.
func message(err error) string {
	var lease *engine.LeaseError
	if errors.As(err, &lease) {
		return fmt.Sprintf("the transaction held the writer for %v and was rolled back, for others wait: --hold says how long it may (now %v)",
			lease.Held.Round(time.Millisecond), lease.Limit)
	}
	return strings.TrimPrefix(err.Error(), "engine: ")
}

// Plain takes out what would speak to the terminal: names and SQL come from the database, and anybody may have written them.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
