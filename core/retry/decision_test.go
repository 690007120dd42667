package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
)

var phases = []retry.Phase{retry.Open, retry.Begin, retry.Read, retry.Write, retry.Commit, retry.Checkpoint}

// TestDecide states the whole table once more, by phase, in the words of the design.
func TestDecide(t *testing.T) {
	t.Parallel()
	type d = retry.Decision
	const newConn, tx, same = retry.NewConnection, retry.Transaction, retry.Statement
	never := [6]d{}
	io := d{Again: retry.Once, Where: newConn, Domain: retry.Storage, Discard: true}
	open := d{Again: retry.WithBackoff, Where: newConn, Domain: retry.Opening, Discard: true}
	sync := d{Domain: retry.Storage, Discard: true, Trip: true}
	oom := d{Domain: retry.Fingerprint, Discard: true}
	damage := d{Discard: true, Quarantine: true}
	write := d{Domain: retry.Writing}
	unknown := func(x d) d { x.Again, x.Where, x.Unknown = retry.Never, retry.Nowhere, true; return x }
	known := func(x d) d { x.Again, x.Where = retry.Never, retry.Nowhere; return x }
	once := [6]d{{Again: retry.Once, Where: newConn}, {Again: retry.Once, Where: same}, {Again: retry.Once, Where: newConn},
		{Again: retry.Once, Where: tx}, {Again: retry.Once, Where: tx}, {}}
	thrice := d{Again: retry.Thrice, Where: tx}
	readOOM := oom
	readOOM.Again, readOOM.Where = retry.Once, retry.Analytics
	for _, row := range []struct {
		class sqlite.ErrorClass
		code  int
		want  [6]d // open, begin, read, write, commit, checkpoint
	}{
		{sqlite.Busy, 5, [6]d{{Again: retry.WithBackoff, Where: newConn}, {Again: retry.WithBackoff, Where: same}, {Again: retry.WithBackoff, Where: newConn},
			{Again: retry.WithBackoff, Where: tx}, {Again: retry.WithBackoff, Where: same}, {}}},
		{sqlite.BusySnapshot, 517, [6]d{thrice, thrice, thrice, thrice, thrice, {}}},
		{sqlite.Schema, 17, once}, {sqlite.Protocol, 15, once}, {sqlite.ReadOnly, 264, once}, {sqlite.ReadOnly, 1288, once},
		{sqlite.Locked, 6, never}, {sqlite.Constraint, 19, never}, {sqlite.Constraint, 2067, never}, {sqlite.Mismatch, 20, never},
		{sqlite.TooBig, 18, never}, {sqlite.Args, 25, never}, {sqlite.Auth, 23, never}, {sqlite.SQL, 1, never}, {sqlite.Misuse, 21, never},
		{sqlite.Interrupt, 9, [6]d{{Domain: retry.Fingerprint}, {Domain: retry.Fingerprint}, {Domain: retry.Fingerprint},
			{Domain: retry.Fingerprint}, {Domain: retry.Fingerprint}, {Domain: retry.Fingerprint}}},
		{sqlite.OutOfMemory, 7, [6]d{oom, oom, readOOM, oom, unknown(oom), oom}},
		{sqlite.Poisoned, 0, [6]d{oom, oom, readOOM, oom, unknown(oom), oom}},
		{sqlite.IO, 10, [6]d{io, io, io, io, unknown(io), known(io)}},
		{sqlite.Fsync, 1034, [6]d{sync, sync, sync, sync, unknown(sync), sync}},
		{sqlite.Full, 13, [6]d{write, write, write, write, write, write}},
		{sqlite.ReadOnly, 8, [6]d{write, write, write, write, write, write}},
		{sqlite.ReadOnly, 0, never},
		{sqlite.CantOpen, 14, [6]d{open, open, open, open, unknown(open), known(open)}},
		{sqlite.Moved, 1032, [6]d{open, open, open, open, unknown(open), known(open)}},
		{sqlite.Corrupt, 11, [6]d{{Discard: true}, damage, damage, damage, unknown(damage), damage}},
		{sqlite.NotADB, 26, [6]d{{Discard: true}, damage, damage, damage, unknown(damage), damage}},
		{sqlite.Corrupt, 267, never},
		{sqlite.Fenced, 0, [6]d{{Discard: true}, {Discard: true}, {Discard: true}, {Discard: true}, unknown(d{Discard: true}), {Discard: true}}},
	} {
		for i, phase := range phases {
			if got := retry.Decide(row.class, row.code, phase); got != row.want[i] {
				t.Errorf("%s (%d) at %s: %+v, want %+v", row.class, row.code, phase, got, row.want[i])
			}
		}
	}
}

// TestNothingIsRunAgainInDoubt: what may have been committed is never run again, whatever the code.
func TestNothingIsRunAgainInDoubt(t *testing.T) {
	t.Parallel()
	for class := sqlite.SQL; class <= sqlite.Protocol; class++ {
		for _, code := range []int{0, 1, 5, 8, 10, 11, 13, 14, 264, 267, 517, 1034, 1288} {
			for _, phase := range phases {
				d := retry.Decide(class, code, phase)
				if d.Unknown && (d.Again != retry.Never || phase != retry.Commit) {
					t.Errorf("%s (%d) at %s: %+v", class, code, phase, d)
				}
				if (d.Again == retry.Never) != (d.Where == retry.Nowhere) {
					t.Errorf("%s (%d) at %s says how often but not where, or where but not how often: %+v", class, code, phase, d)
				}
			}
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	eio := &sqlite.Error{Class: sqlite.IO, Code: 266, Op: "step"}
	if got := retry.Of(fmt.Errorf("order 7: %w", eio), retry.Read); got != retry.Decide(sqlite.IO, 266, retry.Read) {
		t.Errorf("wrapped: %+v", got)
	}
	for _, err := range []error{nil, errors.New("mine"), context.Canceled, context.DeadlineExceeded,
		&sqlite.Error{Class: sqlite.Interrupt, Code: 9, Cause: context.Canceled},
		&sqlite.Error{Class: sqlite.Interrupt, Code: 9, Cause: errors.New("an operator")}} {
		if got := retry.Of(err, retry.Read); got != (retry.Decision{}) {
			t.Errorf("%v: %+v, want nothing", err, got)
		}
	}
	if got := retry.Of(&sqlite.Error{Class: sqlite.Interrupt, Code: 9}, retry.Read); got.Domain != retry.Fingerprint {
		t.Errorf("an interruption of the engine's own: %+v", got)
	}
}
