package config

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
)

// Act does what an operator wants of a plug-in: load, reload, unload, promote, quarantine or lift. reason is kept with a quarantine.
//
// # Errors
//
// plugins.ErrState for what has no meaning now, with the reason; else those of loading. After an error the version before is still in service.
func (h *Host) Act(ctx context.Context, action, name, reason string) error {
	switch loads := action == "load" || action == "reload"; {
	case !h.any():
		return fmt.Errorf("%w: no plug-ins are configured: set plugins.dir or plugins.builtin", plugins.ErrState)
	case loads && slices.Contains(h.builtin, name):
		return fmt.Errorf("%w: plug-in %s is one of plugins.builtin: change the configuration and restart", plugins.ErrState, name)
	case loads && h.folder == nil:
		return fmt.Errorf("%w: plugins.dir is not set: there is nothing to load from", plugins.ErrState)
	}
	before := h.shadow(name)
	err := h.act(ctx, action, name, reason)
	if err == nil && before != nil && h.shadow(name) != before && h.writes() {
		if err := h.db.Rules().ForgetShadow(ctx, name); err != nil { // it is in nobody's way, and goes with the next one
			h.log.Warn("what a version in shadow mode has kept is still there", "plugin", name, "error", err)
		}
	}
	return err
}

// shadow is the version of a plug-in in shadow mode, only to be compared; nil where there is none.
func (h *Host) shadow(name string) *plugins.Version {
	v, err := h.Registry.PinShadow(name)
	if err != nil {
		return nil
	}
	v.Unpin()
	return v
}

func (h *Host) act(ctx context.Context, action, name, reason string) error {
	switch action {
	case "load":
		if err := h.folder.Load(ctx, name); err != nil {
			return err
		}
		return h.greet(ctx, name)
	case "reload":
		if err := h.folder.Reload(ctx, name); err != nil {
			return err
		}
		return h.release(ctx, name)
	case "unload":
		return h.Registry.Unload(name)
	case "promote":
		if err := h.Registry.Promote(name); err != nil {
			return err
		}
		return h.release(ctx, name)
	case "quarantine":
		return h.quarantine(ctx, name, "by an operator: "+cmp.Or(reason, "no reason given"))
	case "lift":
		return h.unquarantine(ctx, name)
	}
	return fmt.Errorf("%w: a plug-in cannot be told to %q", plugins.ErrState, action)
}

// quarantine is over only when it is stored: whoever asked for it may go on to kill this process.
func (h *Host) quarantine(ctx context.Context, name, reason string) error {
	if err := h.Registry.Quarantine(name, reason); err != nil {
		return err
	}
	for _, id := range h.Registry.Quarantined() {
		if id.Name != name {
			continue
		}
		if err := h.keep(ctx, id, time.Now(), reason); err != nil {
			return fmt.Errorf("plug-in %s is in quarantine, but that is not stored, and so ends with this process: %w", name, err)
		}
	}
	return nil
}

// unquarantine ends the quarantine of a plug-in, that of one which is not in service here included: nothing else would end it.
func (h *Host) unquarantine(ctx context.Context, name string) error {
	h.moving.Lock()
	defer h.moving.Unlock()
	if err := h.Registry.Unquarantine(name); err != nil {
		stored, failed := h.db.Rules().Quarantines(ctx)
		if failed != nil {
			return failed
		}
		if !slices.ContainsFunc(stored, func(q engine.PluginQuarantine) bool { return q.Plugin == name }) {
			return err
		}
	}
	return h.lift(ctx, name)
}

// greet does to a plug-in that has come into service what a start would: the build that was in quarantine is so again, and another one ends that.
func (h *Host) greet(ctx context.Context, name string) error {
	h.moving.Lock()
	defer h.moving.Unlock()
	stored, err := h.db.Rules().Quarantines(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(stored, func(q engine.PluginQuarantine) bool { return q.Plugin == name })
	v, err := h.Registry.Pin(name)
	if at < 0 || err != nil { // what came is in shadow mode
		return nil
	}
	defer v.Unpin()
	id, q := v.Identity(), stored[at]
	if id.Module != q.Module || id.Config != q.Config {
		return h.lift(ctx, name)
	}
	h.stored[id] = true
	if err := h.Registry.Quarantine(name, q.Reason); err != nil {
		return err
	}
	return fmt.Errorf("%w: plug-in %s is in service and in quarantine as before (%s): mend it and reload it, or lift that", plugins.ErrState, name, q.Reason)
}

// release forgets a stored quarantine once another version is in service: an operator has acted.
func (h *Host) release(ctx context.Context, name string) error {
	h.moving.Lock()
	defer h.moving.Unlock()
	if slices.ContainsFunc(h.Registry.Quarantined(), func(id plugins.Identity) bool { return id.Name == name }) {
		return nil // what came is in shadow mode, beside it
	}
	return h.lift(ctx, name)
}

// lift forgets what is stored. h.moving is held.
func (h *Host) lift(ctx context.Context, name string) error {
	maps.DeleteFunc(h.stored, func(id plugins.Identity, _ bool) bool { return id.Name == name })
	return h.db.Rules().Lift(ctx, name)
}
