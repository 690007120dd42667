package plugins

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidegate/engine/sdk/contract"
)

// maxSeries bounds the metrics of all plug-ins together: each manifest has few, but names of plug-ins come and go in a process that runs for years.
const maxSeries = 512

// Meters adds up what plug-ins count. The zero value is ready; it is safe for concurrent use.
type Meters struct {
	series  sync.Map // [2]string{plugin, name} → *atomic.Uint64, bits of a float64
	n       atomic.Int64
	dropped atomic.Uint64
}

var _ Metrics = (*Meters)(nil)

// Add implements [Metrics].
func (m *Meters) Add(_ context.Context, plugin, name string, delta float64) {
	if math.IsNaN(delta) || math.IsInf(delta, 0) {
		return
	}
	key := [2]string{plugin, name}
	c, ok := m.series.Load(key)
	if !ok {
		if m.n.Add(1) > maxSeries {
			m.n.Add(-1)
			m.dropped.Add(1)
			return
		}
		if c, ok = m.series.LoadOrStore(key, new(atomic.Uint64)); ok {
			m.n.Add(-1) // somebody else was faster
		}
	}
	bits := c.(*atomic.Uint64)
	for {
		was := bits.Load()
		if bits.CompareAndSwap(was, math.Float64bits(math.Float64frombits(was)+delta)) {
			return
		}
	}
}

// Dropped counts what was not added because there are too many metrics.
func (m *Meters) Dropped() uint64 { return m.dropped.Load() }

// value is that of a metric; 0 where nothing was ever added.
func (m *Meters) value(plugin, name string) float64 {
	if c, ok := m.series.Load([2]string{plugin, name}); ok {
		return math.Float64frombits(c.(*atomic.Uint64).Load())
	}
	return 0
}

var _ contract.Metered = (*Registry)(nil)

// Metered implements [contract.Metered]: the declared metrics of the versions in service, those that nothing was added to as 0.
func (r *Registry) Metered() []contract.Metric {
	if r.o.Meters == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []contract.Metric
	for name, s := range r.slots {
		seen := map[string]bool{}
		for _, v := range []*Version{s.active.Load(), s.shadow.Load()} {
			if v == nil {
				continue
			}
			for _, spec := range v.m.Capabilities.MetricAdd {
				if !seen[spec.Name] {
					seen[spec.Name] = true
					out = append(out, contract.Metric{Plugin: name, Name: spec.Name, Gauge: spec.Kind == KindGauge, Value: r.o.Meters.value(name, spec.Name)})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b contract.Metric) int {
		return cmp.Or(cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Name, b.Name))
	})
	return out
}
