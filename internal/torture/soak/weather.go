package soak

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// weather is the state of the disk. Safe for concurrent use.
type weather struct {
	full  atomic.Bool  // writes find no space
	slow  atomic.Int64 // of a sync, in nanoseconds
	next  [5]atomic.Bool
	fired [5]atomic.Int64
	fulls atomic.Int64
}

// The calls of which the next one fails, once.
const (
	readFails = iota
	writeFails
	syncFails
	openFails
	truncateFails
)

// Before implements sqlite.Faults.
func (w *weather) Before(op sqlite.Op) error {
	var which int
	switch op.Kind {
	case sqlite.OpRead:
		which = readFails
	case sqlite.OpWrite:
		if w.full.Load() && op.File == sqlite.FileWAL {
			return syscall.ENOSPC
		}
		which = writeFails
	case sqlite.OpSync:
		if d := w.slow.Load(); d > 0 {
			time.Sleep(time.Duration(d)) // a slow disk is nothing but time
		}
		which = syncFails
	case sqlite.OpOpen:
		which = openFails
	case sqlite.OpTruncate:
		which = truncateFails
	default:
		return nil
	}
	if w.next[which].Load() && w.next[which].CompareAndSwap(true, false) {
		w.fired[which].Add(1)
		return syscall.EIO
	}
	return nil
}

// change makes the weather until ctx ends.
func (w *weather) change(ctx context.Context, rng *rand.Rand) {
	for ctx.Err() == nil {
		switch kind := rng.IntN(10); {
		case kind < len(w.next):
			w.next[kind].Store(true)
		case kind == 5:
			w.full.Store(true)
			w.fulls.Add(1)
			pause(ctx, time.Duration(100+rng.IntN(400))*time.Millisecond)
			w.full.Store(false)
		case kind == 6:
			w.slow.Store(int64(rng.IntN(30)) * int64(time.Millisecond))
		default:
			w.slow.Store(0)
		}
		pause(ctx, time.Duration(200+rng.IntN(1800))*time.Millisecond)
	}
	w.clear()
}

func (w *weather) clear() {
	w.full.Store(false)
	w.slow.Store(0)
	for i := range w.next {
		w.next[i].Store(false)
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
