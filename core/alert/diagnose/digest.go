package diagnose

import (
	"maps"
	"time"

	"github.com/tidegate/engine/internal/histogram"
)

// Digest is what happened in one interval, or in several that were merged. The zero value is an interval in which nothing happened. It is not safe for
// concurrent use while it is changed.
type Digest struct {
	// At is when the latest interval ended, Begun when the first did, Span how long all of them were: while the engine does not run there are none.
	At, Begun time.Time
	Span      time.Duration
	// Intervals is how many there are.
	Intervals int
	// Serial is that of the last operation of the flight recorder before the first of them.
	Serial uint64
	// Statements are those of each fingerprint, Holds the transactions that held the writer, by their callers' names; "" has none.
	Statements map[string]Work
	Holds      map[string]Hold
	// Commits are how long COMMITs took, sync included, in nanoseconds.
	Commits histogram.Snapshot
	// Counts are what counters grew by, Levels what gauges were.
	Counts map[string]float64
	Levels map[string]Level
}

// Work is what the statements of a fingerprint did, all of them together.
type Work struct {
	// Summary names the operation and the table, Class is that of the latest call.
	Summary, Class string
	// Calls, Failed and Writes count them: all, those that failed, those that ran on the writer.
	Calls, Failed, Writes int64
	// Took is how long they took; Queue, Slot and Commit are what of it they waited for a turn, for a connection, and for the COMMIT.
	Took, Queue, Slot, Commit time.Duration
	// Steps are those of the virtual machine, Scanned rows that were stepped over without an index, Rows what was returned or changed.
	Steps, Scanned, Rows int64
	// Plugins is the time that plug-ins took of it.
	Plugins time.Duration
}

// steps is how many steps a call took.
func (w Work) steps() float64 { return float64(w.Steps) / float64(max(1, w.Calls)) }

// busy is how long a call worked, without its waits.
func (w Work) busy() time.Duration {
	return max(0, w.Took-w.Queue-w.Slot-w.Commit-w.Plugins) / time.Duration(max(1, w.Calls))
}

// Plus is what both did; summary and class are those of the other one.
func (w Work) Plus(o Work) Work {
	return Work{o.Summary, o.Class, w.Calls + o.Calls, w.Failed + o.Failed, w.Writes + o.Writes, w.Took + o.Took, w.Queue + o.Queue, w.Slot + o.Slot, w.Commit + o.Commit, w.Steps + o.Steps, w.Scanned + o.Scanned,
		w.Rows + o.Rows, w.Plugins + o.Plugins}
}

// Hold is how transactions of one name held the writer.
type Hold struct {
	// Calls and Statements count them.
	Calls, Statements int64
	// Held is for how long, Working what of that was spent inside statements, Longest the longest of them.
	Held, Working, Longest time.Duration
}

// idle is how long they held the writer without asking it for anything.
func (h Hold) idle() time.Duration { return max(0, h.Held-h.Working) }

// Plus is how both held the writer.
func (h Hold) Plus(o Hold) Hold {
	return Hold{h.Calls + o.Calls, h.Statements + o.Statements, h.Held + o.Held, h.Working + o.Working, max(h.Longest, o.Longest)}
}

// Level is what a gauge was over some time.
type Level struct {
	// First and Last are the values at the begin and the end, Low and High the bounds.
	First, Last, Low, High float64
}

// Of is a gauge that has one value.
func Of(v float64) Level { return Level{v, v, v, v} }

func (l Level) then(o Level) Level {
	return Level{l.First, o.Last, min(l.Low, o.Low), max(l.High, o.High)}
}

// mostKinds bounds the fingerprints and the names of a digest. What took least goes.
const mostKinds = 256

// Then merges a later digest into this one.
func (d *Digest) Then(o *Digest) {
	if d.Intervals == 0 {
		d.Serial = o.Serial
		if d.Begun = o.Begun; d.Begun.IsZero() {
			d.Begun = o.At
		}
	}
	d.At, d.Span, d.Intervals = o.At, d.Span+o.Span, d.Intervals+o.Intervals
	d.Commits = d.Commits.Merge(o.Commits)
	d.Statements = merge(d.Statements, o.Statements, Work.Plus)
	d.Holds = merge(d.Holds, o.Holds, Hold.Plus)
	d.Counts = merge(d.Counts, o.Counts, func(a, b float64) float64 { return a + b })
	d.Levels = merge(d.Levels, o.Levels, Level.then)
	trim(d.Statements, func(w Work) float64 { return float64(w.Took) })
	trim(d.Holds, func(h Hold) float64 { return float64(h.Held) })
}

func merge[V any](to, from map[string]V, add func(V, V) V) map[string]V {
	if to == nil {
		return maps.Clone(from)
	}
	for k, v := range from {
		if have, ok := to[k]; ok {
			v = add(have, v)
		}
		to[k] = v
	}
	return to
}

// trim keeps a map within its bound.
func trim[V any](m map[string]V, weight func(V) float64) {
	if len(m) <= mostKinds {
		return
	}
	for _, k := range ranked(m, weight)[mostKinds/2:] {
		delete(m, k)
	}
}

// Busiest are the fingerprints, those whose statements took most time first.
func (d *Digest) Busiest() []string {
	return ranked(d.Statements, func(w Work) float64 { return float64(w.Took) })
}

// total adds up what all statements did.
func (d *Digest) total() (all Work) {
	for _, w := range d.Statements {
		all = all.Plus(w)
	}
	return all
}

// holds adds up how the writer was held.
func (d *Digest) holds() (all Hold) {
	for _, h := range d.Holds {
		all = all.Plus(h)
	}
	return all
}
