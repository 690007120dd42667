package engine

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/deliver"
	"github.com/tidegate/engine/core/alert/diagnose"
	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/core/slowlog"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/sidecar"
)

// TelemetryConfig says what is measured of the engine's own work, and what is kept of that. See docs/observability.md.
type TelemetryConfig struct {
	// Measure counts and times what happens, for [Telemetry] and Config.MeterProvider. It costs some 0.2 µs a statement. Default true.
	Measure bool
	// Store keeps the metrics and the slow log in a database of their own, beside the one that is opened. It never delays a transaction, and where
	// it cannot be opened the engine works without it. Default false here, true for engine serve. Where several processes
	// store into one file what they count adds up, and one of them tells of alerts.
	Store bool
	// Path is that database's file. Empty: the database's path with ".telemetry.db" behind it; a database in memory or one that is opened
	// read only stores nothing then.
	Path string
	// Interval is how often metrics are looked at: a whole number of seconds that divides a minute. Default 10 s.
	Interval time.Duration
	// Limit is the size of the file, in bytes, at least 1 MiB; what is oldest goes to keep it. Default 256 MiB.
	Limit int64
	// Slow configures the slow log, which needs Measure.
	Slow SlowConfig
}

// SlowConfig says which statements are logged, and what of them.
type SlowConfig struct {
	// Log switches the slow log on. Default true.
	Log bool
	// Signal, Analytics and Other are how long a statement of [ClassSignal], [ClassAnalytics] and any other class may take. Default 50 ms,
	// 2 s, 100 ms; 0 logs each of them.
	Signal, Analytics, Other time.Duration
	// Bindings says what is written down of bound values. Default [BindingsShape].
	Bindings BindingsPolicy
}

// BindingsPolicy says what the slow log writes down of bound values. Whatever it is, the latest few sets of each statement stay in memory, so that
// plans and [Telemetry.Replay] have real values, and leave it never.
type BindingsPolicy = slowlog.Policy

// The policies of bindings.
const (
	// BindingsShape writes down types and lengths. It is the zero value.
	BindingsShape = slowlog.Shape
	// BindingsNone writes nothing down.
	BindingsNone = slowlog.None
	// BindingsHash writes down a keyed hash of each value, whose key dies with the process.
	BindingsHash = slowlog.Hash
	// BindingsFull writes down the values, except that of blobs their length.
	BindingsFull = slowlog.Full
)

// mistakes lists what is wrong.
func (c *TelemetryConfig) mistakes() (bad []string) {
	if !c.Measure {
		return nil // and nothing else means anything
	}
	if c.Interval < time.Second || time.Minute%c.Interval != 0 || c.Interval%time.Second != 0 {
		bad = append(bad, fmt.Sprintf("telemetry.interval: must be positive, in whole seconds, and divide a minute, got %v", c.Interval))
	}
	if c.Limit < 1<<20 {
		bad = append(bad, fmt.Sprintf("telemetry.limit: must be positive, and at least 1 MiB, got %d bytes", c.Limit))
	}
	for _, limit := range []struct {
		key string
		d   time.Duration
	}{{"signal", c.Slow.Signal}, {"analytics", c.Slow.Analytics}, {"other", c.Slow.Other}} {
		if limit.d < 0 {
			bad = append(bad, fmt.Sprintf("telemetry.slow.%s: must not be negative, got %v; 0 logs every statement", limit.key, limit.d))
		}
	}
	if c.Slow.Bindings > BindingsFull {
		bad = append(bad, "telemetry.slow.bindings: must be shape, none, hash or full")
	}
	return bad
}

// telemetry is what a DB measures.
type telemetry struct {
	work     metric.Workload
	rejected metric.Tally
	dropped  metric.Tally
	window   metric.Window
	ratio    atomic.Uint64 // of the writer in the latest interval, bits of a float64
	freelist atomic.Int64  // bytes, as of the latest minute
	// unsettled counts changes of the schema that failed, as the database told in the latest minute.
	unsettled atomic.Int64
	exporter  *metric.Exporter
	slow      *slowlog.Log // nil: off
	shelf     *slowlog.Shelf
	file      *sidecar.File // nil: nothing is stored
	store     *metric.Store
	// experience is what is remembered, for diagnoses.
	experience experience
	alarms     alarms
}

// measure starts what happens in intervals. It fails nothing: a database is worth more than its figures.
func (db *DB) measure(ctx context.Context, loc sqlite.Location) {
	t := db.chores.watched
	if t == nil {
		return
	}
	c := &db.cfg.Telemetry
	path := c.Path
	if path == "" && !loc.Memory && !loc.ReadOnly {
		path = loc.Path + ".telemetry.db"
	}
	if c.Store && path != "" {
		file, err := sidecar.Open(ctx, path, c.Limit, slices.Concat(metric.Schema(), slowlog.Schema(), alert.Schema(), deliver.Schema(), diagnose.Schema())...)
		if err != nil {
			db.log.Warn("metrics and slow statements are not stored", "file", path, "error", err)
		} else {
			t.file, t.store = file, metric.NewStore(file, c.Interval, c.Limit)
		}
	}
	t.shelf = slowlog.NewShelf(t.file)
	if c.Slow.Log {
		t.slow = slowlog.New(slowlog.Config{Signal: c.Slow.Signal, Analytics: c.Slow.Analytics, Other: c.Slow.Other, Policy: c.Slow.Bindings, Explain: db.planOf, Keep: t.shelf.Keep,
			Now: db.clock.Now})
	}
	var err error
	if t.exporter, err = metric.NewExporter(db.cfg.MeterProvider, namespace(loc), db.gather); err != nil {
		db.log.Warn("metrics are not exported", "error", err)
	}
	db.standWatch(ctx)
	tick := db.clock.Tick(c.Interval)
	db.chores.wg.Go(func() { db.lookAtItself(tick, db.chores.stop) })
}

