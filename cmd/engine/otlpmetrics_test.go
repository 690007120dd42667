package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tidegate/engine/core/metric"
)

// measured is a collector that keeps the latest of every metric that it is sent.
type measured struct {
	mu      sync.Mutex
	refuse  bool
	batches int
	service string
	latest  map[string]*otlp.Metric
	failed  error
}

func (m *measured) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse {
		http.Error(w, "not now", http.StatusForbidden) // no retry
		return
	}
	if err := m.take(req); err != nil {
		m.failed = err
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (m *measured) take(req *http.Request) error {
	if req.URL.Path != "/v1/metrics" {
		return errors.New("path " + req.URL.Path)
	}
	data, err := unzipped(req)
	if err != nil {
		return err
	}
	var request collector.ExportMetricsServiceRequest
	if err := proto.Unmarshal(data, &request); err != nil {
		return err
	}
	m.batches++
	for _, rm := range request.ResourceMetrics {
		for _, a := range rm.Resource.Attributes {
			if a.Key == "service.name" {
				m.service = a.Value.GetStringValue()
			}
		}
		for _, sm := range rm.ScopeMetrics {
			for _, one := range sm.Metrics {
				m.latest[one.Name] = one
			}
		}
	}
	return nil
}

// until waits for what the collector is to have.
func (m *measured) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		m.mu.Lock()
		done := ok()
		m.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// compare holds what arrived to the catalogue, and counts the statements of class signal.
func (m *measured) compare(t *testing.T) (signals uint64) {
	t.Helper()
	known := map[string]metric.Definition{}
	for _, id := range metric.All() {
		known[id.Definition().Name] = id.Definition()
	}
	for name, got := range m.latest {
		d, ok := known[name]
		if !ok || got.Unit != d.Unit || got.Description != d.Help {
			t.Errorf("%s: %v, unit %q, %q", name, ok, got.Unit, got.Description)
		}
		right := got.GetGauge() != nil
		switch d.Kind {
		case metric.Counter:
			right = got.GetSum().GetIsMonotonic() && got.GetSum().AggregationTemporality == otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
		case metric.Distribution:
			right = got.GetHistogram() != nil
		}
		if !right {
			t.Errorf("%s is sent as %T", name, got.Data)
		}
		if strings.Contains(got.String(), "secret") {
			t.Errorf("a value is in %s", got)
		}
	}
	for _, p := range m.latest["db.client.operation.duration"].GetHistogram().DataPoints {
		labels := map[string]string{}
		for _, a := range p.Attributes {
			labels[a.Key] = a.Value.GetStringValue()
		}
		if labels["db.namespace"] != "desk.db" || labels["db.system.name"] != "sqlite" {
			t.Errorf("labels %v", labels)
		}
		if labels["engine.class"] == "signal" {
			signals += p.Count
		}
	}
	return signals
}

// TestServeSendsMetrics: a collector gets the metrics of the catalogue, with unit, kind and labels, decoded with the protocol's own types; those of
// the last interval arrive when the server ends; and what cannot be sent is told once.
func TestServeSendsMetrics(t *testing.T) {
	t.Parallel()
	m := &measured{latest: map[string]*otlp.Metric{}}
	there := httptest.NewServer(m)
	defer there.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr lines
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "--db", filepath.Join(t.TempDir(), "desk.db"), "--listen", "127.0.0.1:0", "--set", "server.drain.delay=0s", "--set", "server.otlp.metrics=true",
			"--set", "server.otlp.endpoint=" + there.URL, "--set", "server.otlp.interval=1s", "--set", "telemetry.interval=1s"}, &stdout, &stderr)
	}()
	url, token := waitServing(t, &stderr)
	for range 3 {
		if status, text := ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT 'secret', ?","args":["secret"]}`, "Engine-Class", "signal"); status != 200 {
			t.Fatal(text)
		}
	}
	m.until(t, "metrics", func() bool {
		return m.latest["db.client.operation.duration"] != nil && m.latest["engine.disk.free"] != nil && m.latest["engine.writer.transactions"] != nil
	})
	m.mu.Lock()
	if m.failed != nil || m.service != "tidegate" {
		t.Errorf("failed: %v, service %q", m.failed, m.service)
	}
	signals := m.compare(t)
	m.refuse = true
	m.mu.Unlock()
	if signals != 3 {
		t.Errorf("%d statements of class signal arrived, 3 were run", signals)
	}
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(stderr.String(), "metrics cannot be sent"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing tells that metrics are lost: %s", &stderr)
		}
	}
	m.mu.Lock()
	m.refuse, m.batches = false, 0
	m.mu.Unlock()
	m.until(t, "metrics after the collector has come back", func() bool { return m.batches > 0 })
	if status, text := ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT 2"}`, "Engine-Class", "trade"); status != 200 {
		t.Fatal(text)
	}
	stop()
	if c := <-code; c != exitOK {
		t.Errorf("it ended with %d: %s", c, &stderr)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !strings.Contains(m.latest["db.client.operation.duration"].String(), "trade") {
		t.Error("what came in the last interval was not sent")
	}
	if n := strings.Count(stderr.String(), "metrics cannot be sent"); n != 1 || !strings.Contains(stderr.String(), "metrics are sent by OTLP again") {
		t.Errorf("told %d times: %s", n, &stderr)
	}
}

