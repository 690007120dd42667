package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tidegate/engine"
)

// recorder is a TracerProvider that keeps the spans, made from the API alone: the SDK belongs to the program.
type recorder struct {
	noop.TracerProvider
	mu    sync.Mutex
	scope string
	ids   int
	spans []*span
	flush func(context.Context) error // makes the spans of what has ended
}

type recordingTracer struct {
	noop.Tracer
	r *recorder
}

type span struct {
	noop.Span
	r          *recorder
	name       string
	kind       trace.SpanKind
	self       trace.SpanContext
	parent     trace.SpanContext
	start, end time.Time
	attributes map[string]string
	links      []trace.SpanContext
	status     codes.Code
	text       string // all that was ever said about it
}

func (r *recorder) Tracer(scope string, _ ...trace.TracerOption) trace.Tracer {
	r.scope = scope
	return recordingTracer{r: r}
}

func (t recordingTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	c := trace.NewSpanStartConfig(opts...)
	parent := trace.SpanContextFromContext(ctx)
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.r.ids++
	id := parent.TraceID()
	if !id.IsValid() {
		id = trace.TraceID{1, byte(t.r.ids >> 8), byte(t.r.ids)}
	}
	s := &span{r: t.r, name: name, kind: c.SpanKind(), parent: parent, start: c.Timestamp(), attributes: map[string]string{}, text: name,
		self: trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{2, byte(t.r.ids >> 8), byte(t.r.ids)}, TraceFlags: trace.FlagsSampled})}
	s.set(c.Attributes())
	t.r.spans = append(t.r.spans, s)
	return trace.ContextWithSpan(ctx, s), s
}

func (s *span) set(list []attribute.KeyValue) {
	for _, a := range list {
		s.attributes[string(a.Key)] = a.Value.String()
		s.text += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
	}
}

func (s *span) SpanContext() trace.SpanContext { return s.self }
func (s *span) IsRecording() bool {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	return s.end.IsZero()
}
func (s *span) SetAttributes(a ...attribute.KeyValue) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.set(a)
}
func (s *span) AddEvent(name string, opts ...trace.EventOption) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.text += name
	c := trace.NewEventConfig(opts...)
	s.set(c.Attributes())
}
func (s *span) RecordError(err error, _ ...trace.EventOption) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.text += err.Error()
}
func (s *span) AddLink(l trace.Link) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.links = append(s.links, l.SpanContext)
}
func (s *span) SetStatus(c codes.Code, message string) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.status = c
	s.text += message
}
func (s *span) End(opts ...trace.SpanEndOption) {
	c := trace.NewSpanEndConfig(opts...)
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.end = c.Timestamp(); s.end.IsZero() {
		s.end = time.Now()
	}
}