// lookAtItself stores and exports the metrics in intervals, and once more at the end.
func (db *DB) lookAtItself(tick *clock.Ticker, stop <-chan struct{}) {
	defer tick.Stop()
	ctx := context.Background()
	var m moments
	m.at, m.minute = db.clock.Now(), db.clock.Now().Truncate(time.Minute)
	db.recollect(ctx, m.at)
	for {
		select {
		case <-tick.C:
			db.interval(ctx, &m)
		case <-stop:
			return
		}
	}
}

// moments are what one interval hands to the next.
type moments struct {
	at, minute time.Time
	busy       time.Duration
	looked     bool // at the database
}

func (db *DB) interval(ctx context.Context, m *moments) {
	t, now := db.chores.watched, db.clock.Now()
	busy := db.lanes.Stats().Writer.Busy
	if span := now.Sub(m.at); span > 0 {
		t.ratio.Store(math.Float64bits(min(1, float64(busy-m.busy)/float64(span))))
	}
	m.at, m.busy = now, busy
	t.window.Rotate(t.work.Gather)
	db.noteLosses(now)
	readings := make([]metric.Reading, 0, 256)
	if !m.looked {
		m.looked = true
		db.lookAtFile(ctx)
	}
	if minute := now.Truncate(time.Minute); minute != m.minute {
		m.minute = minute
		db.lookAtFile(ctx)
		if t.slow != nil {
			t.slow.Refresh()
			readings = t.fingerprints(readings)
		}
	}
	present := len(readings)
	db.gather(func(r metric.Reading) { readings = append(readings, r) })
	db.remember(ctx, now, readings[present:])
	db.keep(ctx, now, readings)
	db.evaluate(now, readings[present:])
}

// keep stores and exports readings.
func (db *DB) keep(ctx context.Context, now time.Time, readings []metric.Reading) {
	t := db.chores.watched
	if t.exporter != nil {
		t.exporter.Flush(ctx)
	}
	if t.store == nil {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := t.store.Append(bounded, now, readings); err != nil {
		t.dropped.Add("interval", "", 1)
		db.log.Warn("metrics of an interval were not stored; the next one makes up for them", "file", t.file.Path(), "error", err)
	}
}

// fingerprints adds the hundred statements that took most time.
func (t *telemetry) fingerprints(to []metric.Reading) []metric.Reading {
	for _, f := range t.slow.Forgotten() {
		if t.store != nil {
			t.store.Forget(metric.QueryDuration, metric.Labels("sqlite.fingerprint", f))
		}
	}
	for _, b := range t.slow.Busiest(100) {
		to = append(to, metric.Reading{ID: metric.QueryDuration, Labels: metric.Labels("sqlite.fingerprint", b.Fingerprint), Histogram: b.Times})
	}
	return to
}

// lookAtFile asks how much of the file is free and which changes of the schema have failed, on a reader of the engine's own. What is busy is
// asked again in the next minute.
func (db *DB) lookAtFile(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if n, ok := db.ask(ctx, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"); ok {
		db.chores.watched.freelist.Store(n)
	}
	if n, ok := db.ask(ctx, failedRuns); ok {
		db.chores.watched.unsettled.Store(n)
	}
}

// ask reads one number.
func (db *DB) ask(ctx context.Context, sql string) (n int64, ok bool) {
	cur, err := db.lanes.Query(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: "metrics"}, sql, nil)
	if err != nil {
		return 0, false
	}
	defer cur.Finish()
	if more, err := cur.Next(ctx); !more || err != nil {
		return 0, false
	}
	return cur.Row()[0].Int, true
}

// judged counts the rows that rules refuse.
func (t *telemetry) judged(ev *change.Event) {
	if t != nil && ev.Kind == change.Rejected {
		t.rejected.Add(ev.Verdict.Plugin, fmt.Sprint(ev.Verdict.Rule), uint64(max(1, ev.Verdict.Rows)))
	}
}

// close keeps what came since the last interval, and closes the file. The lanes have ended.
func (t *telemetry) close(db *DB) {
	if t == nil {
		return
	}
	if t.slow != nil {
		t.slow.Close()
	}
	ctx := context.Background()
	var last []metric.Reading
	if t.slow != nil {
		last = t.fingerprints(nil)
	}
	db.gather(func(r metric.Reading) { last = append(last, r) })
	db.keep(ctx, db.clock.Now(), last)
	if t.exporter != nil {
		_ = t.exporter.Close(ctx) // nobody listens any more
	}
	db.writeDown(ctx, db.clock.Now(), true)
	t.alarms.dismiss(db)
	if t.file != nil {
		if err := t.file.Close(); err != nil {
			db.log.Warn("the telemetry database was not closed well", "file", t.file.Path(), "error", err)
		}
	}
}

// size is that of the database's file; 0 in memory.
func (db *DB) size() int64 {
	loc := db.store.Location()
	if loc.Memory {
		return 0
	}
	info, err := os.Stat(loc.Path)
	if err != nil {
		return 0
	}
	return info.Size()
}
