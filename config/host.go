package config

import (
	"context"
	"log/slog"
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
	if err := h.keep(ctx, t.Identity, t.At, t.Reason); err != nil {
		h.log.Error("a quarantine is not stored: a restart would end it", "plugin", t.Identity.Name, "error", err)
	}
}

// keep writes down that a version is in quarantine.
func (h *Host) keep(ctx context.Context, id plugins.Identity, at time.Time, reason string) error {
	h.moving.Lock()
	defer h.moving.Unlock()
	if !slices.Contains(h.Registry.Quarantined(), id) {
		return nil // an operator was faster
	}
	if h.stored[id] {
		return nil // it comes from there
	}
	err := h.db.Rules().Quarantine(ctx, engine.PluginQuarantine{Plugin: id.Name, Version: id.Version, Module: id.Module, Config: id.Config, At: at, Reason: reason})
	if err == nil {
		h.stored[id] = true
	}
	return err
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
