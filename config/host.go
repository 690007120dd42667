package config

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
)

// Host is the plug-ins of a configuration in service, and what operators do with them. It is safe for concurrent use.
type Host struct {
	// Registry holds their versions.
	Registry *plugins.Registry

	folder  *plugins.Folder // nil where the configuration names none
	builtin []string        // the plug-ins of plugins.builtin
	log     *slog.Logger
	db      *engine.DB // nil until it is open
	found   chan plugins.Transition
	stop    chan struct{}
	wg      sync.WaitGroup
	moving  sync.Mutex                // what is in quarantine, here and in the database, changes together
	stored  map[plugins.Identity]bool // in quarantine here, and in the database
	tracer  trace.Tracer
}

// any reports whether plug-ins are configured.
func (h *Host) any() bool { return h.folder != nil || len(h.builtin) > 0 }

func newHost(log *slog.Logger, provider trace.TracerProvider) *Host {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return &Host{log: log, tracer: provider.Tracer("github.com/tidegate/engine/config"), stored: map[plugins.Identity]bool{}, found: make(chan plugins.Transition, 64), stop: make(chan struct{})}
}

// detach stores what is left to be stored. The database is still open.
func (h *Host) detach() {
	close(h.stop)
	h.wg.Wait()
}

// Close takes every plug-in out of service. The database is closed before.
func (h *Host) Close() {
	if h.Registry != nil {
		h.Registry.Close()
	}
}

// attach puts what was in quarantine back into it, and stores quarantines from now on.
func (h *Host) attach(ctx context.Context, db *engine.DB) error {
	if !h.any() {
		return nil
	}
	h.db = db
	stored, err := db.Rules().Quarantines(ctx)
	if err != nil {
		return err
	}
	in := map[string]plugins.Identity{}
	for _, i := range h.Registry.List() {
		if i.State == plugins.StateActive {
			in[i.Identity.Name] = i.Identity
		}
	}
	for _, q := range stored {
		switch id, ok := in[q.Plugin]; {
		case !ok: // it is not in service, and what is said about it stays until somebody acts
		case id.Module == q.Module && id.Config == q.Config:
			h.stored[id] = true
			err = h.Registry.Quarantine(q.Plugin, q.Reason)
		case h.writes(): // another build took its place
			err = db.Rules().Lift(ctx, q.Plugin)
		}
		if err != nil {
			return err
		}
	}
	h.wg.Go(h.store)
	if h.writes() {
		h.wg.Go(h.watch)
	}
	return nil
}

func (h *Host) writes() bool { return !h.db.Config().ReadOnly }

// store writes down which plug-ins went into quarantine, so that a restart does not put them back into service. It happens on the writer's own turn, so
// somebody else has to write it.
func (h *Host) store() {
	for {
		select {
		case t := <-h.found:
			h.remember(t)
		case <-h.stop:
			for len(h.found) > 0 {
				h.remember(<-h.found)
			}
			return
		}
	}
}

func (h *Host) remember(t plugins.Transition) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h.moving.Lock()
	defer h.moving.Unlock()
	if !slices.Contains(h.Registry.Quarantined(), t.Identity) {
		return // an operator was faster
	}
	if h.stored[t.Identity] {
		return // it comes from there
	}
	q := engine.PluginQuarantine{Plugin: t.Identity.Name, Version: t.Identity.Version, Module: t.Identity.Module, Config: t.Identity.Config, At: t.At, Reason: t.Reason}
	if err := h.db.Rules().Quarantine(ctx, q); err != nil {
		h.log.Error("a quarantine is not stored: a restart would end it", "plugin", q.Plugin, "error", err)
		return
	}
	h.stored[t.Identity] = true
}

// Transition implements plugins.Observer.
func (h *Host) Transition(t plugins.Transition) {
	level := slog.LevelInfo
	switch t.To {
	case plugins.StateRead, plugins.StateVerified, plugins.StateLoaded, plugins.StateTested:
		level = slog.LevelDebug
	case plugins.StateFailed, plugins.StateQuarantined:
		level = slog.LevelError
	}
	h.log.Log(context.Background(), level, "plug-in is "+t.To.String(), "plugin", t.Identity.Name, "version", t.Identity.Version, "module", t.Identity.Module, "from", t.From.String(), "reason", t.Reason)
	_, span := h.tracer.Start(context.Background(), "plugin "+t.To.String(), trace.WithAttributes(attribute.String("engine.plugin.name", t.Identity.Name),
		attribute.String("engine.plugin.version", t.Identity.Version), attribute.String("engine.plugin.sha256", t.Identity.Module), attribute.String("engine.plugin.from", t.From.String())))
	span.End()
	if t.To == plugins.StateQuarantined {
		select {
		case h.found <- t:
		default:
			h.log.Error("a quarantine is not stored: too many at once", "plugin", t.Identity.Name)
		}
	}
}

// Log implements plugins.Logger.
func (h *Host) Log(ctx context.Context, plugin string, level uint32, text string) {
	to := slog.LevelError
	switch level {
	case abi.LevelDebug:
		to = slog.LevelDebug
	case abi.LevelInfo:
		to = slog.LevelInfo
	case abi.LevelWarning:
		to = slog.LevelWarn
	}
	h.log.Log(ctx, to, text, "plugin", plugin)
}

// List describes every version in service.
func (h *Host) List() []plugins.Info { return h.Registry.List() }

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
	switch action {
	case "load":
		return h.folder.Load(ctx, name)
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
		return h.Registry.Quarantine(name, "by an operator: "+cmp.Or(reason, "no reason given"))
	case "lift":
		h.moving.Lock()
		defer h.moving.Unlock()
		if err := h.Registry.Unquarantine(name); err != nil {
			return err
		}
		return h.lift(ctx, name)
	}
	return fmt.Errorf("%w: a plug-in cannot be told to %q", plugins.ErrState, action)
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
