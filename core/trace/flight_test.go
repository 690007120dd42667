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

	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tidegate/engine/core/trace"
)

// sink keeps copies of the spans that it gets. While gate is not nil each batch waits for a value from it.
type sink struct {
	gate    chan struct{}
	entered chan struct{} // capacity 1: a batch is here
	mu      sync.Mutex
	spans   []trace.Span
	batches int
	err     error
}

func (s *sink) ExportSpans(ctx context.Context, spans []trace.Span) error {
	if s.gate != nil {
		select {
		case s.entered <- struct{}{}:
		default:
		}
		select {
		case <-s.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	for _, span := range spans {
		span.Attributes, span.Links = slices.Clone(span.Attributes), slices.Clone(span.Links)
		s.spans = append(s.spans, span)
	}
	return s.err
}

// taken flushes the recorder and returns what came.
func (s *sink) taken(t *testing.T, f *trace.Flight) []trace.Span {
	t.Helper()
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.spans
	s.spans = nil
	return out
}

// slow is what the tests call slow.
func slow() trace.Slow {
	return trace.Slow{Signal: 50 * time.Millisecond, Analytics: 2 * time.Second, Other: 100 * time.Millisecond, Plugin: 5 * time.Millisecond}
}

func fly(t testing.TB, o trace.Options) *trace.Flight {
	t.Helper()
	o.Namespace, o.Slow = "x.db", slow()
	if o.Records == 0 {
		o.Records = 4096
	}
	f := trace.Open(o)
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func value(s *trace.Span, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return "(none)"
}

// balanced fails unless every span that was wanted is accounted for.
func balanced(t *testing.T, f *trace.Flight) trace.Stats {
	t.Helper()
	s := f.Stats()
	if s.Wanted != s.Exported+s.Refused+s.Pending+s.Dropped.Total() || s.Pending != 0 {
		t.Errorf("the counts do not add up: %+v", s)
	}
	return s
}

func TestFlightSpansThroughProvider(t *testing.T) {
	t.Parallel()
	p := &provider{sample: true}
	f := fly(t, trace.Options{Provider: p})
	start := time.Unix(1_700_000_000, 42)
	ctx, tx := f.StartTx(parent(t.Context(), true), "book", "update")
	f.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT qty FROM orders WHERE id = 4711"), Start: start, Duration: 3 * time.Millisecond, Lane: "writer",
		Class: "trade", Waits: trace.Waits{QueueWait: 1500 * time.Microsecond, CommitWait: time.Millisecond}, RowsReturned: 7, Tx: tx.Serial(), Group: 3, Retries: 2,
		Work: trace.Work{VMSteps: 12, FullScanSteps: 5, Sorts: 1, AutoIndexes: 2, Reprepares: 3, PluginCalls: 4, PluginTime: time.Millisecond}})
	tx.End(trace.TxEnd{Outcome: "committed", Statements: 1})
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := p.find(t, "SELECT orders")
	if s.kind != oteltrace.SpanKindClient || !s.start.Equal(start) || !s.end.Equal(start.Add(3*time.Millisecond)) {
		t.Errorf("kind %v, start %v, end %v", s.kind, s.start, s.end)
	}
	if up := p.find(t, "TRANSACTION book"); s.parent.SpanID() != up.sc.SpanID() || up.parent.SpanID() != (oteltrace.SpanID{2}) || s.sc.TraceID() != (oteltrace.TraceID{1}) {
		t.Errorf("caller → transaction → statement is broken: %v under %v", s.parent.SpanID(), up.parent.SpanID())
	}
	for key, want := range map[string]string{
		"db.system.name": "sqlite", "db.namespace": "x.db", "db.query.text": "SELECT qty FROM orders WHERE id = ?", "db.query.summary": "SELECT orders",
		"db.operation.name": "SELECT", "db.collection.name": "orders", "db.response.returned_rows": "7", "engine.lane": "writer", "engine.class": "trade",
		"engine.queue.wait_us": "1500", "engine.tx.commit_wait_us": "1000", "engine.group.id": "3", "engine.retries": "2", "sqlite.vm_steps": "12",
		"sqlite.fullscan_steps": "5", "sqlite.sorts": "1", "sqlite.autoindex": "2", "sqlite.reprepares": "3", "engine.plugin.calls": "4",
		"engine.plugin.time_us": "1000", "error.type": "(none)", "engine.promoted": "(none)",
	} {
		if got := s.attribute(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if st := balanced(t, f); st.Wanted != 1 || st.Exported != 1 || st.Direct != 1 || st.Recorded != 2 {
		t.Errorf("%+v", st)
	}
}

// Below a caller that is not sampled only what was slow or failed is seen, as a root that leads back to the caller.
func TestFlightPromotesSlowAndFailed(t *testing.T) {
	t.Parallel()
	p, k := &provider{sample: true}, &sink{}
	for name, f := range map[string]*trace.Flight{"provider": fly(t, trace.Options{Provider: p}), "sink": fly(t, trace.Options{Sink: k})} {
		below := parent(t.Context(), false)
		q := trace.Describe("SELECT 1")
		f.Statement(below, &trace.Statement{Query: q, Start: time.Now(), Duration: time.Millisecond, Class: "signal"})
		f.Statement(below, &trace.Statement{Query: q, Start: time.Now(), Duration: 51 * time.Millisecond, Class: "normal"})
		f.Statement(below, &trace.Statement{Query: q, Start: time.Now(), Duration: 101 * time.Millisecond, Class: "analytics"})
		f.Statement(below, &trace.Statement{Query: trace.Describe("SELECT a FROM signal"), Start: time.Now(), Duration: 50 * time.Millisecond, Class: "signal"})
		f.Statement(below, &trace.Statement{Query: trace.Describe("INSERT INTO failed VALUES (1)"), Start: time.Now(), Err: fmt.Errorf("x: %w", storeError{})})
		_, tx := f.StartTx(below, "refused", "update")
		tx.Event("engine.busy")
		tx.End(trace.TxEnd{Err: errors.New("4711"), Outcome: "rolled_back"})
		_, fine := f.StartTx(below, "fine", "update")
		fine.End(trace.TxEnd{Outcome: "committed"})
		if err := f.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := balanced(t, f); s.Promoted != 3 || s.Exported != 3 || s.Recorded != 7 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for span, why := range map[string]string{"SELECT signal": "slow", "INSERT failed": "failed", "TRANSACTION refused": "failed"} {
		s := p.find(t, span)
		if s.parent.IsValid() || s.sc.TraceID() == (oteltrace.TraceID{1}) || s.attribute("engine.promoted") != why {
			t.Errorf("%s: parent %v, trace %v, promoted %s", span, s.parent, s.sc.TraceID(), s.attribute("engine.promoted"))
		}
		i := slices.IndexFunc(k.spans, func(s trace.Span) bool { return s.Name == span })
		if i < 0 {
			t.Fatalf("%s did not reach the sink", span)
		}
		got := &k.spans[i]
		if got.Parent.IsValid() || got.Context.TraceID() == (oteltrace.TraceID{1}) || len(got.Links) != 1 || got.Links[0].To.SpanID() != (oteltrace.SpanID{2}) ||
			value(got, "engine.promoted") != why {
			t.Errorf("%s in the sink: %+v", span, got)
		}
	}
	if s := p.find(t, "INSERT failed"); s.attribute("error.type") != "constraint" || s.attribute("db.response.status_code") != "2067" {
		t.Errorf("error %s, code %s", s.attribute("error.type"), s.attribute("db.response.status_code"))
	}
	if s := p.find(t, "TRANSACTION refused"); !slices.Equal(s.events, []string{"engine.busy"}) || len(p.spans) != 3 {
		t.Errorf("events %v of %d spans", s.events, len(p.spans))
	}
}

// A sink gets transactions, statements and COMMITs with identities that fit together, and with what the program said about its transaction.
func TestFlightSpansThroughSink(t *testing.T) {
	t.Parallel()
	k := &sink{}
	f := fly(t, trace.Options{Sink: k, Provider: noop.NewTracerProvider()})
	ctx, tx := f.StartTx(parent(t.Context(), true), "book", "update")
	held := oteltrace.SpanContextFromContext(parent(t.Context(), true))
	tx.Link(held, "busy")
	oteltrace.SpanFromContext(ctx).AddEvent("own")
	oteltrace.SpanFromContext(ctx).SetAttributes(trace.Attribute{Key: "desk"})
	f.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now(), Tx: tx.Serial()})
	commit, end := f.StartCommit(ctx, 9)
	end(trace.CommitEnd{Size: 2, Durable: true, Sync: 2 * time.Millisecond})
	tx.End(trace.TxEnd{Outcome: "committed", Statements: 1, Group: 9, Commit: commit})
	tx.End(trace.TxEnd{}) // does nothing
	_, root := f.StartTx(t.Context(), "", "view")
	root.End(trace.TxEnd{Outcome: "committed"})
	spans := k.taken(t, f)
	if len(spans) != 4 {
		t.Fatalf("%d spans, want 4: %+v", len(spans), spans)
	}
	book, stmt, done, view := spans[0], spans[1], spans[2], spans[3] // parents first
	if book.Name != "TRANSACTION book" || stmt.Name != "SELECT" || done.Name != "COMMIT" || view.Name != "TRANSACTION" {
		t.Fatalf("order %s, %s, %s, %s", book.Name, stmt.Name, done.Name, view.Name)
	}
	if book.Parent.SpanID() != (oteltrace.SpanID{2}) || stmt.Parent.SpanID() != book.Context.SpanID() || done.Parent.SpanID() != book.Context.SpanID() ||
		stmt.Context.TraceID() != (oteltrace.TraceID{1}) || !stmt.Context.IsSampled() || view.Parent.IsValid() || !view.Context.IsValid() {
		t.Errorf("parents: %v, %v, %v, %v", book.Parent, stmt.Parent, done.Parent, view.Parent)
	}
	if len(book.Links) != 2 || book.Links[0].Reason != "busy" || book.Links[1].To.SpanID() != done.Context.SpanID() {
		t.Errorf("links %+v", book.Links)
	}
	if len(book.Events) != 1 || book.Events[0].Name != "own" || value(&book, "desk") == "(none)" || value(&book, "engine.tx.statements") != "1" {
		t.Errorf("events %v, attributes %v", book.Events, book.Attributes)
	}
	if value(&done, "engine.sync_us") != "2000" || value(&done, "engine.group.size") != "2" || value(&done, "engine.durable") != "true" {
		t.Errorf("COMMIT: %v", done.Attributes)
	}
	if s := balanced(t, f); s.Recorded != 4 || s.Exported != 4 || s.Direct != 0 {
		t.Errorf("%+v", s)
	}
}

// The sampler of the provider is asked, and its answer counted.
func TestFlightHonoursSampler(t *testing.T) {
	t.Parallel()
	p := &provider{}
	f := fly(t, trace.Options{Provider: p})
	f.Statement(t.Context(), &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now()})
	ctx, tx := f.StartTx(t.Context(), "a", "update") // the sampler's no covers what nests under it
	f.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT 2"), Start: time.Now()})
	tx.End(trace.TxEnd{})
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := balanced(t, f); s.Refused != 1 || s.Exported != 0 || s.Recorded != 3 || p.starts != 2 {
		t.Errorf("%d spans asked for, %+v", p.starts, s)
	}
}

// Without an SDK nothing is kept for export but what finds out that there is none.
func TestFlightWithoutSDK(t *testing.T) {
	t.Parallel()
	f := fly(t, trace.Options{Provider: noop.NewTracerProvider()})
	for range 10 {
		ctx, tx := f.StartTx(t.Context(), "", "update")
		if ctx != t.Context() || tx.Context().IsValid() {
			t.Fatal("the context changed")
		}
		f.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now(), Err: errors.New("x")})
		tx.End(trace.TxEnd{})
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := balanced(t, f); s.Recorded != 20 || s.Wanted > 10 || s.Exported != 0 {
		t.Errorf("%+v", s)
	}
}

