package plugins_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// TestMetered: the metrics of what is in service, in an order that stays, and nothing that a manifest does not declare.
func TestMetered(t *testing.T) {
	t.Parallel()
	unit := calledUnit(func(context.Context, plugins.Hook, *abi.Batch, time.Time) (plugins.Outcome, error) {
		return plugins.Outcome{}, nil
	})
	meters := &plugins.Meters{}
	r := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": unitHost{unit}}, Meters: meters})
	defer r.Close()
	services := plugins.Services{Metrics: meters}
	for _, c := range []struct {
		name, mode string
		metrics    []plugins.MetricSpec
	}{{"b", "", []plugins.MetricSpec{{Name: "seen"}, {Name: "level", Kind: plugins.KindGauge}}}, {"a", "", []plugins.MetricSpec{{Name: "seen"}}}, {"a", "shadow", []plugins.MetricSpec{{Name: "seen"}, {Name: "new"}}}} {
		m := &plugins.Manifest{Name: c.name, Version: "1.0.0", ABI: 1, Hooks: []plugins.HookSpec{{On: "validate", Table: "orders", Columns: []string{"id"}}}}
		m.Policy.Mode, m.Capabilities.MetricAdd = c.mode, c.metrics
		if _, err := r.Load(t.Context(), m, []byte("good")); err != nil {
			t.Fatal(err)
		}
		services.Count(t.Context(), m, "seen", 2)
		services.Count(t.Context(), m, "seen", -1) // a counter only grows
		services.Count(t.Context(), m, "seen", math.NaN())
		services.Count(t.Context(), m, "level", -3)
		services.Count(t.Context(), m, "undeclared", 1)
	}
	want := []contract.Metric{{Plugin: "a", Name: "new"}, {Plugin: "a", Name: "seen", Value: 4}, {Plugin: "b", Name: "level", Gauge: true, Value: -3}, {Plugin: "b", Name: "seen", Value: 2}}
	if got := r.Metered(); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := r.Unload("b"); err != nil {
		t.Fatal(err)
	}
	if got := r.Metered(); !slices.Equal(got, want[:2]) {
		t.Errorf("%+v, want %+v", got, want[:2])
	}
	if n := meters.Dropped(); n != 0 {
		t.Errorf("%d dropped", n)
	}
}
