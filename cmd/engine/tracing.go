package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// traceModes are the values of --trace.
var traceModes = []string{"off", "stdout", "otlp"}

// flushTime is how long the program waits at its end for spans to leave.
const flushTime = 5 * time.Second

// traceFlag takes --trace out of the arguments, wherever it stands before "--". Without it the environment decides.
func traceFlag(args []string) (rest []string, mode string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		if args[i] == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		if name != "--trace" && name != "-trace" {
			rest = append(rest, args[i])
			continue
		}
		if !joined {
			i++
			if i < len(args) {
				value = args[i]
			}
		}
		if !slices.Contains(traceModes, value) {
			return nil, "", fmt.Errorf("--trace takes one of %s", strings.Join(traceModes, ", "))
		}
		mode = value
	}
	if mode == "" {
		mode, err = traceEnvironment(os.Getenv)
	}
	return rest, mode, err
}

// traceEnvironment reads OpenTelemetry's own variables. An endpoint alone is a wish to export.
func traceEnvironment(get func(string) string) (string, error) {
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return "off", nil
	}
	switch exporter := get("OTEL_TRACES_EXPORTER"); exporter {
	case "":
		if get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
			return "otlp", nil
		}
		return "off", nil
	case "none":
		return "off", nil
	case "console":
		return "stdout", nil
	case "otlp":
		return "otlp", nil
	default:
		return "", fmt.Errorf("OTEL_TRACES_EXPORTER=%s is not supported: use otlp, console or none", exporter)
	}
}

// traced runs the verb below a span of its own, and sees to it that its spans leave before the program ends.
func traced(ctx context.Context, mode string, v verb, args []string, stdout, stderr io.Writer) int {
	if mode == "off" {
		return v.run(ctx, args, stdout, stderr)
	}
	shared := &lockedWriter{w: stdout}
	exporter, err := newExporter(ctx, mode, shared)
	if err != nil {
		return misuse(stderr, "engine", fmt.Errorf("--trace %s: %w", mode, err))
	}
	provider, described, err := newProvider(ctx, exporter)
	if err != nil {
		return misuse(stderr, "engine", fmt.Errorf("--trace %s: %w", mode, err))
	}
	otel.SetTracerProvider(provider) // for code that gets no context of ours
	parent := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{
		"traceparent": os.Getenv("TRACEPARENT"), "tracestate": os.Getenv("TRACESTATE"),
	})
	spanned, span := provider.Tracer("github.com/tidegate/engine/cmd/engine").Start(parent, "engine "+v.name)
	sink := newSpanSink(exporter, described)
	code := v.run(context.WithValue(spanned, sinkKey{}, sink), args, shared, stderr)
	span.SetAttributes(attribute.Int("process.exit.code", code))
	span.End()
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	err = provider.Shutdown(flush)
	if err = cmp.Or(exporter.failure(), err); err != nil {
		fmt.Fprintf(stderr, "engine: spans were lost: %v; is a collector listening? OTEL_EXPORTER_OTLP_ENDPOINT names it, --trace off does without\n", err)
	}
	return code
}

// newExporter makes the exporter that the mode asks for.
func newExporter(ctx context.Context, mode string, stdout io.Writer) (*watchedExporter, error) {
	var exporter sdktrace.SpanExporter
	var err error
	if mode == "stdout" {
		exporter, err = stdouttrace.New(stdouttrace.WithWriter(stdout), stdouttrace.WithPrettyPrint())
	} else {
		exporter, err = newOTLP(ctx)
	}
	return &watchedExporter{SpanExporter: exporter}, err
}

// watchedExporter remembers the first failure: the SDK itself only logs it.
type watchedExporter struct {
	sdktrace.SpanExporter
	one    sync.Mutex // an exporter takes one batch at a time, and two come here: the SDK's and the engine's
	mu     sync.Mutex
	failed error
}

// ExportSpans never fails, so that the failure is reported once, at the end, in this program's own words.
func (w *watchedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	_ = w.send(ctx, spans) // remembered
	return nil
}

// send exports a batch and remembers its failure.
func (w *watchedExporter) send(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	w.one.Lock()
	defer w.one.Unlock()
	err := w.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		w.mu.Lock()
		w.failed = cmp.Or(w.failed, err)
		w.mu.Unlock()
	}
	return err
}

func (w *watchedExporter) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// newProvider builds the SDK. Sampler, limits, batches, endpoint and headers come from the OTEL_* variables, which the SDK reads itself.
func newProvider(ctx context.Context, exporter sdktrace.SpanExporter) (*sdktrace.TracerProvider, *resource.Resource, error) {
	described, err := whoSends(ctx)
	if err != nil {
		return nil, nil, err
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described)), described, nil
}

// whoSends is the resource that spans and metrics come from.
func whoSends(ctx context.Context) (*resource.Resource, error) {
	return resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "tidegate")),
		resource.WithTelemetrySDK(), resource.WithProcessPID(), resource.WithFromEnv())
}

// newOTLP makes the exporter for OTLP over HTTP, the one protocol that this program speaks.
func newOTLP(ctx context.Context) (sdktrace.SpanExporter, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" && p != "http/protobuf" {
			return nil, fmt.Errorf("%s=%s: only http/protobuf is spoken, on port 4318 by default", name, p)
		}
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		// The exporter's own default is https, where no local collector listens; OpenTelemetry's is this.
		return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL("http://localhost:4318/v1/traces"))
	}
	return otlptracehttp.New(ctx)
}

// lockedWriter lets the verb and the exporter write to one output.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
