package health

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Losses remembers when something was last lost. Counters only grow, and what was lost last week is no news. The zero value has seen nothing.
// Safe for concurrent use.
type Losses struct {
	mu  sync.Mutex
	all map[string]*loss
}

type loss struct {
	total uint64
	at    time.Time // when it was first seen to be so many
}

// Note says how much of an item was lost since the start, as of now.
func (l *Losses) Note(now time.Time, item string, total uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]*loss{}
	}
	switch seen := l.all[item]; {
	case seen == nil && total > 0:
		l.all[item] = &loss{total, now}
	case seen != nil && total > seen.total:
		seen.total, seen.at = total, now
	}
}

// lossFor is how long a loss counts.
const lossFor = time.Minute

// Telemetry tells of telemetry that is being lost.
func Telemetry(l *Losses, now time.Time) Check {
	l.mu.Lock()
	defer l.mu.Unlock()
	var parts []string
	recent := false
	for item, seen := range l.all {
		ago := now.Sub(seen.at)
		parts = append(parts, fmt.Sprintf("%d of %s, the last %v ago", seen.total, item, ago.Round(time.Second)))
		recent = recent || ago < lossFor
	}
	if parts == nil {
		return Good("telemetry", "nothing was lost")
	}
	slices.Sort(parts)
	detail := "lost since the start: " + strings.Join(parts, "; ")
	if recent {
		return Warning("telemetry", detail, "see docs/observability.md (when export falls behind): a collector that does not answer, a telemetry database without room, or more than it can take")
	}
	return Good("telemetry", detail)
}
