package enginetest

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// watch knows which transactions are open: it sees the spans that the engine begins and ends, and passes them on.
type watch struct {
	embedded.TracerProvider
	inner trace.TracerProvider
	mu    sync.Mutex
	open  map[*watched]struct{}
}

func newWatch(inner trace.TracerProvider) *watch {
	if inner == nil {
		inner = noop.NewTracerProvider()
	}
	return &watch{inner: inner, open: map[*watched]struct{}{}}
}

// Tracer implements trace.TracerProvider.
func (w *watch) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return &watchTracer{inner: w.inner.Tracer(name, opts...), w: w}
}

type watchTracer struct {
	embedded.Tracer
	inner trace.Tracer
	w     *watch
}

// Start implements trace.Tracer.
func (t *watchTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, span := t.inner.Start(ctx, name, opts...)
	s := &watched{Span: span, w: t.w, name: name}
	if strings.HasPrefix(name, "TRANSACTION") {
		s.origin = caller()
		t.w.mu.Lock()
		t.w.open[s] = struct{}{}
		t.w.mu.Unlock()
	}
	return ctx, s
}

// watched is a span of the engine.
type watched struct {
	trace.Span
	w            *watch
	name, origin string
	kind         string // guarded by w.mu
}

// IsRecording is true, or the engine would take the tracer for one that makes no spans and stop asking it.
func (s *watched) IsRecording() bool { return true }

// SetAttributes learns what kind of transaction it is.
func (s *watched) SetAttributes(list ...attribute.KeyValue) {
	for _, a := range list {
		if a.Key == "engine.tx.kind" {
			s.w.mu.Lock()
			s.kind = a.Value.AsString()
			s.w.mu.Unlock()
		}
	}
	s.Span.SetAttributes(list...)
}

// End implements trace.Span.
func (s *watched) End(opts ...trace.SpanEndOption) {
	s.w.mu.Lock()
	delete(s.w.open, s)
	s.w.mu.Unlock()
	s.Span.End(opts...)
}

// transactions describes those that are open, and counts the views among them: each holds a connection.
func (w *watch) transactions() (open []string, views int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.open {
		if s.kind == "view" {
			views++
		}
		name := strings.TrimPrefix(strings.TrimPrefix(s.name, "TRANSACTION"), " ")
		if name == "" {
			name = "unnamed"
		}
		open = append(open, fmt.Sprintf("the %s %q of %s", s.kind, name, s.origin))
	}
	slices.Sort(open)
	return open, views
}

// caller is the line outside of the engine that is being called from.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "github.com/tidegate/engine."), strings.HasPrefix(f.Function, "github.com/tidegate/engine/core/"):
		case strings.HasPrefix(f.Function, "runtime."):
			return creator() // go db.Update(…)
		default:
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if !more {
			return creator()
		}
	}
}

// creator is the line of the go statement that began this goroutine, which only the text of a stack tells.
func creator() string {
	buf := make([]byte, 64<<10)
	_, begun, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), "\ncreated by ")
	_, line, _ := strings.Cut(begun, "\n\t")
	line, _, _ = strings.Cut(line, " +0x")
	if line = filepath.Base(strings.TrimSpace(line)); line == "." {
		return "an unknown line"
	}
	return line
}
