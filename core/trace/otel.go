package trace

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// probeEvery is how often a recorder without an SDK behind it looks whether one has been installed.
const probeEvery = time.Second

// spans makes OpenTelemetry spans. It implements Recorder.
type spans struct {
	tracer    oteltrace.Tracer
	namespace attribute.KeyValue
	// silentUntil is a time in Unix nanoseconds: until then the tracer is known to make no spans at all. There is no way to ask one, but
	// one without an SDK invents no span identifiers, and that shows.
	silentUntil atomic.Int64
}

// New returns a recorder that makes spans with the provider; nil means [otel.GetTracerProvider], whose SDK may be installed later. The
// namespace names the database in each span: a path or a name, never a secret.
//
// Spans under a parent that is not sampled are not made; without a parent the provider's sampler decides.
//
// The spans of statements are made on the caller's goroutine; [Open] returns a recorder that makes them elsewhere.
func New(provider oteltrace.TracerProvider, namespace string) Recorder {
	return newSpans(provider, namespace)
}

func newSpans(provider oteltrace.TracerProvider, namespace string) *spans {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return &spans{
		tracer:    provider.Tracer(Scope, oteltrace.WithSchemaURL(SchemaURL)),
		namespace: keyNamespace.String(namespace),
	}
}

// wanted reports whether a span below the one in ctx may be kept.
func (r *spans) wanted(ctx context.Context, now time.Time) bool {
	if parent := oteltrace.SpanContextFromContext(ctx); parent.IsValid() && !parent.IsSampled() {
		return false
	}
	return !r.silent(now)
}

// silent reports whether the tracer is known to make no spans at all for now.
func (r *spans) silent(now time.Time) bool {
	until := r.silentUntil.Load()
	return until != 0 && now.UnixNano() < until
}

// start asks the tracer for a span. It returns nil where none is kept, and then the context to go on with: that of a span which was not
// sampled, so that everything below it is left out too, or the caller's own where the tracer makes no spans at all.
func (r *spans) start(ctx context.Context, name string, now time.Time, kind oteltrace.SpanKind) (context.Context, oteltrace.Span) {
	inner, span := r.tracer.Start(ctx, name, oteltrace.WithSpanKind(kind), oteltrace.WithTimestamp(now))
	if span.IsRecording() {
		if r.silentUntil.Load() != 0 {
			r.silentUntil.Store(0)
		}
		return inner, span
	}
	if span.SpanContext().SpanID() == oteltrace.SpanContextFromContext(ctx).SpanID() {
		r.silentUntil.Store(now.Add(probeEvery).UnixNano())
		return ctx, nil
	}
	span.End()
	return inner, nil
}

// Statement implements [Recorder]. The span is made after the fact, with the statement's own times.
func (r *spans) Statement(ctx context.Context, s *Statement) {
	if !r.wanted(ctx, s.Start) {
		return
	}
	_, span := r.start(ctx, s.Query.name(), s.Start, oteltrace.SpanKindClient)
	if span == nil {
		return
	}
	var room [24]attribute.KeyValue
	span.SetAttributes(append(s.appendTo(append(room[:0], r.namespace)), s.Query.attributes...)...)
	fail(span, s.Err)
	span.End(oteltrace.WithTimestamp(s.Start.Add(s.Duration)))
}

// StartTx implements [Recorder].
func (r *spans) StartTx(ctx context.Context, name, kind string) (context.Context, TxSpan) {
	now := time.Now()
	if !r.wanted(ctx, now) {
		return ctx, silent{}
	}
	inner, span := r.start(ctx, spanName(kind, name), now, oteltrace.SpanKindInternal)
	if span == nil {
		return inner, silent{}
	}
	span.SetAttributes(keySystem.String(system), r.namespace, keyTxKind.String(kind))
	if name != "" {
		span.SetAttributes(keyTxName.String(name))
	}
	return inner, transaction{span}
}

// StartCommit implements [Recorder].
func (r *spans) StartCommit(ctx context.Context, group uint64) (oteltrace.SpanContext, func(CommitEnd)) {
	now := time.Now()
	if !r.wanted(ctx, now) {
		return oteltrace.SpanContext{}, discard
	}
	_, span := r.start(ctx, "COMMIT", now, oteltrace.SpanKindInternal)
	if span == nil {
		return oteltrace.SpanContext{}, discard
	}
	span.SetAttributes(keySystem.String(system), r.namespace, keyOperation.String("COMMIT"), keyGroup.Int64(int64(group)))
	return span.SpanContext(), func(e CommitEnd) {
		span.SetAttributes(keyGroupSize.Int(e.Size), keyDurable.Bool(e.Durable))
		if e.Sync > 0 {
			span.SetAttributes(keySync.Int64(e.Sync.Microseconds()))
		}
		fail(span, e.Err)
		span.End()
	}
}

// system is the value of db.system.name.
const system = "sqlite"

func discard(CommitEnd) {}

// name returns the name of the statement's span.
func (q *Query) name() string {
	if q.Summary == "" {
		return "SQL"
	}
	return q.Summary
}

