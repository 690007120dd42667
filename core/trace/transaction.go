package trace

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// maxEvents bounds what is remembered of one operation.
const maxEvents = 32

// StartTx implements [Recorder]. Where the provider keeps the transaction its span is made at once, so that the caller's own spans nest
// under it.
func (f *Flight) StartTx(ctx context.Context, name, kind string) (context.Context, TxSpan) {
	t := &flightTx{f: f, serial: f.serial.Add(1), start: time.Now(), query: f.titles.of(kind, name), kind: kind, parent: oteltrace.SpanContextFromContext(ctx)}
	switch {
	case f.spans == nil:
		if !t.parent.IsValid() || t.parent.IsSampled() {
			t.span = f.identify(t.parent)
			return oteltrace.ContextWithSpan(ctx, t.span.of(t)), t
		}
	case f.spans.wanted(ctx, t.start):
		inner, span := f.spans.start(ctx, t.query.name(), t.start, oteltrace.SpanKindInternal)
		if span != nil {
			span.SetAttributes(append([]attribute.KeyValue{f.spans.namespace}, t.query.attributes...)...)
			f.tally.direct.Add(1)
			t.real = span
			t.span.self = span.SpanContext()
		} else {
			t.dropped = inner != ctx // the sampler's answer holds for all that nests under it
		}
		return inner, t
	}
	return ctx, t
}

// identify makes the identity of a span that goes to the sink.
func (f *Flight) identify(parent oteltrace.SpanContext) sinkSpan {
	return sinkSpan{self: newContext(parent)}
}

// newContext makes the identity of a span below parent.
func newContext(parent oteltrace.SpanContext) oteltrace.SpanContext {
	c := oteltrace.SpanContextConfig{TraceID: parent.TraceID(), TraceState: parent.TraceState(), TraceFlags: oteltrace.FlagsSampled}
	if !parent.IsValid() {
		binary.LittleEndian.PutUint64(c.TraceID[:8], rand.Uint64()|1)
		binary.LittleEndian.PutUint64(c.TraceID[8:], rand.Uint64())
	}
	binary.LittleEndian.PutUint64(c.SpanID[:], rand.Uint64()|1)
	return oteltrace.NewSpanContext(c)
}

// flightTx is a transaction under way.
type flightTx struct {
	f       *Flight
	query   *Query
	kind    string
	serial  uint64
	start   time.Time
	parent  oteltrace.SpanContext
	real    oteltrace.Span // of the provider; nil where there is none
	span    sinkSpan
	dropped bool

	mu    sync.Mutex
	over  bool
	extra extra
}

// Recording implements [TxSpan]. A slow transaction is exported whether its caller is sampled or not, so what is said of it is kept.
func (t *flightTx) Recording() bool { return true }

func (t *flightTx) Serial() uint64                 { return t.serial }
func (t *flightTx) Context() oteltrace.SpanContext { return t.span.self }

func (t *flightTx) Event(name string, attributes ...attribute.KeyValue) {
	if t.real != nil {
		t.real.AddEvent(name, oteltrace.WithAttributes(attributes...))
		return
	}
	t.note(name, time.Now(), attributes)
}

func (t *flightTx) note(name string, at time.Time, attributes []attribute.KeyValue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over && len(t.extra.events) < maxEvents {
		t.extra.events = append(t.extra.events, Event{Name: name, At: at, Attributes: attributes})
	}
}

