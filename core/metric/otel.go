package metric

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"

	"github.com/tidegate/engine/internal/histogram"
)

// Scope is the instrumentation scope of the engine's metrics.
const Scope = "github.com/tidegate/engine"

// Exporter feeds the readings into OpenTelemetry's metric API. Counters and gauges are observed when the SDK collects; histograms cannot be
// observed, so Flush records what was counted since the last time: the true number of values, each as the middle of its bucket, at most 1/32
// off. It is safe for concurrent use.
type Exporter struct {
	gather       Gather
	namespace    attribute.KeyValue
	histograms   map[ID]otelmetric.Float64Histogram
	registration otelmetric.Registration

	mu   sync.Mutex
	seen map[string]histogram.Snapshot
}

// NewExporter registers the catalogue with a provider; nil is the global one, whose SDK may be installed later. The namespace names the
// database.
func NewExporter(provider otelmetric.MeterProvider, namespace string, gather Gather) (*Exporter, error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(Scope)
	e := &Exporter{gather: gather, namespace: attribute.String("db.namespace", namespace), histograms: map[ID]otelmetric.Float64Histogram{}, seen: map[string]histogram.Snapshot{}}
	observed := map[ID]otelmetric.Float64Observable{}
	var instruments []otelmetric.Observable
	var errs []error
	for _, id := range All() {
		d := id.Definition()
		if d.Stored {
			continue
		}
		var err error
		switch d.Kind {
		case Counter:
			observed[id], err = meter.Float64ObservableCounter(d.Name, otelmetric.WithUnit(d.Unit), otelmetric.WithDescription(d.Help))
		case Gauge:
			observed[id], err = meter.Float64ObservableGauge(d.Name, otelmetric.WithUnit(d.Unit), otelmetric.WithDescription(d.Help))
		case Distribution:
			var ends []float64
			for _, end := range bounds(d) {
				ends = append(ends, scaled(end, d))
			}
			e.histograms[id], err = meter.Float64Histogram(d.Name, otelmetric.WithUnit(d.Unit), otelmetric.WithDescription(d.Help), otelmetric.WithExplicitBucketBoundaries(ends...))
		}
		errs = append(errs, err)
		if o := observed[id]; o != nil {
			instruments = append(instruments, o)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var err error
	e.registration, err = meter.RegisterCallback(func(_ context.Context, o otelmetric.Observer) error {
		gather(func(r Reading) {
			if instrument := observed[r.ID]; instrument != nil {
				o.ObserveFloat64(instrument, r.Value, otelmetric.WithAttributeSet(e.attributes(&r)))
			}
		})
		return nil
	}, instruments...)
	return e, err
}

func (e *Exporter) attributes(r *Reading) attribute.Set {
	all := make([]attribute.KeyValue, 0, len(r.Labels)+1)
	all = append(all, e.namespace)
	for _, l := range r.Labels {
		all = append(all, attribute.String(l.Key, l.Value))
	}
	return attribute.NewSet(all...)
}

// Flush records what histograms have counted since the last Flush. Where nobody listens it costs a look at each.
func (e *Exporter) Flush(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	listening := false
	for _, h := range e.histograms {
		listening = listening || h.Enabled(ctx)
	}
	if !listening {
		return
	}
	e.gather(func(r Reading) {
		instrument := e.histograms[r.ID]
		if instrument == nil {
			return
		}
		key := r.key()
		since := r.Histogram.Since(e.seen[key])
		e.seen[key] = r.Histogram
		option := otelmetric.WithAttributeSet(e.attributes(&r))
		scale := r.ID.Definition().Scale
		since.Each(func(middle float64, n int64) {
			for range n {
				instrument.Record(ctx, middle*scale, option)
			}
		})
	})
}

// Close ends the registration, after a last Flush.
func (e *Exporter) Close(ctx context.Context) error {
	e.Flush(ctx)
	return e.registration.Unregister()
}
