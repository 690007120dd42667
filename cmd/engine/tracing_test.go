package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tidegate/engine"
)

// The values are long: numbers of spans and times of day hold any short one now and then.
func TestTraceStdout(t *testing.T) {
	t.Parallel()
	o := must(t, "query", "--db", "sqlite://", "--trace", "stdout", "--arg", "471100004711", "SELECT ? AS a, 815000000815 AS b")
	for _, want := range []string{"471100004711  815000000815\n", `"Name": "SELECT"`, `"Name": "engine query"`, `"db.query.text"`, `SELECT ? AS a, ? AS b`, `"tidegate"`} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %s in\n%s", want, o.stdout)
		}
	}
	if _, spans, ok := strings.Cut(o.stdout, "\n{"); !ok || strings.Contains(spans, "471100004711") || strings.Contains(spans, "815000000815") {
		t.Errorf("a value is in the spans:\n%s", spans)
	}
}

// receiver is a collector that speaks OTLP over HTTP and decodes with the protocol's own types.
type receiver struct {
	mu       sync.Mutex
	spans    map[string]*otlp.Span
	all      []*otlp.Span
	services []string
	failed   error
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.take(req); err != nil {
		r.failed = err
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (r *receiver) take(req *http.Request) error {
	if req.URL.Path != "/v1/traces" {
		return fmt.Errorf("path %s", req.URL.Path)
	}
	data, err := unzipped(req)
	if err != nil {
		return err
	}
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(data, &request); err != nil {
		return err
	}
	for _, rs := range request.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.name" {
				r.services = append(r.services, a.Value.GetStringValue())
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				r.spans[s.Name] = s
				r.all = append(r.all, s)
			}
		}
	}
	return nil
}

func TestTraceOTLP(t *testing.T) {
	r := &receiver{spans: map[string]*otlp.Span{}}
	server := httptest.NewServer(r)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL) // no --trace: an endpoint is a wish to export
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_SERVICE_NAME", "desk 7")
	t.Setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	must(t, "query", "--db", "sqlite://", "SELECT 815 AS x")
	r.mu.Lock()
	defer r.mu.Unlock()
	statement, root := r.spans["SELECT"], r.spans["engine query"]
	if r.failed != nil || statement == nil || root == nil {
		t.Fatalf("error %v, spans %v", r.failed, r.spans)
	}
	if string(statement.ParentSpanId) != string(root.SpanId) || fmt.Sprintf("%x", statement.TraceId) != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("parent %x of trace %x, want %x of the caller's trace", statement.ParentSpanId, statement.TraceId, root.SpanId)
	}
	if statement.Kind != otlp.Span_SPAN_KIND_CLIENT || statement.EndTimeUnixNano < statement.StartTimeUnixNano {
		t.Errorf("kind %v, from %d to %d", statement.Kind, statement.StartTimeUnixNano, statement.EndTimeUnixNano)
	}
	found := map[string]string{}
	for _, a := range statement.Attributes {
		found[a.Key] = a.Value.GetStringValue()
	}
	if found["db.system.name"] != "sqlite" || found["db.query.text"] != "SELECT ? AS x" {
		t.Errorf("attributes %v", found)
	}
	if len(r.services) == 0 {
		t.Error("nothing says what service the spans are of")
	}
	for _, s := range r.services {
		if s != "desk 7" {
			t.Errorf("service %q, want that of OTEL_SERVICE_NAME", s)
		}
	}
}

func TestTraceWithoutCollector(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	o := program(t, "query", "--db", "sqlite://", "--trace", "otlp", "SELECT 1 AS a")
	if o.code != exitOK || !strings.Contains(o.stdout, "1") || !strings.Contains(o.stderr, "spans were lost") {
		t.Errorf("code %d, stdout %q, stderr %q; want the answer, and a word about the spans", o.code, o.stdout, o.stderr)
	}
}