// hesitant is a provider that wants no spans, and takes its time to say so.
type hesitant struct {
	oteltrace.TracerProvider
	asked, answer chan struct{}
}

func (h hesitant) Tracer(name string, o ...oteltrace.TracerOption) oteltrace.Tracer {
	return hesitantTracer{h.TracerProvider.Tracer(name, o...), h}
}

type hesitantTracer struct {
	oteltrace.Tracer
	h hesitant
}

func (t hesitantTracer) Start(ctx context.Context, name string, o ...oteltrace.SpanStartOption) (context.Context, oteltrace.Span) {
	select {
	case t.h.asked <- struct{}{}:
	default:
	}
	<-t.h.answer
	return t.Tracer.Start(ctx, name, o...)
}

// What is let go before a provider was found to want nothing is nobody's loss; with a sink that takes nothing it is.
func TestFlightLost(t *testing.T) {
	t.Parallel()
	st := &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now()}
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	f := fly(t, trace.Options{Provider: hesitant{noop.NewTracerProvider(), asked, answer}, Records: 1})
	f.Statement(t.Context(), st)
	<-asked
	for range 100_000 { // far more than may wait for the answer
		f.Statement(t.Context(), st)
	}
	close(answer)
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := f.Stats(); s.Dropped.Total() == 0 || f.Lost() != 0 {
		t.Errorf("%d lost without an SDK, %+v", f.Lost(), s)
	}
	f = fly(t, trace.Options{Sink: &sink{err: errors.New("no")}})
	f.Statement(t.Context(), st)
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.Lost() != 1 {
		t.Errorf("%d lost with a sink that takes nothing", f.Lost())
	}
}

