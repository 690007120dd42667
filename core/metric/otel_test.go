package metric_test

import (
	"context"
	"math"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/tidegate/engine/core/metric"
)

// sink is a provider that keeps what it is given.
type sink struct {
	noop.MeterProvider
	off       bool
	callback  otelmetric.Callback
	names     map[string]string // of instruments, to their units
	recorded  map[string][]float64
	observed  map[string]float64
	closed    bool
	namespace string
}

func (s *sink) Meter(name string, _ ...otelmetric.MeterOption) otelmetric.Meter { return meter{s: s} }

type meter struct {
	noop.Meter
	s *sink
}

type seenHistogram struct {
	noop.Float64Histogram
	name string
	s    *sink
}

func (h seenHistogram) Enabled(context.Context) bool { return !h.s.off }

func (h seenHistogram) Record(_ context.Context, v float64, options ...otelmetric.RecordOption) {
	set := otelmetric.NewRecordConfig(options).Attributes()
	if ns, ok := set.Value("db.namespace"); ok {
		h.s.namespace = ns.AsString()
	}
	class, _ := set.Value("engine.class")
	h.s.recorded[h.name+" "+class.AsString()] = append(h.s.recorded[h.name+" "+class.AsString()], v)
}

type seenGauge struct {
	noop.Float64ObservableGauge
	name string
}

type seenCounter struct {
	noop.Float64ObservableCounter
	name string
}

func (m meter) Float64Histogram(name string, o ...otelmetric.Float64HistogramOption) (otelmetric.Float64Histogram, error) {
	c := otelmetric.NewFloat64HistogramConfig(o...)
	if b := c.ExplicitBucketBoundaries(); c.Unit() == "s" && b[0] != 5e-6 {
		m.s.names["first bucket of "+name] = "wrong"
	}
	m.s.names[name] = c.Unit()
	return seenHistogram{name: name, s: m.s}, nil
}

func (m meter) Float64ObservableGauge(name string, o ...otelmetric.Float64ObservableGaugeOption) (otelmetric.Float64ObservableGauge, error) {
	m.s.names[name] = otelmetric.NewFloat64ObservableGaugeConfig(o...).Unit()
	return seenGauge{name: name}, nil
}

func (m meter) Float64ObservableCounter(name string, o ...otelmetric.Float64ObservableCounterOption) (otelmetric.Float64ObservableCounter, error) {
	m.s.names[name] = otelmetric.NewFloat64ObservableCounterConfig(o...).Unit()
	return seenCounter{name: name}, nil
}

func (m meter) RegisterCallback(f otelmetric.Callback, _ ...otelmetric.Observable) (otelmetric.Registration, error) {
	m.s.callback = f
	return registration{s: m.s}, nil
}

type registration struct {
	noop.Registration
	s *sink
}

func (r registration) Unregister() error {
	r.s.closed = true
	return nil
}

type observer struct {
	noop.Observer
	s *sink
}

func (o observer) ObserveFloat64(i otelmetric.Float64Observable, v float64, options ...otelmetric.ObserveOption) {
	key := ""
	switch i := i.(type) {
	case seenGauge:
		key = i.name
	case seenCounter:
		key = i.name
	}
	set := otelmetric.NewObserveConfig(options).Attributes()
	for _, kv := range set.ToSlice() {
		if kv.Key != attribute.Key("db.namespace") {
			key += " " + kv.Value.AsString()
		}
	}
	o.s.observed[key] += v
}

// Every metric of the catalogue but those that are only stored is an instrument; counters are observed, and histograms recorded value by
// value, once each, at most a 32nd off.
func TestExporter(t *testing.T) {
	t.Parallel()
	s := &sink{names: map[string]string{}, recorded: map[string][]float64{}, observed: map[string]float64{}}
	var w metric.Workload
	e, err := metric.NewExporter(s, "desk.db", w.Gather)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range metric.All() {
		if d := id.Definition(); !d.Stored && s.names[d.Name] != d.Unit || d.Stored && s.names[d.Name] != "" {
			t.Errorf("%s has unit %q, want %q", d.Name, s.names[d.Name], d.Unit)
		}
	}
	if s.names["first bucket of db.client.operation.duration"] != "" {
		t.Error("the buckets of durations do not begin at 5 µs")
	}
	s.off = true
	e.Flush(t.Context())
	s.off = false
	st := metric.Statement{Lane: "reader", Class: "signal", Operation: "SELECT", Duration: 700 * time.Microsecond, Error: "busy"}
	for range 5 {
		w.Statement(t.Context(), &st)
	}
	e.Flush(t.Context())
	w.Statement(t.Context(), &st)
	e.Flush(t.Context())
	e.Flush(t.Context())
	got := s.recorded["db.client.operation.duration signal"]
	if len(got) != 6 || math.Abs(got[0]-700e-6) > 700e-6/32 || s.namespace != "desk.db" {
		t.Errorf("recorded %v in %q, want six of 700 µs in desk.db", got, s.namespace)
	}
	if err := s.callback(t.Context(), observer{s: s}); err != nil || s.observed["engine.errors busy"] != 6 {
		t.Errorf("observed %v, %v", s.observed, err)
	}
	if err := e.Close(t.Context()); err != nil || !s.closed {
		t.Errorf("closed %v, %v", s.closed, err)
	}
}