// describe returns the attributes that are the same for every execution.
func (q *Query) describe() []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		keySystem.String(system),
		keyText.String(q.Text),
		keySummary.String(q.Summary),
		keyFingerprint.String(strconv.FormatUint(q.Fingerprint, 16)),
	}
	if q.Operation != "" {
		attributes = append(attributes, keyOperation.String(q.Operation))
	}
	if q.Collection != "" {
		attributes = append(attributes, keyCollection.String(q.Collection))
	}
	return attributes
}

// appendTo adds the attributes of one execution. What is zero is left out, except a count of rows that the statement is about.
func (s *Statement) appendTo(to []attribute.KeyValue) []attribute.KeyValue {
	if s.RowsReturned > 0 || s.Query.returnsRows() {
		to = append(to, keyRowsReturned.Int64(s.RowsReturned))
	}
	if s.RowsChanged > 0 || s.Query.changesRows() {
		to = append(to, keyRowsChanged.Int64(s.RowsChanged))
	}
	if s.Batch > 1 {
		to = append(to, keyBatch.Int(s.Batch))
	}
	to = appendText(to, keyLane, s.Lane)
	to = appendText(to, keyClass, s.Class)
	to = appendCount(to, keyQueueWait, s.QueueWait.Microseconds())
	to = appendCount(to, keySlotWait, s.SlotWait.Microseconds())
	to = appendCount(to, keyCommitWait, s.CommitWait.Microseconds())
	to = appendCount(to, keyGroup, int64(s.Group))
	to = appendCount(to, keyRetries, int64(s.Retries))
	to = appendCount(to, keyVMSteps, s.Work.VMSteps)
	to = appendCount(to, keyFullScan, s.Work.FullScanSteps)
	to = appendCount(to, keySorts, s.Work.Sorts)
	to = appendCount(to, keyAutoIndex, s.Work.AutoIndexes)
	to = appendCount(to, keyPluginCalls, s.Work.PluginCalls)
	to = appendCount(to, keyPluginTime, s.Work.PluginTime.Microseconds())
	return appendCount(to, keyReprepares, s.Work.Reprepares)
}

func appendText(to []attribute.KeyValue, key attribute.Key, value string) []attribute.KeyValue {
	if value == "" {
		return to
	}
	return append(to, key.String(value))
}

func appendCount(to []attribute.KeyValue, key attribute.Key, value int64) []attribute.KeyValue {
	if value == 0 {
		return to
	}
	return append(to, key.Int64(value))
}

// fail marks the span as failed. The message of the error stays out: it may quote a value.
func fail(span oteltrace.Span, err error) {
	if err == nil {
		return
	}
	name := ErrorType(err)
	span.SetStatus(codes.Error, name)
	span.SetAttributes(keyErrorType.String(name))
	if code := statusCode(err); code != "" {
		span.SetAttributes(keyStatusCode.String(code))
	}
}

// transaction is the open span of a transaction that records.
type transaction struct{ span oteltrace.Span }

func (t transaction) Serial() uint64                 { return 0 }
func (t transaction) Recording() bool                { return t.span.IsRecording() }
func (t transaction) Context() oteltrace.SpanContext { return t.span.SpanContext() }

func (t transaction) Event(name string, attributes ...attribute.KeyValue) {
	t.span.AddEvent(name, oteltrace.WithAttributes(attributes...))
}

func (t transaction) Link(to oteltrace.SpanContext, reason string) {
	if to.IsValid() {
		t.span.AddLink(oteltrace.Link{SpanContext: to, Attributes: []attribute.KeyValue{keyLinkReason.String(reason)}})
	}
}

func (t transaction) End(e TxEnd) {
	var room [10]attribute.KeyValue
	t.span.SetAttributes(e.appendTo(room[:0])...)
	t.Link(e.Commit, "commit")
	fail(t.span, e.Err)
	t.span.End()
}

// appendTo adds the attributes of a transaction's end.
func (e TxEnd) appendTo(to []attribute.KeyValue) []attribute.KeyValue {
	to = append(to, keyStatements.Int(e.Statements))
	to = appendText(to, keyOutcome, e.Outcome)
	to = appendCount(to, keyRetries, int64(e.Retries))
	to = appendCount(to, keyGroup, int64(e.Group))
	to = appendCount(to, keyGroupSize, int64(e.GroupSize))
	to = appendCount(to, keyQueueWait, e.QueueWait.Microseconds())
	to = appendCount(to, keyHold, e.Hold.Microseconds())
	to = appendCount(to, keyCommitWait, e.CommitWait.Microseconds())
	to = appendCount(to, keyPluginCalls, e.PluginCalls)
	return appendCount(to, keyPluginTime, e.PluginTime.Microseconds())
}

// silent is a transaction that nobody watches.
type silent struct{}

func (silent) Serial() uint64                      { return 0 }
func (silent) Recording() bool                     { return false }
func (silent) Context() oteltrace.SpanContext      { return oteltrace.SpanContext{} }
func (silent) Event(string, ...attribute.KeyValue) {}
func (silent) Link(oteltrace.SpanContext, string)  {}
func (silent) End(TxEnd)                           {}
