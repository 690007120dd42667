package plugins

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// Sink is the plug-in of that name as whom alerts are passed on by: each time the version that is in service then. It need not be in service yet.
func (r *Registry) Sink(name string) contract.Sink { return sink{r, name} }

type sink struct {
	r    *Registry
	name string
}

// Identity implements contract.Sink. Of a plug-in that is not in service only the name is known.
func (s sink) Identity() Identity {
	v, err := s.r.Pin(s.name)
	if err != nil {
		return Identity{Name: s.name}
	}
	defer v.Unpin()
	return v.Identity()
}

// Notify implements contract.Sink.
//
// # Errors
//
// ErrState besides, where the plug-in is not in service or passes no alerts on.
func (s sink) Notify(ctx context.Context, alerts []sdk.Alert, at time.Time) (Outcome, error) {
	v, err := s.r.Pin(s.name)
	if err != nil {
		return Outcome{}, err
	}
	defer v.Unpin()
	hook := slices.IndexFunc(v.m.Hooks, func(h HookSpec) bool { return h.On == HookNotify.String() })
	if hook < 0 {
		return Outcome{}, fmt.Errorf("%w: plug-in %s passes no alerts on: it needs a hook on: notify", ErrState, s.name)
	}
	var b abi.Batch
	b.Reset(abi.OpNotify, uint32(hook), len(abi.AlertColumns()))
	for i := range alerts {
		alerts[i].Append(&b)
	}
	return v.Call(ctx, HookNotify, &b, at)
}

// Sinks names the plug-ins in service that pass alerts on, in the order of their names.
func (r *Registry) Sinks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for name, s := range r.slots {
		if v := s.active.Load(); v != nil && slices.ContainsFunc(v.m.Hooks, func(h HookSpec) bool { return h.On == HookNotify.String() }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
