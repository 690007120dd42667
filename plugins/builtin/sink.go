package builtin

import (
	"context"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// SinkSetup is what a Go value that passes alerts on gets.
type SinkSetup struct {
	// Name is that of the plug-in, in lists and in the log: letters, digits and hyphens.
	Name string
	// Make returns a new value, which implements sdk.Sink.
	Make func() any
	// Config is its configuration, as in a manifest.
	Config map[string]any
	// Endpoints are those of the outbox that it may post to.
	Endpoints []string
	// Log takes what it logs; nil drops that.
	Log plugins.Logger
}

// Sink makes a Go value a sink of alerts, the same way that a module becomes one: with what a manifest grants, and nothing more.
//
// # Errors
//
// Those of plugins.Registry.Load: what the value says of its configuration.
func Sink(ctx context.Context, s SinkSetup) (contract.Sink, error) {
	r := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{plugins.KindBuiltin: New(map[string]func() any{s.Name: s.Make}, plugins.Services{Log: s.Log})}})
	m := &plugins.Manifest{Name: s.Name, Version: "1.0.0", ABI: abi.Version, Kind: plugins.KindBuiltin, Module: s.Name, Hooks: []plugins.HookSpec{{On: plugins.HookNotify.String()}},
		Capabilities: plugins.Capabilities{Log: s.Log != nil, Now: true, Outbox: s.Endpoints}, Config: s.Config}
	if _, err := r.Load(ctx, m, nil); err != nil {
		return nil, err
	}
	return r.Sink(s.Name), nil
}
