package engine

import (
	"context"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/core/slowlog"
	"github.com/tidegate/engine/core/trace"
)

// watch puts the measuring of statements and transactions before a recorder.
func (db *DB) watch(next trace.Recorder) trace.Recorder {
	if !db.cfg.Telemetry.Measure {
		return next
	}
	db.chores.watched = new(telemetry)
	return &watcher{next, db.chores.watched}
}

// watcher is a trace.Recorder that measures, and passes everything on.
type watcher struct {
	next trace.Recorder
	t    *telemetry
}

// Statement implements trace.Recorder.
func (w *watcher) Statement(ctx context.Context, s *trace.Statement) {
	w.next.Statement(ctx, s)
	onWriter, name := s.Lane == "writer", ""
	if s.Err != nil {
		name = trace.ErrorType(s.Err)
	}
	// The wait of a transaction is the transaction's. Its statements have neither a group nor a wait of their own.
	inside := s.Tx != 0 || onWriter && s.Group == 0 && s.QueueWait == 0
	w.t.work.Statement(ctx, &metric.Statement{Lane: s.Lane, Class: s.Class, Operation: s.Query.Operation, Start: s.Start, Duration: s.Duration, Wait: s.QueueWait,
		Rows: s.RowsReturned, Steps: s.Work.VMSteps, InTransaction: inside || !onWriter && s.QueueWait == 0, Error: name})
	if w.t.slow == nil {
		return
	}
	if onWriter && !inside {
		w.t.slow.Held(s.Query.Summary, s.Start.Add(s.QueueWait), s.Start.Add(s.Duration))
	}
	run := slowlog.Run{Start: s.Start, Duration: s.Duration, QueueWait: s.QueueWait, SlotWait: s.SlotWait, RowsReturned: s.RowsReturned, RowsChanged: s.RowsChanged,
		VMSteps: s.Work.VMSteps, FullScanSteps: s.Work.FullScanSteps, Sorts: s.Work.Sorts, AutoIndexes: s.Work.AutoIndexes, Reprepares: s.Work.Reprepares,
		Retries: s.Retries, Error: name}
	if !w.t.slow.Usual(s.Query.Fingerprint, s.Class, &run) {
		w.observe(ctx, s, &run)
	}
}

// observe shows a statement to the slow log.
func (w *watcher) observe(ctx context.Context, s *trace.Statement, run *slowlog.Run) {
	w.t.slow.Observe(ctx, &slowlog.Observation{
		Query: slowlog.Query{Fingerprint: s.Query.Fingerprint, Text: s.Query.Text, Summary: s.Query.Summary},
		Given: slowlog.Given{SQL: s.Given.SQL, Args: s.Given.Args, Name: s.Given.Name}, Lane: s.Lane, Class: s.Class, Run: *run})
}

// StartTx implements trace.Recorder.
func (w *watcher) StartTx(ctx context.Context, name, kind string) (context.Context, trace.TxSpan) {
	ctx, span := w.next.StartTx(ctx, name, kind)
	return ctx, &watchedTx{span, w.t, name, kind}
}

// StartCommit implements trace.Recorder.
func (w *watcher) StartCommit(ctx context.Context, group uint64) (oteltrace.SpanContext, func(trace.CommitEnd)) {
	span, end := w.next.StartCommit(ctx, group)
	return span, func(c trace.CommitEnd) {
		if c.Err == nil {
			w.t.work.Commit(c.Size, c.Durable, c.Sync)
		}
		end(c)
	}
}

// watchedTx measures a transaction when it ends.
type watchedTx struct {
	trace.TxSpan
	t          *telemetry
	name, kind string
}

// End implements trace.TxSpan.
func (x *watchedTx) End(e trace.TxEnd) {
	x.t.work.Transaction(x.kind, e.Outcome, e.QueueWait, e.Hold, e.Retries)
	if x.t.slow != nil && x.kind != "view" && e.Hold > 0 {
		name := x.name
		if name == "" {
			name = "an unnamed " + x.kind
		}
		released := time.Now().Add(-e.CommitWait)
		x.t.slow.Held(name, released.Add(-e.Hold), released)
	}
	x.TxSpan.End(e)
}
