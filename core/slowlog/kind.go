package slowlog

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/internal/histogram"
)

const (
	// MaxKinds is how many fingerprints are known at once.
	MaxKinds = 5000
	// keptBindings is how many sets of bindings are kept of each.
	keptBindings = 8
	// baselineFrom is how many runs a kind needs before one of them can be unusual.
	baselineFrom = 100
	// unusualFrom is the shortest time that can be unusual: below, it is the machine's noise.
	unusualFrom = time.Millisecond
	// burst is how many entries a kind may write at once; one more every refill.
	burst  = 5
	refill = 10 * time.Second
	// spare is how many of the entries for which there was no room are written all the same at the end of a minute, drawn by lot.
	spare = 2
)

// kind is a fingerprint with what is known of it.
type kind struct {
	// What every statement looks at comes first, in one line of the processor's cache.
	last       atomic.Int64 // ns since 1970, up to lastStep behind
	limit      atomic.Int64 // over which a run is unusual, in ns; 0: not known yet
	reprepares atomic.Int64 // since the last Refresh
	query      Query
	times      histogram.Histogram

	mu       sync.Mutex
	bindings []Given // the latest, in a ring
	next     int
	tokens   float64
	filled   time.Time
	skipped  int
	reserve  []pending
	told     histogram.Snapshot // by Busiest
}

// lastStep is how exactly it is known when a kind was seen last: it is written by every statement on every core.
const lastStep = 10 * time.Millisecond

// count counts a run.
func (k *kind) count(r *Run) {
	if at := r.Start.UnixNano(); at-k.last.Load() > int64(lastStep) {
		k.last.Store(at)
	}
	k.times.Add(int64(r.Duration))
}

// keep keeps bindings in memory.
func (k *kind) keep(g Given) {
	if g.SQL == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.bindings) < keptBindings {
		k.bindings = append(k.bindings, g)
		return
	}
	k.bindings[k.next%keptBindings] = g
	k.next++
}

// learn works the limit out anew.
func (k *kind) learn() {
	k.reprepares.Store(0)
	s := k.times.Snapshot()
	if s.Count < baselineFrom {
		return
	}
	k.limit.Store(max(s.Quantile(0.99), 2*s.Quantile(0.5), int64(unusualFrom)))
}

// admit takes a token, or puts the entry among those that are drawn.
func (k *kind) admit(p *pending, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.filled.IsZero() {
		k.tokens = burst
	} else {
		k.tokens = min(burst, k.tokens+float64(now.Sub(k.filled))/float64(refill))
	}
	k.filled = now
	if k.tokens >= 1 {
		k.tokens--
		p.entry.Skipped, k.skipped = k.skipped, 0
		return true
	}
	k.skipped++
	if len(k.reserve) < spare {
		k.reserve = append(k.reserve, *p)
	} else if i := rand.IntN(k.skipped); i < spare {
		k.reserve[i] = *p
	}
	return false
}

// drawn takes the entries that were drawn.
func (k *kind) drawn() []pending {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.reserve
	k.reserve = nil
	if len(out) > 0 {
		out[0].entry.Skipped = k.skipped - len(out)
		k.skipped = 0
	}
	return out
}

func (k *kind) summary() Kind {
	s := k.times.Snapshot()
	k.mu.Lock()
	defer k.mu.Unlock()
	return Kind{Fingerprint: inHex(k.query.Fingerprint), Text: k.query.Text, Summary: k.query.Summary, Calls: s.Count, Total: time.Duration(s.Sum),
		P50: time.Duration(s.Quantile(0.5)), P99: time.Duration(s.Quantile(0.99)), Last: time.Unix(0, k.last.Load()).UTC(), Bindings: len(k.bindings)}
}

func inHex(fingerprint uint64) string { return strconv.FormatUint(fingerprint, 16) }
