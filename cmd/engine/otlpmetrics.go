package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tidegate/engine/config"
)

// meterFor makes the SDK that sends a server's metrics by OTLP; nil where nobody asked for that. Nothing is sent before the first interval is over.
func meterFor(ctx context.Context, settings *config.Settings, log *slog.Logger) (*sdkmetric.MeterProvider, error) {
	wanted, err := metricsWanted(settings.Server.OTLP.Metrics, os.Getenv)
	if err != nil || !wanted {
		return nil, err
	}
	if !settings.Engine.Telemetry.Measure {
		return nil, errors.New("server.otlp.metrics: there is nothing to send while telemetry.measure is off")
	}
	exporter, err := newOTLPMetrics(ctx, settings.Server.OTLP.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("server.otlp: %w", err)
	}
	described, err := whoSends(ctx)
	if err != nil {
		return nil, err
	}
	reader := sdkmetric.NewPeriodicReader(&watchedMetrics{Exporter: exporter, log: log}, sdkmetric.WithInterval(settings.Server.OTLP.Interval))
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(described)), nil
}

// metricsWanted asks the setting, and OpenTelemetry's own variables. An endpoint alone is no wish: it may be that of a collector of traces.
func metricsWanted(setting bool, get func(string) string) (bool, error) {
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	switch exporter := get("OTEL_METRICS_EXPORTER"); exporter {
	case "", "none", "prometheus": // which /metrics is
		return setting, nil
	case "otlp":
		return true, nil
	default:
		return false, fmt.Errorf("OTEL_METRICS_EXPORTER=%s is not supported: use otlp or none; Prometheus reads /metrics", exporter)
	}
}

// newOTLPMetrics makes the exporter for OTLP over HTTP. endpoint is the collector's address without a path; "" leaves it to OpenTelemetry's
// variables, and without these it is this machine.
func newOTLPMetrics(ctx context.Context, endpoint string) (sdkmetric.Exporter, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" && p != "http/protobuf" {
			return nil, fmt.Errorf("%s=%s: only http/protobuf is spoken, on port 4318 by default", name, p)
		}
	}
	if endpoint == "" && cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) == "" {
		endpoint = "http://localhost:4318"
	}
	if endpoint == "" {
		return otlpmetrichttp.New(ctx)
	}
	full, err := url.JoinPath(endpoint, "v1", "metrics")
	if err != nil {
		return nil, err
	}
	return otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(full))
}

// watchedMetrics says in the log when metrics cannot be sent, and when they can again: once each, whatever the interval. The SDK itself would
// say so in its own words to nobody.
type watchedMetrics struct {
	sdkmetric.Exporter
	log *slog.Logger

	mu   sync.Mutex
	lost int // batches since it failed
}

// Export never fails.
func (w *watchedMetrics) Export(ctx context.Context, batch *metricdata.ResourceMetrics) error {
	err := w.Exporter.Export(ctx, batch)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil && w.lost == 0:
		w.lost++
		w.log.Warn("metrics cannot be sent by OTLP; counters make up for it when they can, and Prometheus and the telemetry database have them in any case",
			"error", err, "remedy", "server.otlp.endpoint names the collector; is it listening?")
	case err != nil:
		w.lost++
	case w.lost > 0:
		w.log.Info("metrics are sent by OTLP again", "batches_lost", w.lost)
		w.lost = 0
	}
	return nil
}
