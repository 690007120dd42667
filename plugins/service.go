package plugins

import (
	"context"

	"github.com/tidegate/engine/sdk/contract"
)

// MetricSpec is a metric that the plug-in adds to.
type MetricSpec struct {
	Name string `yaml:"name"`
	Kind string `yaml:"kind"` // counter (the default), which only grows, or gauge
	Help string `yaml:"help"` // for those who read it
}

// KindGauge is the kind of a metric that goes up and down.
const KindGauge = "gauge"

// MaxMetrics is how many metrics one plug-in may have.
const MaxMetrics = 32

// metric finds a declared one; nil where the manifest does not name it.
func (c *Capabilities) metric(name string) *MetricSpec {
	for i := range c.MetricAdd {
		if c.MetricAdd[i].Name == name {
			return &c.MetricAdd[i]
		}
	}
	return nil
}

// Count adds to a metric for a plug-in. What the manifest does not name, and what would make a counter smaller, is dropped: a rule judges on.
func (s *Services) Count(ctx context.Context, m *Manifest, name string, delta float64) {
	spec := m.Capabilities.metric(name)
	if s.Metrics == nil || spec == nil || spec.Kind != KindGauge && delta < 0 {
		return
	}
	s.Metrics.Add(ctx, m.Name, name, delta)
}

// Keep is where a call of a plug-in keeps its values: the transaction that is judged, or else the service of the host; nil where there is neither.
func (s *Services) Keep(ctx context.Context, m *Manifest) KV {
	k := contract.KeeperFrom(ctx)
	if k == nil || m.Capabilities.KV == nil {
		return s.KV
	}
	most := m.Capabilities.KV.MaxBytes
	if most == 0 {
		most = contract.DefaultKept
	}
	return transactional{k, most}
}

// transactional keeps values in the transaction that is judged.
type transactional struct {
	contract.Keeper
	most int
}

// Put implements KV.
func (t transactional) Put(ctx context.Context, plugin, key string, value []byte) (bool, error) {
	return t.Keeper.Put(ctx, plugin, key, value, t.most)
}
