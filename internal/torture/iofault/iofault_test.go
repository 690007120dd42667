package iofault

import (
	"slices"
	"syscall"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/torture"
)

func env(t *testing.T) *torture.Env {
	return &torture.Env{Seed: 1, Dir: t.TempDir(), Log: t.Logf}
}

// TestLifeWithoutFaults: everything is acknowledged, and every kind of call that the list of failures names is made.
func TestLifeWithoutFaults(t *testing.T) {
	t.Parallel()
	l, err := oneLife(t.Context(), env(t), 1, fault{})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.acked) != 17 || len(l.refused)+len(l.unknown)+l.typed != 0 {
		t.Errorf("acknowledged %v, refused %v, unknown %v, %d errors", l.acked, l.refused, l.unknown, l.typed)
	}
	for kind := range failures() {
		if l.calls[kind] == 0 {
			t.Errorf("no %s in a life", kind)
		}
	}
	seen := map[fault]bool{}
	for _, f := range cases(l.calls) {
		if seen[f] {
			t.Errorf("twice: %v", f)
		}
		seen[f] = true
	}
	for _, want := range []fault{{kind: sqlite.OpSync, nth: l.calls[sqlite.OpSync], sticky: true, errno: syscall.EDQUOT}, {kind: sqlite.OpWrite, nth: 1, errno: syscall.ENOSPC, short: 512}} {
		if !seen[want] {
			t.Errorf("not among the cases: %v", want)
		}
	}
}

// TestFailedSyncThenPowerCut fails syncs of the log and takes the power away afterwards. A kernel drops what it could not write and
// calls it clean, so the log must be written again before anything that follows is acknowledged.
func TestFailedSyncThenPowerCut(t *testing.T) {
	t.Parallel()
	e := env(t)
	cuts := 0
	for i, f := range []fault{{nth: 12, errno: syscall.ENOSPC}, {nth: 24, errno: syscall.EDQUOT}, {nth: 12, sticky: true, errno: syscall.EIO}, {nth: 18, sticky: true, errno: syscall.ENOSPC}} {
		f.kind = sqlite.OpSync
		l, err := oneLife(t.Context(), e, i, f)
		if err != nil {
			t.Errorf("%v: %v", f, err)
		}
		if !l.struck {
			t.Errorf("%v did not strike", f)
		}
		cuts += l.cuts
	}
	if cuts < 80 {
		t.Errorf("only %d power cuts", cuts)
	}
}

// TestFailedSyncThenRestart fails each sync of the end of the first life, and takes the power away while the next one starts: what it
// copies into the database must be on the disk in the log first. Cuts are many here, because the moment is short.
func TestFailedSyncThenRestart(t *testing.T) {
	t.Parallel()
	e := env(t)
	for n := 22; n <= 23; n++ {
		l, err := oneLife(t.Context(), e, n, fault{kind: sqlite.OpSync, nth: n, errno: syscall.EIO})
		if err != nil {
			t.Errorf("sync %d: %v", n, err)
		}
		l.problems, l.cuts, l.dir = nil, 0, e.Dir
		for range 3 {
			e.Seed++
			l.cut(e, fault{kind: sqlite.OpSync, nth: n})
		}
		if len(l.problems) > 0 || l.cuts < 60 {
			t.Errorf("sync %d: %d power cuts, %v", n, l.cuts, l.problems)
		}
	}
}

// TestLogCannotBeginAnew fails the write of the header of a log that begins anew, for good. What was acknowledged is in the database by
// then, and the engine must not take it for lost.
func TestLogCannotBeginAnew(t *testing.T) {
	t.Parallel()
	e := env(t)
	clean, err := oneLife(t.Context(), e, 0, fault{})
	if err != nil {
		t.Fatal(err)
	}
	struck := 0
	for n, at := range restarts(clean.watch.Events()) {
		f := fault{kind: sqlite.OpWrite, nth: at, sticky: true, errno: syscall.EIO}
		l, err := oneLife(t.Context(), e, n+1, f)
		if err != nil {
			t.Errorf("%v: %v", f, err)
		}
		if l.struck {
			struck++
		}
	}
	if struck < 2 {
		t.Errorf("the log began anew %d times, want 2 at least", struck)
	}
}

// restarts are the numbers of the writes that begin a log anew.
func restarts(events []faultfs.Event) []int {
	var out []int
	begun, writes := map[int]bool{}, 0
	for _, e := range events {
		if e.Kind != faultfs.Written {
			continue
		}
		writes++
		if e.Offset == 0 && len(e.Data) == 32 {
			if begun[e.File] {
				out = append(out, writes)
			}
			begun[e.File] = true
		}
	}
	return out
}

// TestCompare: each broken promise is seen.
func TestCompare(t *testing.T) {
	t.Parallel()
	sound := books{Sum: 3000, Moves: []int{1, 2}}
	for _, c := range []struct {
		what string
		b    books
		want int
	}{
		{"sound", sound, 0},
		{"part of a move", books{Sum: 2999, Moves: sound.Moves}, 1},
		{"an account off", books{Sum: 3000, Off: 1, Moves: sound.Moves}, 1},
		{"an acknowledged one is gone", books{Sum: 3000, Moves: []int{2}}, 1},
		{"a refused one is there", books{Sum: 3000, Moves: []int{1, 2, 3}}, 1},
		{"one in doubt is there", books{Sum: 3000, Moves: []int{1, 2, 4}}, 0},
	} {
		l := &life{acked: []int{1, 2}, refused: []int{3}, unknown: []int{4}}
		l.compare("then", c.b, slices.Clone(l.acked))
		if len(l.problems) != c.want {
			t.Errorf("%s: %v", c.what, l.problems)
		}
	}
}
