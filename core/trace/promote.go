package trace

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// promoter turns records into spans. It belongs to the goroutine that exports; its buffers serve one batch after the other.
type promoter struct {
	f          *Flight
	namespace  attribute.KeyValue
	attributes []attribute.KeyValue
	links      []Link
	out        []Span
}

func newPromoter(f *Flight) *promoter {
	return &promoter{f: f, namespace: keyNamespace.String(f.opt.Namespace)}
}

// export makes the spans of a batch and counts what became of each.
func (p *promoter) export(ctx context.Context, batch []record) {
	if p.f.spans == nil {
		p.toSink(ctx, batch)
		return
	}
	for i := range batch {
		p.toProvider(&batch[i])
	}
}

// toSink gives the batch to the sink.
func (p *promoter) toSink(ctx context.Context, batch []record) {
	p.attributes, p.links, p.out = p.attributes[:0], p.links[:0], p.out[:0]
	promoted := uint64(0)
	for i := range batch {
		r := &batch[i]
		s := Span{Context: r.self(), Parent: r.above(), Name: r.query.name(), Kind: r.spanKind(), Start: r.began(), End: r.ended()}
		from := len(p.links)
		if r.wish == wishLinked {
			promoted++
			p.links = append(p.links, Link{To: s.Parent, Reason: "caller"})
			s.Parent = oteltrace.SpanContext{}
		}
		if r.extra != nil {
			s.Events = r.extra.events
			p.links = append(p.links, r.extra.links...)
		}
		s.Links = p.links[from:len(p.links):len(p.links)]
		if r.own == (oteltrace.SpanID{}) || r.wish == wishLinked {
			s.Context = newContext(s.Parent)
		}
		if r.failed() {
			s.Status, s.Message = codes.Error, p.f.names.errType.name(r.errType)
		}
		first := len(p.attributes)
		p.attributes = p.describe(p.attributes, r)
		s.Attributes = p.attributes[first:len(p.attributes):len(p.attributes)]
		p.out = append(p.out, s)
	}
	t := &p.f.tally
	if err := p.f.opt.Sink.ExportSpans(ctx, p.out); err != nil {
		t.failed.Add(uint64(len(batch)))
		return
	}
	t.exported.Add(uint64(len(batch)))
	t.promoted.Add(promoted)
}

// toProvider makes a span with the provider's tracer.
func (p *promoter) toProvider(r *record) {
	p.attributes = p.describe(p.attributes[:0], r)
	ctx, above := context.Background(), r.above()
	var links []oteltrace.Link
	root := r.wish == wishLinked
	if !root && above.IsValid() {
		ctx = oteltrace.ContextWithSpanContext(ctx, above)
	}
	if root && above.IsValid() {
		links = append(links, Link{To: above, Reason: "caller"}.span())
	}
	if r.extra != nil {
		for _, l := range r.extra.links {
			links = append(links, l.span())
		}
	}
	// The attributes are given at the start, so that a sampler sees them: engine.promoted tells it what would else be lost.
	_, span := p.f.spans.tracer.Start(ctx, r.query.name(), oteltrace.WithSpanKind(r.spanKind()), oteltrace.WithTimestamp(r.began()),
		oteltrace.WithAttributes(p.attributes...), oteltrace.WithLinks(links...))
	if !span.IsRecording() {
		p.f.tally.refused.Add(1)
		if span.SpanContext().SpanID() == oteltrace.SpanContextFromContext(ctx).SpanID() {
			p.f.spans.silentUntil.Store(time.Now().Add(probeEvery).UnixNano())
		}
		span.End()
		return
	}
	p.f.spans.silentUntil.Store(0)
	if r.extra != nil {
		for _, e := range r.extra.events {
			span.AddEvent(e.Name, oteltrace.WithTimestamp(e.At), oteltrace.WithAttributes(e.Attributes...))
		}
	}
	if r.failed() {
		span.SetStatus(codes.Error, p.f.names.errType.name(r.errType))
	}
	span.End(oteltrace.WithTimestamp(r.ended()))
	p.f.tally.exported.Add(1)
	if root {
		p.f.tally.promoted.Add(1)
	}
}

// span is the link as OpenTelemetry has it.
func (l Link) span() oteltrace.Link {
	return oteltrace.Link{SpanContext: l.To, Attributes: []attribute.KeyValue{keyLinkReason.String(l.Reason)}}
}

// spanKind is CLIENT for what the program asked of the database.
func (r *record) spanKind() oteltrace.SpanKind {
	if r.kind == opStatement {
		return oteltrace.SpanKindClient
	}
	return oteltrace.SpanKindInternal
}

// describe adds the attributes of a record.
func (p *promoter) describe(to []attribute.KeyValue, r *record) []attribute.KeyValue {
	n := &p.f.names
	to = append(append(to, p.namespace), r.query.attributes...)
	switch r.kind {
	case opStatement:
		s := p.f.statement(r)
		to = s.appendTo(to)
	case opTransaction, opOther:
		w := r.waits()
		to = TxEnd{Outcome: n.outcome.name(r.outcome), Statements: int(r.rows), Retries: int(r.retries), Group: r.group, GroupSize: int(r.batch),
			QueueWait: w.QueueWait, Hold: time.Duration(r.steps), CommitWait: w.CommitWait,
			PluginTime: time.Duration(r.plugTime), PluginCalls: int64(r.plugCalls)}.appendTo(to)
	case opCommit:
		to = append(to, keyGroup.Int64(int64(r.group)), keyGroupSize.Int64(int64(r.batch)), keyDurable.Bool(r.flags&flagDurable != 0))
		to = appendCount(to, keySync, int64(r.slot))
	case opPlugin:
		to = appendCount(to, keyPluginRows, int64(r.batch))
	}
	if r.wish == wishLinked {
		why := "slow"
		if r.failed() {
			why = "failed"
		}
		to = append(to, keyPromoted.String(why))
	}
	if r.failed() {
		to = append(to, keyErrorType.String(n.errType.name(r.errType)))
		to = appendText(to, keyStatusCode, n.status.name(r.status))
	}
	if r.extra != nil {
		to = append(to, r.extra.attributes...)
	}
	return to
}

// statement gives a record the form in which it came.
func (f *Flight) statement(r *record) Statement {
	return Statement{Query: r.query, Start: r.began(), Duration: time.Duration(r.took), Lane: f.names.lane.name(r.lane), Class: f.names.class.name(r.class),
		Waits: r.waits(), RowsReturned: r.rows, RowsChanged: r.changed, Batch: int(r.batch), Group: r.group, Tx: r.tx, Retries: int(r.retries),
		Work: Work{VMSteps: r.steps, FullScanSteps: r.scanned, Sorts: int64(r.sorts), AutoIndexes: int64(r.autoIndexes), Reprepares: int64(r.reprepares),
			PluginCalls: int64(r.plugCalls), PluginTime: time.Duration(r.plugTime)}}
}

func (r *record) waits() Waits {
	return Waits{QueueWait: time.Duration(r.queue) * time.Microsecond, SlotWait: time.Duration(r.slot) * time.Microsecond,
		CommitWait: time.Duration(r.commit) * time.Microsecond}
}
