package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/engine/core/alert/diagnose"
	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/internal/histogram"
)

// remembered is how many operations of an interval are looked at, the newest: what is usual is told by a sample as well.
const remembered = 8192

// experience is what the engine remembers of its own work, to tell what is unusual. The zero value is ready. Add is called by one goroutine.
type experience struct {
	memory diagnose.Memory
	plans  planMemory
	host   hostWatch
	shelf  *diagnose.Shelf // nil: nothing of it is stored
	saved  time.Time

	mu      sync.Mutex
	at      time.Time
	serial  uint64 // of the latest operation that was looked at
	counts  map[string]float64
	commits histogram.Snapshot
	open    map[uint64]time.Duration // of transactions that have not ended: the time in their statements
}

// remember adds the interval that has just ended, and asks for the plans of what was busy in it; readings are the metrics of now.
func (db *DB) remember(ctx context.Context, now time.Time, readings []metric.Reading) {
	d := db.chores.watched.experience.digest(db, now, readings)
	busiest := d.Busiest()
	db.learn(ctx, now, busiest[:min(3*plansEach, len(busiest))])
	db.writeDown(ctx, now, false)
}

// digest makes and keeps what there is to remember of the interval.
func (x *experience) digest(db *DB, now time.Time, readings []metric.Reading) *diagnose.Digest {
	x.mu.Lock()
	defer x.mu.Unlock()
	d := &diagnose.Digest{At: now, Intervals: 1, Serial: x.serial, Statements: map[string]diagnose.Work{}, Holds: map[string]diagnose.Hold{},
		Counts: map[string]float64{}, Levels: map[string]diagnose.Level{}}
	if !x.at.IsZero() {
		d.Span = max(0, now.Sub(x.at))
	}
	x.at = now
	x.operations(db, d)
	x.figures(db, d, readings)
	x.host.read(d.Levels)
	x.memory.Add(d)
	return d
}

// operations adds what the flight recorder has seen since the interval before.
func (x *experience) operations(db *DB, d *diagnose.Digest) {
	if x.open == nil || len(x.open) > remembered {
		x.open = map[uint64]time.Duration{} // those of transactions that were abandoned would stay for ever
	}
	for o := range db.rec.flight.Since(x.serial, remembered) {
		x.serial = o.Serial
		switch o.Kind {
		case "statement":
			x.statement(d, &o)
		case "transaction":
			if o.TxKind != "view" && o.Hold > 0 {
				working := min(o.Hold, x.open[o.Tx])
				addHold(d, strings.TrimPrefix(strings.TrimPrefix(o.Name, "TRANSACTION"), " "), diagnose.Hold{Calls: 1, Statements: o.Statements, Held: o.Hold, Working: working, Longest: o.Hold})
			}
			delete(x.open, o.Tx)
		}
	}
}

// statement adds one. On the writer a statement that is no part of a transaction is one of its own.
func (x *experience) statement(d *diagnose.Digest, o *TraceOperation) {
	w := diagnose.Work{Summary: o.Name, Class: o.Class, Calls: 1, Took: o.Took, Steps: o.Steps, Scanned: o.FullScanSteps, Rows: o.Returned + o.Changed, Plugins: o.Plugins}
	if o.Error != "" {
		w.Failed = 1
	}
	if o.Lane == "writer" {
		w.Writes, w.Queue, w.Slot, w.Commit = 1, o.Queue, o.Slot, o.Commit
	} else {
		w.Slot = o.Queue + o.Slot
	}
	busy := max(0, o.Took-o.Queue-o.Slot-o.Commit)
	switch {
	case o.Tx != 0:
		x.open[o.Tx] += busy
	case o.Lane == "writer":
		addHold(d, o.Name, diagnose.Hold{Calls: 1, Statements: 1, Held: busy, Working: busy, Longest: busy})
	}
	if was, ok := d.Statements[o.Fingerprint]; ok {
		w = was.Plus(w)
	}
	d.Statements[o.Fingerprint] = w
}

func addHold(d *diagnose.Digest, name string, h diagnose.Hold) {
	if was, ok := d.Holds[name]; ok {
		h = was.Plus(h)
	}
	d.Holds[name] = h
}

// figures adds what the metrics have grown by, and what they are.
func (x *experience) figures(db *DB, d *diagnose.Digest, readings []metric.Reading) {
	var commits histogram.Snapshot
	now := map[string]float64{"file/read": float64(db.store.IO().Reads)}
	drops := db.rec.flight.Stats().Dropped
	for reason, n := range map[string]uint64{"overwritten": drops.Overwritten, "behind": drops.Behind, "priority": drops.Priority, "rate": drops.Rate, "failed": drops.Failed, "closed": drops.Closed} {
		now["spans/"+reason] = float64(n)
	}
	for i := range readings {
		r := &readings[i]
		if r.ID == metric.CommitDuration {
			commits = commits.Merge(r.Histogram)
		} else if level := levelOf(r.ID); level != "" {
			d.Levels[level] = diagnose.Of(r.Value)
		} else if count := countOf(r); count != "" {
			now[count] += r.Value
		}
	}
	d.Commits = commits.Since(x.commits)
	for k, v := range now {
		if grown := v - x.counts[k]; grown > 0 {
			d.Counts[k] = grown
		}
	}
	x.counts, x.commits = now, commits
}

// levelOf names a gauge as package diagnose does; "" for one that is not looked at.
func levelOf(id metric.ID) string {
	switch id {
	case metric.FileSize:
		return "file/database"
	case metric.WALSize:
		return "file/log"
	case metric.TelemetrySize:
		return "file/telemetry"
	case metric.ConnectionLeaked:
		return "connection/leaked"
	case metric.DiskFree:
		return "disk/free"
	}
	return ""
}

// countOf names a counter as package diagnose does; "" for one that is not looked at.
func countOf(r *metric.Reading) string {
	label := func(key string) string {
		for _, l := range r.Labels {
			if l.Key == key {
				return l.Value
			}
		}
		return ""
	}
	switch r.ID {
	case metric.WriterBusyTime:
		return "writer/busy"
	case metric.FileEvents:
		return "file/" + label("sqlite.file.event")
	case metric.WALCheckpoints:
		if label("sqlite.checkpoint.complete") == "false" {
			return "checkpoint/incomplete"
		}
	case metric.CommitLost:
		return "commit/" + label("engine.commit.outcome")
	case metric.WriterLimits:
		return "limit/" + label("engine.limit")
	case metric.Errors:
		return "error/" + label("error.type")
	case metric.ValidationRejected:
		return "rejected/" + label("engine.plugin.name") + ", rule " + label("engine.rule")
	case metric.TelemetryDropped:
		return "dropped/" + label("telemetry.item")
	case metric.QueueRefused:
		return "refused/" + label("engine.lane") + ", " + label("engine.class") + ", " + label("engine.reason")
	case metric.ValidationTime:
		return "plugin/time"
	case metric.ValidationCalls:
		return "plugin/calls"
	case metric.ValidationVerdicts:
		return "verdict/" + label("validation.verdict")
	}
	return ""
}
