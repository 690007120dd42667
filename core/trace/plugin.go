package trace

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// PluginCall is one call of a plug-in that has ended.
type PluginCall struct {
	// Plugin and Version say whom, Table about which table.
	Plugin, Version, Table string
	// Rows is how many rows it was asked about.
	Rows int
	// Start and Took are when and how long.
	Start time.Time
	Took  time.Duration
	// Err is why it could not answer; nil when it did, whatever it said.
	Err error
}

// Plugin keeps a call of a plug-in that was slow or failed, below the span in ctx; all others are told by the attributes of their
// transaction alone, see [TxEnd].
func (f *Flight) Plugin(ctx context.Context, c *PluginCall) {
	slow := f.opt.Slow.Plugin > 0 && c.Took >= f.opt.Slow.Plugin
	if !slow && c.Err == nil {
		return
	}
	r := f.ring.claim(&Query{Summary: "PLUGIN " + c.Plugin, Collection: c.Table, attributes: []attribute.KeyValue{
		keyPlugin.String(c.Plugin), keyPluginVer.String(c.Version), keyCollection.String(c.Table)}})
	r.kind = opPlugin
	r.inherit(oteltrace.SpanContextFromContext(ctx))
	r.start, r.took, r.batch = c.Start.UnixNano(), int64(c.Took), count32(int64(c.Rows))
	if slow {
		r.flags |= flagSlow
	}
	f.fault(r, c.Err)
	f.commit(r, c.Start)
}