// Without an endpoint spans go where a local collector listens. Whether one does on this machine is not known: the address shows where none does.
func TestTraceDefaultEndpoint(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	o := program(t, "query", "--db", "sqlite://", "--trace", "otlp", "SELECT 1 AS a")
	lost := strings.Contains(o.stderr, "spans were lost")
	if conn, err := net.DialTimeout("tcp", "localhost:4318", time.Second); err == nil {
		_ = conn.Close()
	} else if !lost {
		t.Errorf("nobody listens, and nothing was lost: %q", o.stderr)
	}
	if o.code != exitOK || strings.Contains(o.stderr, "https:") || lost && !strings.Contains(o.stderr, "http://localhost:4318/v1/traces") {
		t.Errorf("code %d, stderr %q", o.code, o.stderr)
	}
}

func TestTraceEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{}, "off"},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, "otlp"},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, "otlp"},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, "off"},
		{map[string]string{"OTEL_TRACES_EXPORTER": "console"}, "stdout"},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, "off"},
		{map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, ""},
	} {
		got, err := traceEnvironment(func(k string) string { return c.env[k] })
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%v: %q, %v; want %q", c.env, got, err, c.want)
		}
	}
}

// The real SDK on the real engine: who is whose parent, and what is linked.
func TestEngineSpans(t *testing.T) {
	t.Parallel()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	cfg := engine.DefaultConfig("sqlite://")
	cfg.TracerProvider = provider
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, root := provider.Tracer("test").Start(t.Context(), "caller")
	err = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE orders (a UNIQUE)")
		return err
	}, engine.WithName("book"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = db.Exec(ctx, "INSERT INTO orders VALUES (4711)")
	}
	if err == nil {
		t.Fatal("the second insert should have failed")
	}
	root.End()
	if err := db.Trace().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	spans := map[string]tracetest.SpanStub{}
	failed := 0
	for _, s := range exporter.GetSpans() {
		spans[s.Name] = s
		if s.Name == "INSERT orders" && s.Status.Description == "constraint" {
			failed++
		}
		if strings.Contains(fmt.Sprint(s.Attributes, s.Status, s.Events), "4711") {
			t.Errorf("a value is in span %s", s.Name)
		}
	}
	book, create := spans["TRANSACTION book"], spans["CREATE TABLE orders"]
	if create.Parent.SpanID() != book.SpanContext.SpanID() || book.Parent.SpanID() != root.SpanContext().SpanID() || !book.SpanContext.IsValid() {
		t.Errorf("caller → transaction → statement is broken in %d spans", len(spans))
	}
	commit, ok := spans["COMMIT"]
	linked := false
	for _, l := range book.Links {
		linked = linked || l.SpanContext.TraceID() == commit.SpanContext.TraceID()
	}
	if !ok || !linked {
		t.Errorf("no link from the transaction to its COMMIT: %v", book.Links)
	}
	if failed != 1 {
		t.Errorf("%d failed inserts with error type constraint, want 1", failed)
	}
}

// BenchmarkTracedQuery is a point read on the engine, as seen by tracing: off, below a parent that is not sampled, and exported in full.
func BenchmarkTracedQuery(b *testing.B) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	defer provider.Shutdown(context.Background())
	under := func(sampled bool) context.Context {
		return oteltrace.ContextWithSpanContext(b.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
			TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceFlags: oteltrace.TraceFlags(0).WithSampled(sampled),
		}))
	}
	for _, c := range []struct {
		name     string
		provider oteltrace.TracerProvider
		ctx      context.Context
	}{
		{"off", noop.NewTracerProvider(), b.Context()},
		{"unsampled", provider, under(false)},
		{"exported", provider, under(true)},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := engine.DefaultConfig("sqlite://")
			cfg.TracerProvider = c.provider
			db, err := engine.Open(c.ctx, cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			if _, _, err := execute(c.ctx, db, []string{"CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES (1, 2)"}, nil, time.Second); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var a int64
				if err := db.QueryRow(c.ctx, "SELECT a FROM t WHERE id = ?", 1).Scan(&a); err != nil || a != 2 {
					b.Fatal(a, err)
				}
			}
		})
	}
}

// unzipped is the body of a request as it was before it was compressed.
func unzipped(req *http.Request) ([]byte, error) {
	if req.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(req.Body)
	}
	body, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}
