package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// TraceConfig says what is kept of each operation, and what becomes a span. See docs/observability.md.
type TraceConfig struct {
	// Records is how many operations the flight recorder keeps, rounded up to the next 1,024. Default 65,536, which takes 16 MB once it is
	// full. 0 turns tracing off altogether: no records and no spans.
	Records int
	// Slow says from when on an operation is exported although its caller's span is not sampled. Default: 50 ms for signals, 2 s for analytics,
	// 100 ms for all others, 5 ms for one call of a plug-in. 0: none is slow.
	Slow TraceSlow
	// Sink takes finished spans in batches, instead of [Config].TracerProvider. Nil: the provider makes them.
	Sink SpanSink
}

// The flight recorder and what it speaks of are documented in package trace.
type (
	// TraceSlow are durations from which operations are slow.
	TraceSlow = trace.Slow
	// SpanSink takes finished spans in batches.
	SpanSink = trace.SpanSink
	// FlightRecorder keeps a record of the last operations.
	FlightRecorder = trace.Flight
	// TraceOperation is a record in a readable form.
	TraceOperation = trace.Operation
	// TraceStats counts what became of the records.
	TraceStats = trace.Stats
)

// mistakes lists what is wrong with the settings of tracing.
func (c *TraceConfig) mistakes() (bad []string) {
	switch {
	case c.Records < 0:
		bad = append(bad, fmt.Sprintf("trace.records: must not be negative, got %d; 0 turns tracing off", c.Records))
	case c.Records > maxRecords:
		bad = append(bad, fmt.Sprintf("trace.records: must be at most %d, got %d", maxRecords, c.Records))
	}
	for _, l := range []struct {
		key string
		d   time.Duration
	}{{"signal", c.Slow.Signal}, {"analytics", c.Slow.Analytics}, {"other", c.Slow.Other}, {"plugin", c.Slow.Plugin}} {
		if l.d < 0 {
			bad = append(bad, fmt.Sprintf("trace.slow.%s: must not be negative, got %v; 0 calls none slow", l.key, l.d))
		}
	}
	return bad
}

// maxRecords bounds the flight recorder to a gigabyte.
const maxRecords = 1 << 22

// recording is where the engine tells what it does. The Recorder is the flight recorder, or what stands before it.
type recording struct {
	trace.Recorder
	flight *trace.Flight // nil: tracing is off
}

// record opens the flight recorder.
func (c *Config) record(loc sqlite.Location) recording {
	if c.Trace.Records == 0 {
		return recording{Recorder: trace.Off()}
	}
	f := trace.Open(trace.Options{Provider: c.TracerProvider, Sink: c.Trace.Sink, Namespace: namespace(loc), Records: c.Trace.Records, Slow: c.Trace.Slow})
	return recording{f, f}
}

// Trace returns the flight recorder: the last operations, a copy of them for later, and the export of spans. Where tracing is off it is nil,
// whose methods do nothing.
func (db *DB) Trace() *FlightRecorder { return db.rec.flight }

// lastSpans is how long a database that is closed waits for its last spans to leave.
const lastSpans = 2 * time.Second

// land exports what is left to export and ends the flight recorder.
func (db *DB) land(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSpans)
	defer cancel()
	if err := db.rec.flight.Close(ctx); err != nil {
		s := db.rec.flight.Stats()
		db.log.Warn("spans were left behind: their receiver did not take them in time", "dropped", s.Dropped.Total(), "pending", s.Pending)
	}
}

// waited notes in the record of a statement how its transaction on the writer went, and what plug-ins took of it.
func waited(st *trace.Statement, rep *lane.Report, plugins *pluginTime) {
	st.Work.PluginCalls, st.Work.PluginTime = plugins.sum()
	st.QueueWait, st.CommitWait, st.Group, st.Retries = rep.Queue, rep.Commit, rep.Group, max(0, rep.Runs-1)
}

// held is from how long a wait on it is told which span held the writer.
const held = time.Millisecond

// end closes the span of a transaction.
func end(span trace.TxSpan, rep *lane.Report, e trace.TxEnd) {
	if rep.Holder.IsValid() && (rep.Queue >= held || errors.Is(e.Err, ErrOverloaded)) {
		span.Event("engine.busy", attribute.Int64("engine.queue.wait_us", rep.Queue.Microseconds()))
		span.Link(rep.Holder, "busy")
	}
	if errors.Is(e.Err, ErrLeaseExpired) {
		span.Event("engine.lease", attribute.Int64("engine.tx.hold_us", rep.Hold.Microseconds()))
	}
	e.Retries, e.Group, e.GroupSize = max(0, rep.Runs-1), rep.Group, rep.GroupSize
	e.QueueWait, e.Hold, e.CommitWait, e.Commit = rep.Queue, rep.Hold, rep.Commit, rep.CommitSpan
	span.End(e)
}

// retried tells that a closure is run once more.
func retried(span trace.TxSpan, runs int) {
	span.Event("engine.retry", attribute.Int("engine.retries", runs))
}

// outcomeName says what became of a transaction.
func outcomeName(err error) string {
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return "unknown"
	case err != nil:
		return "rolled_back"
	}
	return "committed"
}

// pluginTime adds up what plug-ins took on behalf of one call.
type pluginTime struct{ calls, took atomic.Int64 }

type pluginKey struct{ db *DB }

// pluggedContext carries the times of a call: context.WithValue would be a second allocation for each write.
type pluggedContext struct {
	context.Context
	db *DB
	pluginTime
}

func (c *pluggedContext) Value(key any) any {
	if k, ok := key.(pluginKey); ok && k.db == c.db {
		return &c.pluginTime
	}
	return c.Context.Value(key)
}

// plugged returns a context in which the calls of plug-ins are counted, where there are rules at all.
func (db *DB) plugged(ctx context.Context) (context.Context, *pluginTime) {
	if db.rules.enforcer == nil {
		return ctx, nil
	}
	c := &pluggedContext{Context: ctx, db: db}
	return c, &c.pluginTime
}

// sum is what was counted.
func (t *pluginTime) sum() (calls int64, took time.Duration) {
	if t == nil {
		return 0, 0
	}
	return t.calls.Load(), time.Duration(t.took.Load())
}

// called tells the flight recorder of a call of a plug-in.
func (db *DB) called(ctx context.Context, c *change.Call) {
	if t, ok := ctx.Value(pluginKey{db}).(*pluginTime); ok {
		t.calls.Add(1)
		t.took.Add(int64(c.Took))
	}
	if db.rec.flight != nil {
		db.rec.flight.Plugin(ctx, &trace.PluginCall{Plugin: c.Who.Name, Version: c.Who.Version, Table: c.Table, Rows: c.Rows, Start: c.Start, Took: c.Took, Err: c.Err})
	}
}