// taken returns the spans so far that have ended, and forgets them.
func (r *recorder) taken(t *testing.T) []*span {
	t.Helper()
	if r.flush != nil {
		if err := r.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.spans
	r.spans = nil
	for _, s := range out {
		if s.end.IsZero() {
			t.Errorf("span %q has not ended", s.name)
		}
	}
	return out
}

// traced opens a ledger whose spans are kept, without those of setting it up.
func traced(t *testing.T) (*engine.DB, *recorder) {
	t.Helper()
	r := &recorder{}
	db := ledger(t, func(c *engine.Config) { c.TracerProvider = r })
	r.flush = db.Trace().Flush
	r.taken(t)
	return db, r
}

func named(t *testing.T, spans []*span, name string) *span {
	t.Helper()
	var names []string
	for _, s := range spans {
		if s.name == name {
			return s
		}
		names = append(names, s.name)
	}
	t.Fatalf("no span %q among %q", name, names)
	return nil
}

func (s *span) want(t *testing.T, attributes map[string]string) {
	t.Helper()
	for k, v := range attributes {
		if got, ok := s.attributes[k]; got != v || v != "" && !ok {
			t.Errorf("span %q: %s is %q, want %q", s.name, k, got, v)
		}
	}
}

func TestSpansOfAnUpdate(t *testing.T) {
	t.Parallel()
	db, r := traced(t)
	ctx, outer := r.Tracer("test").Start(t.Context(), "caller")
	err := db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE acc SET balance = balance - ? WHERE id = 1 AND 'literal' <> ?", 5, secret); err != nil {
			return err
		}
		_, own := r.Tracer("test").Start(ctx, "own")
		own.End()
		rows, err := tx.Query(ctx, "SELECT id, balance FROM acc WHERE id IN (1, 2)")
		return drained(rows, err)
	}, engine.WithName("transfer"), engine.WithClass(engine.ClassTrade))
	if err != nil {
		t.Fatal(err)
	}
	outer.End()
	spans := r.taken(t)
	tx := named(t, spans, "TRANSACTION transfer")
	if tx.parent.SpanID() != outer.SpanContext().SpanID() || tx.kind != trace.SpanKindInternal || r.scope == "" {
		t.Errorf("the transaction's span is not under the caller's: %+v", tx.parent)
	}
	tx.want(t, map[string]string{"db.system.name": "sqlite", "db.namespace": "test.db", "engine.tx.name": "transfer", "engine.tx.kind": "update",
		"engine.tx.statements": "2", "engine.tx.outcome": "committed", "engine.group.size": "1"})
	update, sel := named(t, spans, "UPDATE acc"), named(t, spans, "SELECT acc")
	for _, s := range []*span{update, sel, named(t, spans, "own")} {
		if s.parent.SpanID() != tx.self.SpanID() || s.self.TraceID() != outer.SpanContext().TraceID() {
			t.Errorf("span %q does not nest under its transaction", s.name)
		}
	}
	if update.kind != trace.SpanKindClient || update.start.IsZero() || update.end.Before(update.start) {
		t.Errorf("kind %v, %v to %v", update.kind, update.start, update.end)
	}
	update.want(t, map[string]string{"db.system.name": "sqlite", "db.namespace": "test.db", "db.operation.name": "UPDATE", "db.collection.name": "acc",
		"db.query.summary": "UPDATE acc", "db.query.text": "UPDATE acc SET balance = balance - ? WHERE id = ? AND ? <> ?", "sqlite.rows_changed": "1",
		"engine.lane": "writer", "engine.class": "trade", "error.type": ""})
	sel.want(t, map[string]string{"db.response.returned_rows": "2", "db.operation.name": "SELECT"})
	commit := named(t, spans, "COMMIT")
	commit.want(t, map[string]string{"db.system.name": "sqlite", "engine.group.size": "1", "engine.durable": "true"})
	if !slices.ContainsFunc(tx.links, func(l trace.SpanContext) bool { return l.SpanID() == commit.self.SpanID() }) {
		t.Error("the transaction is not linked with the COMMIT that made it durable")
	}
	for _, s := range spans {
		if strings.Contains(s.text, secret) || strings.Contains(s.text, "literal") {
			t.Errorf("span %q shows a value: %s", s.name, s.text)
		}
	}
}

func TestSpansOfSingleStatements(t *testing.T) {
	t.Parallel()
	db, r := traced(t)
	var ctx context.Context
	for _, c := range []struct {
		name, lane string
		run        func() error
		attributes map[string]string
	}{
		{"INSERT entry", "writer", func() error {
			_, err := db.Exec(ctx, "INSERT INTO entry (acc, amount) VALUES (?, ?)", 1, 4711)
			return err
		}, map[string]string{"sqlite.rows_changed": "1", "error.type": ""}},
		{"SELECT entry", "reader", func() error { return drained(db.Query(ctx, "SELECT * FROM entry")) },
			map[string]string{"db.response.returned_rows": "1"}},
		{"SELECT acc", "analytics", func() error {
			return db.QueryRow(ctx, "SELECT count(*) FROM acc", engine.WithClass(engine.ClassAnalytics)).Scan(new(int))
		}, map[string]string{"db.response.returned_rows": "1", "engine.class": "analytics"}},
		{"DELETE entry", "writer", func() error { return drained(db.Query(ctx, "DELETE FROM entry RETURNING id")) },
			map[string]string{"sqlite.rows_changed": "1", "db.response.returned_rows": "1"}},
	} {
		var outer trace.Span
		ctx, outer = r.Tracer("test").Start(t.Context(), "caller")
		if err := c.run(); err != nil {
			t.Fatal(err)
		}
		outer.End()
		spans := r.taken(t)
		s := named(t, spans, c.name)
		if c.lane == "writer" {
			if g := named(t, spans, "COMMIT").attributes["engine.group.id"]; g == "" || g != s.attributes["engine.group.id"] {
				t.Errorf("%s: group %q, committed with %q", c.name, s.attributes["engine.group.id"], g)
			}
		}
		s.want(t, map[string]string{"engine.lane": c.lane, "db.system.name": "sqlite"})
		s.want(t, c.attributes)
		if s.parent.SpanID() != outer.SpanContext().SpanID() {
			t.Errorf("%s is not under the caller's span", c.name)
		}
	}
}

