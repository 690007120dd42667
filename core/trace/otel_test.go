package trace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tidegate/engine/core/trace"
)

// provider is a TracerProvider that keeps spans, made from the API alone. sample decides for spans without a parent.
type provider struct {
	noop.TracerProvider
	sample bool
	starts int
	mu     sync.Mutex
	spans  []*span
}

type tracer struct {
	noop.Tracer
	p *provider
}

type span struct {
	noop.Span
	name       string
	sc, parent oteltrace.SpanContext
	kind       oteltrace.SpanKind
	start, end time.Time
	attributes []attribute.KeyValue
	events     []string
	links      []oteltrace.SpanContext
	status     codes.Code
	message    string
	recording  bool
}

func (p *provider) Tracer(string, ...oteltrace.TracerOption) oteltrace.Tracer { return tracer{p: p} }

func (t tracer) Start(ctx context.Context, name string, options ...oteltrace.SpanStartOption) (context.Context, oteltrace.Span) {
	config := oteltrace.NewSpanStartConfig(options...)
	parent := oteltrace.SpanContextFromContext(ctx)
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.p.starts++
	id := oteltrace.SpanID{7, byte(t.p.starts >> 8), byte(t.p.starts)}
	trace := parent.TraceID()
	if !trace.IsValid() {
		trace = oteltrace.TraceID{9, byte(t.p.starts >> 8), byte(t.p.starts)}
	}
	sampled := parent.IsSampled() || !parent.IsValid() && t.p.sample
	s := &span{
		name: name, parent: parent, kind: config.SpanKind(), start: config.Timestamp(), recording: sampled, attributes: config.Attributes(),
		sc: oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: trace, SpanID: id, TraceFlags: oteltrace.TraceFlags(0).WithSampled(sampled)}),
	}
	for _, l := range config.Links() {
		s.AddLink(l)
	}
	t.p.spans = append(t.p.spans, s)
	return oteltrace.ContextWithSpan(ctx, s), s
}

func (s *span) SpanContext() oteltrace.SpanContext            { return s.sc }
func (s *span) IsRecording() bool                             { return s.recording }
func (s *span) SetAttributes(a ...attribute.KeyValue)         { s.attributes = append(s.attributes, a...) }
func (s *span) AddEvent(n string, _ ...oteltrace.EventOption) { s.events = append(s.events, n) }
func (s *span) AddLink(l oteltrace.Link)                      { s.links = append(s.links, l.SpanContext) }
func (s *span) SetStatus(c codes.Code, m string)              { s.status, s.message = c, m }
func (s *span) End(options ...oteltrace.SpanEndOption) {
	config := oteltrace.NewSpanEndConfig(options...)
	s.end = config.Timestamp()
	s.recording = false
}

// find returns the only span of that name.
func (p *provider) find(t *testing.T, name string) *span {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*span
	for _, s := range p.spans {
		if s.name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans named %q among %d, want one", len(found), name, len(p.spans))
	}
	return found[0]
}

func (s *span) attribute(key string) string {
	for _, a := range s.attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return "(none)"
}

// parent returns a context with a remote parent.
func parent(ctx context.Context, sampled bool) context.Context {
	return oteltrace.ContextWithRemoteSpanContext(ctx, oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}, TraceFlags: oteltrace.TraceFlags(0).WithSampled(sampled),
	}))
}

type storeError struct{}

func (storeError) Error() string      { return "UNIQUE constraint failed: secret 4711" }
func (storeError) ErrorType() string  { return "constraint" }
func (storeError) StatusCode() string { return "2067" }

