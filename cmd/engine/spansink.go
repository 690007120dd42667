package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
)

// sinkKey is the context key of the sink that the engine's spans go to.
type sinkKey struct{}

// traceInto has a database send its spans where those of this program go.
func traceInto(ctx context.Context, cfg *engine.Config) {
	cfg.TracerProvider = oteltrace.SpanFromContext(ctx).TracerProvider()
	if sink, ok := ctx.Value(sinkKey{}).(*spanSink); ok {
		cfg.Trace.Sink = sink
	}
}

// spanSink hands the engine's finished spans to an exporter of the SDK, past the SDK's own spans and its queue.
type spanSink struct {
	exporter  *watchedExporter
	described *resource.Resource
	scope     instrumentation.Scope
	spans     []finishedSpan // of the batch under way
	batch     []sdktrace.ReadOnlySpan
}

func newSpanSink(exporter *watchedExporter, described *resource.Resource) *spanSink {
	return &spanSink{exporter: exporter, described: described, scope: instrumentation.Scope{Name: trace.Scope, SchemaURL: trace.SchemaURL}}
}

// ExportSpans implements engine.SpanSink.
func (s *spanSink) ExportSpans(ctx context.Context, spans []trace.Span) error {
	s.spans, s.batch = s.spans[:0], s.batch[:0]
	for i := range spans {
		s.spans = append(s.spans, finishedSpan{span: &spans[i], sink: s})
	}
	for i := range s.spans {
		s.batch = append(s.batch, &s.spans[i])
	}
	return s.exporter.send(ctx, s.batch)
}

// finishedSpan is a span as exporters of the SDK read it. The interface that it embeds has a method that only the SDK can write and nobody
// calls; all others are here.
type finishedSpan struct {
	sdktrace.ReadOnlySpan
	span *trace.Span
	sink *spanSink
}

func (f *finishedSpan) Name() string                                { return f.span.Name }
func (f *finishedSpan) SpanContext() oteltrace.SpanContext          { return f.span.Context }
func (f *finishedSpan) Parent() oteltrace.SpanContext               { return f.span.Parent }
func (f *finishedSpan) SpanKind() oteltrace.SpanKind                { return f.span.Kind }
func (f *finishedSpan) StartTime() time.Time                        { return f.span.Start }
func (f *finishedSpan) EndTime() time.Time                          { return f.span.End }
func (f *finishedSpan) Attributes() []attribute.KeyValue            { return f.span.Attributes }
func (f *finishedSpan) InstrumentationScope() instrumentation.Scope { return f.sink.scope }
func (f *finishedSpan) Resource() *resource.Resource                { return f.sink.described }
func (f *finishedSpan) DroppedAttributes() int                      { return 0 }
func (f *finishedSpan) DroppedLinks() int                           { return 0 }
func (f *finishedSpan) DroppedEvents() int                          { return 0 }
func (f *finishedSpan) ChildSpanCount() int                         { return 0 }

// InstrumentationLibrary is the old name of the scope.
func (f *finishedSpan) InstrumentationLibrary() instrumentation.Library {
	return f.sink.scope
}

func (f *finishedSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: f.span.Status, Description: f.span.Message}
}

func (f *finishedSpan) Links() []sdktrace.Link {
	if len(f.span.Links) == 0 {
		return nil
	}
	links := make([]sdktrace.Link, len(f.span.Links))
	for i, l := range f.span.Links {
		links[i] = sdktrace.Link{SpanContext: l.To, Attributes: []attribute.KeyValue{attribute.String(trace.LinkReason, l.Reason)}}
	}
	return links
}

func (f *finishedSpan) Events() []sdktrace.Event {
	if len(f.span.Events) == 0 {
		return nil
	}
	events := make([]sdktrace.Event, len(f.span.Events))
	for i, e := range f.span.Events {
		events[i] = sdktrace.Event{Name: e.Name, Time: e.At, Attributes: e.Attributes}
	}
	return events
}