func (t *flightTx) Link(to oteltrace.SpanContext, reason string) {
	if !to.IsValid() {
		return
	}
	if t.real != nil {
		transaction{t.real}.Link(to, reason)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over && len(t.extra.links) < maxEvents {
		t.extra.links = append(t.extra.links, Link{To: to, Reason: reason})
	}
}

// End implements [TxSpan].
func (t *flightTx) End(e TxEnd) {
	now := time.Now()
	t.Link(e.Commit, "commit")
	t.mu.Lock()
	over := t.over
	t.over = true
	t.mu.Unlock()
	if over {
		return
	}
	r := t.f.ring.claim(t.query)
	if r.kind = opTransaction; !transactional(t.kind) {
		r.kind = opOther
	}
	t.position(r)
	if len(t.extra.events)+len(t.extra.links)+len(t.extra.attributes) > 0 {
		r.aside().extra = &t.extra
	}
	r.start, r.took = t.start.UnixNano(), int64(now.Sub(t.start))
	r.tx, r.group, r.batch, r.rows = t.serial, e.Group, count32(int64(e.GroupSize)), int64(e.Statements)
	r.retries = uint16(min(max(0, e.Retries), 1<<16-1))
	r.plugTime, r.plugCalls = int64(e.PluginTime), count32(e.PluginCalls)
	r.queue, r.commit, r.steps = micros(e.QueueWait), micros(e.CommitWait), int64(e.Hold)
	r.lane, r.outcome = t.f.names.kind.code(t.kind), t.f.names.outcome.code(e.Outcome)
	if limit := t.f.opt.Slow.Other; limit > 0 && time.Duration(r.took) >= limit {
		r.flags |= flagSlow
	}
	t.f.fault(r, e.Err)
	if t.real != nil {
		r.done()
		e.Commit = oteltrace.SpanContext{} // it has that link
		transaction{t.real}.End(e)
		return
	}
	if t.dropped {
		r.flags |= flagDropped
	}
	t.f.commit(r, now)
}

// position notes where in a trace the transaction stands.
func (t *flightTx) position(r place) {
	r.inherit(t.parent)
	self := t.span.self
	if !self.IsValid() {
		return
	}
	if !t.parent.IsValid() {
		r.flags |= flagNoParent
	}
	r.trace, r.own = self.TraceID(), self.SpanID()
	if self.IsSampled() {
		r.flags |= flagSampled
		r.keepState(self.TraceState())
	}
}

// StartCommit implements [Recorder].
func (f *Flight) StartCommit(ctx context.Context, group uint64) (oteltrace.SpanContext, func(CommitEnd)) {
	parent := oteltrace.SpanContextFromContext(ctx)
	var self oteltrace.SpanContext
	var end func(CommitEnd)
	switch {
	case f.spans != nil:
		if self, end = f.spans.StartCommit(ctx, group); self.IsValid() {
			f.tally.direct.Add(1)
		}
	case !parent.IsValid() || parent.IsSampled():
		self = newContext(parent)
	}
	start := time.Now()
	return self, func(e CommitEnd) {
		now := time.Now()
		r := f.ring.claim(f.commits)
		r.kind = opCommit
		r.inherit(parent)
		if self.IsValid() {
			if !parent.IsValid() {
				r.flags |= flagNoParent
			}
			r.flags |= flagSampled
			r.trace, r.own = self.TraceID(), self.SpanID()
			r.keepState(self.TraceState())
		}
		r.start, r.took = start.UnixNano(), int64(now.Sub(start))
		r.group, r.batch, r.slot = group, count32(int64(e.Size)), micros(e.Sync)
		if e.Durable {
			r.flags |= flagDurable
		}
		f.fault(r, e.Err)
		if f.spans != nil && self.IsValid() {
			r.done()
			end(e)
			return
		}
		f.commit(r, now)
	}
}

// commitQuery describes the COMMIT of a group.
func commitQuery() *Query {
	return &Query{Summary: "COMMIT", Operation: "COMMIT", attributes: []attribute.KeyValue{keySystem.String(system), keyOperation.String("COMMIT")}}
}

// sinkSpan is a transaction in the context of its closure: the embedding program's spans and events find their place by it.
type sinkSpan struct {
	noop.Span
	self oteltrace.SpanContext
	tx   *flightTx
}

func (s *sinkSpan) of(t *flightTx) *sinkSpan {
	t.span.tx = t
	return &t.span
}

func (s *sinkSpan) SpanContext() oteltrace.SpanContext { return s.self }
func (s *sinkSpan) IsRecording() bool {
	s.tx.mu.Lock()
	defer s.tx.mu.Unlock()
	return !s.tx.over
}

// AddEvent keeps what the engine or the program says about the transaction.
func (s *sinkSpan) AddEvent(name string, options ...oteltrace.EventOption) {
	c := oteltrace.NewEventConfig(options...)
	s.tx.note(name, c.Timestamp(), c.Attributes())
}

// AddLink implements oteltrace.Span.
func (s *sinkSpan) AddLink(l oteltrace.Link) { s.tx.Link(l.SpanContext, "caller's own") }

// SetAttributes keeps what the program says about the transaction.
func (s *sinkSpan) SetAttributes(a ...attribute.KeyValue) {
	t := s.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over && len(t.extra.attributes)+len(a) <= maxEvents {
		t.extra.attributes = append(t.extra.attributes, a...)
	}
}

// SetStatus leaves the status to the outcome of the transaction.
func (s *sinkSpan) SetStatus(codes.Code, string) {}

// TracerProvider implements oteltrace.Span.
func (s *sinkSpan) TracerProvider() oteltrace.TracerProvider { return s.tx.f.provider() }