// TestMetricsWanted: the setting and OpenTelemetry's own variables.
// flakyExporter fails while it is told to. The interface that it embeds has methods that nobody calls here.
type flakyExporter struct {
	sdkmetric.Exporter
	err error
}

func (f *flakyExporter) Export(context.Context, *metricdata.ResourceMetrics) error { return f.err }

// A collector that is away for many intervals is one line in the log when it goes and one, with what it has missed, when it comes back.
func TestMetricsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	exporter := &flakyExporter{}
	w := &watchedMetrics{Exporter: exporter, log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 2 {
		for _, err := range []error{errors.New("connection refused"), errors.New("connection refused"), errors.New("timeout"), nil, nil} {
			exporter.err = err
			if err := w.Export(t.Context(), nil); err != nil {
				t.Errorf("the SDK is told %v, and would say so in its own words", err)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines: %s", len(lines), log.String())
	}
	for i, line := range lines {
		want := []string{"level=WARN", "batches_lost=3"}[i%2]
		if !strings.Contains(line, want) {
			t.Errorf("line %d: no %s in %s", i+1, want, line)
		}
	}
}

func TestMetricsWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setting         bool
		exporter, off   string
		want, isMistake bool
	}{
		{false, "", "", false, false}, {true, "", "", true, false}, {false, "otlp", "", true, false}, {true, "none", "", true, false}, {false, "prometheus", "", false, false},
		{true, "otlp", "true", false, false}, {false, "console", "", false, true},
	} {
		got, err := metricsWanted(c.setting, func(name string) string {
			return map[string]string{"OTEL_METRICS_EXPORTER": c.exporter, "OTEL_SDK_DISABLED": c.off}[name]
		})
		if got != c.want || (err != nil) != c.isMistake {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

// TestServeRefusesOTLP: a setting that cannot work is said before the database is touched.
func TestServeRefusesOTLP(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"server.otlp.endpoint=localhost:4318", "server.otlp.endpoint: must be the address"}, {"server.otlp.interval=0s", "server.otlp.interval: must be positive"},
		{"telemetry.measure=false", "server.otlp.metrics: there is nothing to send"}} {
		path := filepath.Join(t.TempDir(), "x.db")
		o := program(t, "serve", "--db", path, "--listen", "127.0.0.1:0", "--set", "server.otlp.metrics=true", "--set", c[0])
		if o.code != exitError || !strings.Contains(o.stderr, c[1]) {
			t.Errorf("%s: %+v", c[0], o)
		}
	}
}
