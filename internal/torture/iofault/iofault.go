// Package iofault fails every file call of a life of the whole engine, once and for good, with every error that the system may give (P3).
// Whatever happens, the process goes on, every error says what it is, nothing is acknowledged on a handle whose sync has failed, and SQLite
// alone finds a sound database with every acknowledged move and none that was refused. After a failed sync the power goes as well: what the
// kernel dropped must have been written again before anything was acknowledged.
package iofault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/torture"
)

// Scenario is the promise P3.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "io-faults", Promise: "P3", Run: run,
		About: "every file call failed once and for good with each kind of error; nothing corrupt, every error typed, no false verdict"}
}

// fault is one case: the n-th call of a kind fails.
type fault struct {
	kind   sqlite.OpKind
	nth    int
	sticky bool
	errno  syscall.Errno
	short  int // bytes of a write that still arrive
}

func (f fault) String() string {
	how := "once"
	if f.sticky {
		how = "for good"
	}
	short := ""
	if f.short > 0 {
		short = fmt.Sprintf(" after %d bytes", f.short)
	}
	return fmt.Sprintf("%s number %d %s with %v%s", f.kind, f.nth, how, f.errno, short)
}

// rule gives the error as the operating system's come: wrapped.
func (f fault) rule() faultfs.Rule {
	return faultfs.Rule{Kind: f.kind, Nth: f.nth, Sticky: f.sticky, Short: f.short,
		Err: &fs.PathError{Op: f.kind.String(), Path: fileName, Err: f.errno}}
}

// failures lists what each kind of call can answer.
func failures() map[sqlite.OpKind][]syscall.Errno {
	return map[sqlite.OpKind][]syscall.Errno{
		sqlite.OpOpen:     {syscall.EIO, syscall.EMFILE, syscall.EACCES, syscall.ENOSPC},
		sqlite.OpRead:     {syscall.EIO},
		sqlite.OpWrite:    {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT},
		sqlite.OpTruncate: {syscall.EIO, syscall.ENOSPC},
		sqlite.OpGrow:     {syscall.EIO, syscall.ENOSPC},
		sqlite.OpSync:     {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT},
		sqlite.OpSize:     {syscall.EIO},
		sqlite.OpLock:     {syscall.EIO, syscall.ENOLCK},
		sqlite.OpDelete:   {syscall.EIO, syscall.EACCES},
		sqlite.OpAccess:   {syscall.EIO},
		sqlite.OpShmMap:   {syscall.EIO, syscall.ENOSPC, syscall.ENOMEM},
	}
}

// cases lists all faults of a life that makes so many calls of each kind.
func cases(calls map[sqlite.OpKind]int) []fault {
	var out []fault
	for kind := range sqlite.OpGrow + 1 {
		for nth := 1; nth <= calls[kind]; nth++ {
			for _, errno := range failures()[kind] {
				for _, sticky := range []bool{false, true} {
					out = append(out, fault{kind: kind, nth: nth, sticky: sticky, errno: errno})
				}
			}
			if kind == sqlite.OpWrite {
				out = append(out, fault{kind: kind, nth: nth, errno: syscall.ENOSPC, short: 512}, fault{kind: kind, nth: nth, sticky: true, errno: syscall.EIO, short: 7})
			}
		}
	}
	return out
}

// tally adds up the cases.
type tally struct {
	mu                                              sync.Mutex
	done, hit, typed, late, unknown, cuts, reopened int
	slowest                                         time.Duration
	problems                                        []error
}

func run(ctx context.Context, e *torture.Env) (torture.Result, error) {
	var result torture.Result
	clean, err := oneLife(ctx, e, 0, fault{})
	if err != nil {
		return result, fmt.Errorf("a life without faults: %w", err)
	}
	all := cases(clean.calls)
	want := torture.Pick(e.Scale, 120, len(all))
	rnd := e.Rand(1)
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	e.Log("%d calls that can fail in a life, %d cases, %d of them now", total(clean.calls), len(all), want)
	var t tally
	work := make(chan int)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) { // some cases wait for a time-out
		wg.Go(func() {
			for i := range work {
				l, err := oneLife(ctx, e, i+1, all[i])
				t.add(l, err, all[i])
			}
		})
	}
	said := time.Now()
	for i := range want {
		if ctx.Err() != nil || t.failed() >= 20 {
			break
		}
		work <- i
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			e.Log("%d of %d cases, %d broken a promise", i+1, want, t.failed())
		}
	}
	close(work)
	wg.Wait()
	result.Cases = t.done
	result.Count("calls", total(clean.calls))
	result.Count("hit", t.hit)
	result.Count("errors_typed", t.typed)
	result.Count("deadline_passed", t.late)
	result.Count("outcome_unknown", t.unknown)
	result.Count("power_cuts", t.cuts)
	result.Count("recovered_without_restart", t.reopened)
	result.Add("slowest_call", t.slowest.Seconds(), "s")
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case len(t.problems) > 0:
		return result, fmt.Errorf("%d cases broke a promise: %w", len(t.problems), errors.Join(t.problems[:min(8, len(t.problems))]...))
	case t.late*100 > t.done:
		return result, fmt.Errorf("%d calls in %d lives had no answer by their deadline", t.late, t.done)
	case t.hit*10 < t.done*9:
		return result, fmt.Errorf("only %d of %d faults struck: the life is not the same each time", t.hit, t.done)
	}
	return result, nil
}

func total(calls map[sqlite.OpKind]int) int {
	n := 0
	for kind := range failures() {
		n += calls[kind]
	}
	return n
}

func (t *tally) failed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.problems)
}

func (t *tally) add(l *life, err error, f fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	if l != nil {
		t.typed += l.typed
		t.unknown += len(l.unknown)
		t.cuts += l.cuts
		t.late += l.late
		t.slowest = max(t.slowest, l.slowest)
		if l.struck {
			t.hit++
		}
		if l.recovered {
			t.reopened++
		}
	}
	if err != nil {
		t.problems = append(t.problems, fmt.Errorf("%v: %w", f, err))
	}
}