func TestSpansOfFailures(t *testing.T) {
	t.Parallel()
	db, r := traced(t)
	for _, c := range []struct {
		sql, span, kind string
	}{
		{"INSERT INTO acc VALUES (1, 4711)", "INSERT acc", "constraint"},
		{"SELECT * FROM nowhere", "SELECT nowhere", "sql"},
		{"ATTACH 'x' AS y", "", "auth"},
		{"UPDATE acc SET balance = ?", "UPDATE acc", "args"},
	} {
		_, err := db.Exec(t.Context(), c.sql)
		if err == nil {
			t.Fatalf("%s succeeded", c.sql)
		}
		spans := r.taken(t)
		i := slices.IndexFunc(spans, func(s *span) bool { return s.attributes["db.query.text"] != "" })
		if i < 0 {
			t.Fatalf("%s: no span of a statement", c.sql)
		}
		s := spans[i]
		s.want(t, map[string]string{"error.type": c.kind})
		if s.status != codes.Error || c.span != "" && s.name != c.span || strings.Contains(s.text, "4711") {
			t.Errorf("%s: status %v, %s", c.sql, s.status, s.text)
		}
	}
	_ = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error { return fmt.Errorf("with %s: %w", secret, errMine) }, engine.WithName("refused"))
	func() {
		defer func() { _ = recover() }()
		_ = db.Update(t.Context(), func(context.Context, *engine.Tx) error { panic(secret) }, engine.WithName("panicking"))
	}()
	_ = db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error { return errMine }, engine.WithName("report"))
	spans := r.taken(t)
	for _, name := range []string{"refused", "panicking", "report"} {
		s := named(t, spans, "TRANSACTION "+name)
		if s.status != codes.Error || strings.Contains(s.text, secret) {
			t.Errorf("%s: status %v, %s", name, s.status, s.text)
		}
		s.want(t, map[string]string{"engine.tx.outcome": "rolled_back"})
	}
	for _, s := range spans {
		if s.name == "COMMIT" {
			t.Error("a COMMIT is reported for transactions that were all rolled back")
		}
	}
}

// TestSpansOfAGroup: one COMMIT for many, and each of them is linked with it.
func TestSpansOfAGroup(t *testing.T) {
	t.Parallel()
	db, r := traced(t)
	var wg sync.WaitGroup
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		for range 5 {
			wg.Go(func() {
				if err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error { return move(ctx, tx, 1, 2, 1) }, engine.WithName("member")); err != nil {
					t.Error(err)
				}
			})
		}
		eventually(t, "five callers in the queue", func() bool { return db.Stats().Writer.Waiting == 5 })
		return errMine // not a member itself
	})
	wg.Wait()
	if err != errMine {
		t.Fatal(err)
	}
	commits := map[trace.SpanID]*span{}
	linked, members := 0, 0
	spans := r.taken(t)
	for _, s := range spans {
		if s.name == "COMMIT" {
			commits[s.self.SpanID()] = s
		}
	}
	for _, s := range spans {
		if s.name != "TRANSACTION member" {
			continue
		}
		members++
		for _, l := range s.links {
			if c := commits[l.SpanID()]; c != nil && c.attributes["engine.group.id"] == s.attributes["engine.group.id"] {
				linked++
			}
		}
	}
	if members != 5 || linked != 5 || len(commits) == 0 || len(commits) >= 5 {
		t.Errorf("%d of %d transactions are linked with one of %d COMMITs", linked, members, len(commits))
	}
}