func TestFlightPlugin(t *testing.T) {
	t.Parallel()
	k := &sink{}
	f := fly(t, trace.Options{Sink: k})
	ctx := parent(t.Context(), true)
	f.Plugin(ctx, &trace.PluginCall{Plugin: "limits", Version: "1", Table: "orders", Rows: 3, Start: time.Now(), Took: time.Millisecond})
	f.Plugin(ctx, &trace.PluginCall{Plugin: "limits", Version: "1", Table: "orders", Rows: 3, Start: time.Now(), Took: 6 * time.Millisecond})
	f.Plugin(ctx, &trace.PluginCall{Plugin: "trap", Version: "2", Table: "orders", Rows: 1, Start: time.Now(), Err: errors.New("secret")})
	spans := k.taken(t, f)
	if len(spans) != 2 || spans[0].Name != "PLUGIN limits" || value(&spans[0], "engine.plugin.rows") != "3" || value(&spans[0], "db.collection.name") != "orders" ||
		spans[1].Name != "PLUGIN trap" || spans[1].Message == "" || strings.Contains(fmt.Sprint(spans), "secret") {
		t.Errorf("%+v", spans)
	}
}

// Recording must not be felt: nothing is allocated on the caller's path, whoever the caller is.
func TestFlightAllocations(t *testing.T) {
	statement := &trace.Statement{Query: trace.Describe("SELECT a FROM t WHERE b = 1"), Start: time.Now(), Duration: time.Microsecond, Lane: "reader", Class: "signal"}
	for name, ctx := range map[string]context.Context{"no parent": t.Context(), "unsampled": parent(t.Context(), false), "sampled": parent(t.Context(), true)} {
		f := fly(t, trace.Options{Sink: &sink{}, Records: 1024})
		for range 1024 { // the first round makes the room
			f.Statement(ctx, statement)
		}
		if err := f.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		// What the exporter allocates meanwhile is counted too, so the sampled ones are held to the record's own path: a flight that is closed
		// exports no more.
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(1000, func() { f.Statement(ctx, statement) }); n != 0 {
			t.Errorf("%s: %v allocations a statement, want 0", name, n)
		}
	}
}

func BenchmarkFlightStatement(b *testing.B) {
	statement := &trace.Statement{Query: trace.Describe("SELECT a FROM t WHERE b = 1"), Start: time.Now(), Duration: 1, Lane: "reader", Class: "signal"}
	for name, ctx := range map[string]context.Context{"unsampled": parent(b.Context(), false), "sampled": parent(b.Context(), true)} {
		b.Run(name, func(b *testing.B) {
			f := fly(b, trace.Options{Sink: discard{}, Records: 1 << 16})
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				statement.Start, statement.Duration = start, time.Since(start)
				f.Statement(ctx, statement)
			}
		})
		b.Run(name+"/clock alone", func(b *testing.B) {
			for b.Loop() {
				start := time.Now()
				statement.Start, statement.Duration = start, time.Since(start)
			}
		})
		b.Run(name+"-parallel", func(b *testing.B) {
			f := fly(b, trace.Options{Sink: discard{}, Records: 1 << 16})
			b.RunParallel(func(pb *testing.PB) {
				s := *statement
				for pb.Next() {
					f.Statement(ctx, &s)
				}
			})
		})
	}
}

type discard struct{}

func (discard) ExportSpans(context.Context, []trace.Span) error { return nil }