func TestStatementSpan(t *testing.T) {
	t.Parallel()
	p := &provider{sample: true}
	r := trace.New(p, "production_trading.db")
	start := time.Unix(1_700_000_000, 42)
	r.Statement(parent(t.Context(), true), &trace.Statement{
		Query: trace.Describe("SELECT qty FROM orders WHERE id = 4711"), Start: start, Duration: 3 * time.Millisecond,
		Lane: "reader", Class: "signal", Waits: trace.Waits{QueueWait: 1500 * time.Microsecond}, RowsReturned: 0, Group: 0, Work: trace.Work{VMSteps: 12},
	})
	s := p.find(t, "SELECT orders")
	if s.kind != oteltrace.SpanKindClient || !s.start.Equal(start) || !s.end.Equal(start.Add(3*time.Millisecond)) || s.parent.SpanID() != (oteltrace.SpanID{2}) {
		t.Errorf("kind %v, start %v, end %v, parent %v", s.kind, s.start, s.end, s.parent.SpanID())
	}
	for key, want := range map[string]string{
		"db.system.name": "sqlite", "db.namespace": "production_trading.db", "db.query.text": "SELECT qty FROM orders WHERE id = ?",
		"db.query.summary": "SELECT orders", "db.operation.name": "SELECT", "db.collection.name": "orders", "db.response.returned_rows": "0",
		"engine.lane": "reader", "engine.class": "signal", "engine.queue.wait_us": "1500", "sqlite.vm_steps": "12",
		"engine.slot.wait_us": "(none)", "sqlite.rows_changed": "(none)", "error.type": "(none)", "engine.group.id": "(none)",
	} {
		if got := s.attribute(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if s.status != codes.Unset {
		t.Errorf("status %v, want unset", s.status)
	}
}

func TestFailedStatementSpan(t *testing.T) {
	t.Parallel()
	p := &provider{sample: true}
	trace.New(p, "x").Statement(t.Context(), &trace.Statement{
		Query: trace.Describe("INSERT INTO orders VALUES (4711)"), Start: time.Now(), Batch: 3, Group: 8, Err: fmt.Errorf("exec: %w", storeError{}),
	})
	s := p.find(t, "INSERT orders")
	for key, want := range map[string]string{
		"error.type": "constraint", "db.response.status_code": "2067", "db.operation.batch.size": "3", "engine.group.id": "8",
		"sqlite.rows_changed": "0", "db.response.returned_rows": "(none)",
	} {
		if got := s.attribute(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if s.status != codes.Error || s.message != "constraint" {
		t.Errorf("status %v %q, want an error and its type", s.status, s.message)
	}
	if all := fmt.Sprint(s.attributes, s.message, s.events); strings.Contains(all, "4711") {
		t.Errorf("a value is in the span: %s", all)
	}
}

func TestTransactionSpan(t *testing.T) {
	t.Parallel()
	p := &provider{sample: true}
	r := trace.New(p, "x")
	ctx, tx := r.StartTx(parent(t.Context(), true), "book fill", "update")
	if !tx.Recording() || !trace.Sampled(ctx) {
		t.Fatalf("recording %v, sampled %v; want both", tx.Recording(), trace.Sampled(ctx))
	}
	r.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now()})
	tx.Event("retry")
	other := oteltrace.SpanContextFromContext(parent(t.Context(), true))
	tx.Link(other, "busy")
	tx.Link(oteltrace.SpanContext{}, "nobody")
	commit, end := r.StartCommit(ctx, 77)
	end(trace.CommitEnd{Size: 2, Durable: true, Sync: 2 * time.Millisecond})
	tx.End(trace.TxEnd{Outcome: "committed", Statements: 1, Group: 77, GroupSize: 2, Hold: time.Millisecond, Commit: commit, Retries: 1})

	s := p.find(t, "TRANSACTION book fill")
	if child := p.find(t, "SELECT"); child.parent.SpanID() != s.sc.SpanID() {
		t.Errorf("the statement's parent is %v, want the transaction %v", child.parent.SpanID(), s.sc.SpanID())
	}
	shared := p.find(t, "COMMIT")
	if want := []oteltrace.SpanContext{other, shared.sc}; !slices.EqualFunc(s.links, want, oteltrace.SpanContext.Equal) {
		t.Errorf("links %v, want the holder and the COMMIT", s.links)
	}
	if !slices.Equal(s.events, []string{"retry"}) || s.recording || s.kind != oteltrace.SpanKindInternal {
		t.Errorf("events %v, recording %v, kind %v", s.events, s.recording, s.kind)
	}
	for key, want := range map[string]string{
		"engine.tx.kind": "update", "engine.tx.name": "book fill", "engine.tx.statements": "1", "engine.tx.outcome": "committed",
		"engine.group.id": "77", "engine.group.size": "2", "engine.tx.hold_us": "1000", "engine.retries": "1",
	} {
		if got := s.attribute(key); got != want {
			t.Errorf("transaction: %s = %q, want %q", key, got, want)
		}
	}
	for key, want := range map[string]string{"engine.group.size": "2", "engine.durable": "true", "engine.sync_us": "2000", "db.operation.name": "COMMIT"} {
		if got := shared.attribute(key); got != want {
			t.Errorf("COMMIT: %s = %q, want %q", key, got, want)
		}
	}
}

func TestFailedTransactionSpan(t *testing.T) {
	t.Parallel()
	p := &provider{sample: true}
	_, tx := trace.New(p, "x").StartTx(t.Context(), "", "view")
	tx.End(trace.TxEnd{Err: errors.New("balance 4711 too low"), Outcome: "rolled_back"})
	s := p.find(t, "TRANSACTION")
	if s.status != codes.Error || s.message != "*errors.errorString" || strings.Contains(fmt.Sprint(s.attributes), "4711") {
		t.Errorf("status %v %q, attributes %v", s.status, s.message, s.attributes)
	}
}

// Below a span that is not sampled nothing is made, and the sampler's "no" for a root covers what nests under it.
func TestUnsampled(t *testing.T) {
	t.Parallel()
	p := &provider{}
	r := trace.New(p, "x")
	statement := &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now()}
	below := parent(t.Context(), false)
	r.Statement(below, statement)
	if ctx, tx := r.StartTx(below, "a", "update"); ctx != below || tx.Recording() {
		t.Errorf("a transaction below an unsampled parent records")
	}
	if _, end := r.StartCommit(below, 1); end == nil {
		t.Error("no function to end a COMMIT that is not recorded")
	}
	if p.starts != 0 {
		t.Fatalf("%d spans below an unsampled parent, want none", p.starts)
	}
	ctx, tx := r.StartTx(t.Context(), "b", "update")
	r.Statement(ctx, statement)
	tx.End(trace.TxEnd{})
	if p.starts != 1 {
		t.Errorf("%d spans asked for, want the transaction alone: its sampler said no", p.starts)
	}
}

// Without an SDK the caller's context must come back as it was: a span of another provider in it stays the parent of what follows.
func TestWithoutSDK(t *testing.T) {
	t.Parallel()
	r := trace.New(noop.NewTracerProvider(), "x")
	theirs := &provider{sample: true}
	ctx, _ := theirs.Tracer("").Start(t.Context(), "theirs")
	inner, tx := r.StartTx(ctx, "", "update")
	if inner != ctx || tx.Recording() || tx.Context().IsValid() {
		t.Errorf("context changed: %v, recording: %v", inner != ctx, tx.Recording())
	}
	tx.Event("retry")
	tx.End(trace.TxEnd{})
}

// switched is a provider whose SDK is installed later, as with otel.GetTracerProvider.
type switched struct {
	noop.TracerProvider
	real *provider
	on   bool
}

type switchedTracer struct {
	noop.Tracer
	s *switched
}

func (s *switched) Tracer(string, ...oteltrace.TracerOption) oteltrace.Tracer {
	return switchedTracer{s: s}
}

func (t switchedTracer) Start(ctx context.Context, name string, options ...oteltrace.SpanStartOption) (context.Context, oteltrace.Span) {
	if t.s.on {
		return t.s.real.Tracer("").Start(ctx, name, options...)
	}
	return noop.Tracer{}.Start(ctx, name, options...)
}

func TestSDKInstalledLater(t *testing.T) {
	t.Parallel()
	later := &switched{real: &provider{sample: true}}
	r := trace.New(later, "x")
	at := time.Unix(1_700_000_000, 0)
	run := func(after time.Duration) {
		r.Statement(t.Context(), &trace.Statement{Query: trace.Describe("SELECT 1"), Start: at.Add(after)})
	}
	run(0)
	later.on = true
	run(10 * time.Millisecond) // the recorder believes that nobody listens
	if n := len(later.real.spans); n != 0 {
		t.Fatalf("%d spans before the next look, want none", n)
	}
	run(2 * time.Second)
	run(2*time.Second + time.Microsecond)
	if n := len(later.real.spans); n != 2 {
		t.Errorf("%d spans after the SDK was found, want 2", n)
	}
}

func TestStatementAllocations(t *testing.T) {
	statement := &trace.Statement{Query: trace.Describe("SELECT a FROM t WHERE b = 1"), Start: time.Now(), Lane: "reader"}
	for name, c := range map[string]struct {
		r   trace.Recorder
		ctx context.Context
	}{
		"unsampled parent":  {trace.New(&provider{}, "x"), parent(t.Context(), false)},
		"no SDK":            {trace.New(noop.NewTracerProvider(), "x"), t.Context()},
		"no SDK, sampled":   {trace.New(noop.NewTracerProvider(), "x"), parent(t.Context(), true)},
		"no SDK, unsampled": {trace.New(nil, "x"), parent(t.Context(), false)},
	} {
		c.r.Statement(c.ctx, statement)
		if n := testing.AllocsPerRun(100, func() { c.r.Statement(c.ctx, statement) }); n != 0 {
			t.Errorf("%s: %v allocations a statement, want 0", name, n)
		}
		if n := testing.AllocsPerRun(100, func() {
			_, tx := c.r.StartTx(c.ctx, "name", "update")
			tx.End(trace.TxEnd{})
		}); n > 0.1 {
			t.Errorf("%s: %v allocations a transaction, want 0", name, n)
		}
	}
}

func BenchmarkStatement(b *testing.B) {
	statement := &trace.Statement{Query: trace.Describe("SELECT a FROM t WHERE b = 1"), Start: time.Now(), Lane: "reader", Class: "signal", Duration: 1}
	for _, c := range []struct {
		name string
		r    trace.Recorder
		ctx  context.Context
	}{
		{"unsampled", trace.New(&provider{}, "x"), parent(b.Context(), false)},
		{"noop", trace.New(noop.NewTracerProvider(), "x"), b.Context()},
		{"naive_noop", naive{noop.NewTracerProvider().Tracer("")}, b.Context()},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.r.Statement(c.ctx, statement)
			}
		})
	}
}

// naive is what tracing costs when every statement starts a span and builds its attributes first: the mark to beat.
type naive struct{ tracer oteltrace.Tracer }

func (n naive) Statement(ctx context.Context, s *trace.Statement) {
	_, span := n.tracer.Start(ctx, s.Query.Summary, oteltrace.WithSpanKind(oteltrace.SpanKindClient), oteltrace.WithTimestamp(s.Start),
		oteltrace.WithAttributes(attribute.String("db.system.name", "sqlite"), attribute.String("db.query.text", s.Query.Text),
			attribute.String("engine.lane", s.Lane), attribute.Int64("db.response.returned_rows", s.RowsReturned)))
	span.End(oteltrace.WithTimestamp(s.Start.Add(s.Duration)))
}

func (naive) StartTx(ctx context.Context, _, _ string) (context.Context, trace.TxSpan) {
	return ctx, nil
}

func (naive) StartCommit(context.Context, uint64) (oteltrace.SpanContext, func(trace.CommitEnd)) {
	return oteltrace.SpanContext{}, nil
}
