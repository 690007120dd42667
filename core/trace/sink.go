package trace

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// SpanSink takes finished spans in batches: a way past the SDK's own span objects, which cost ten times as much. A program makes one of any
// exporter of its SDK, as cmd/engine does.
type SpanSink interface {
	// ExportSpans takes a batch, from one goroutine at a time. Within a batch parents come before their children. It may block: the engine goes
	// on, and counts what it has to drop meanwhile. The spans and all that they refer to are valid during the call only.
	//
	// # Errors
	//
	// An error means that the batch is lost; it is counted, not tried again.
	ExportSpans(ctx context.Context, spans []Span) error
}

// Span is a finished span.
type Span struct {
	// Context identifies it, Parent the span above; not valid for a root.
	Context, Parent oteltrace.SpanContext
	// Name and Kind are those of the semantic conventions.
	Name string
	Kind oteltrace.SpanKind
	// Start and End are when it really was.
	Start, End time.Time
	// Attributes hold no bound value and no literal.
	Attributes []attribute.KeyValue
	// Events happened between Start and End.
	Events []Event
	// Links lead to other spans.
	Links []Link
	// Status is codes.Error for what failed, and Message then the type of the error.
	Status  codes.Code
	Message string
}
