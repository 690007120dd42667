package metric

import (
	"sync"

	"github.com/tidegate/engine/internal/histogram"
)

// Window tells what distributions have counted lately: since the rotation before the last one. The zero value is ready; it is safe for
// concurrent use.
type Window struct {
	mu         sync.Mutex
	older, old map[string]histogram.Snapshot
}

// Rotate begins a new interval.
func (w *Window) Rotate(gather Gather) {
	now := map[string]histogram.Snapshot{}
	gather(func(r Reading) {
		if r.ID.Definition().Kind == Distribution {
			now[r.key()] = r.Histogram
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.older, w.old = w.old, now
}

// Recent is what came lately of a reading; all of it where there has been no rotation.
func (w *Window) Recent(r *Reading) histogram.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return r.Histogram.Since(w.older[r.key()])
}
