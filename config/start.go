package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/plugins/wasm"
)

// EngineVersion is what the engine ranges of manifests are compared with.
func EngineVersion() [3]int { return [3]int{0, 1, 0} }

// Opened is a database with the plug-ins of its configuration in service. It is safe for concurrent use, but for Close, which is called once.
type Opened struct {
	*engine.DB
	// Plugins are the plug-ins in service; never nil.
	Plugins *Host
}

// Close closes the database, then the plug-ins.
func (o *Opened) Close() error {
	o.Plugins.detach()
	err := o.DB.Close()
	o.Plugins.Close()
	return err
}

// Open starts the plug-ins, opens the database under their rules, remembers what was in quarantine, and guards the tables of plugins.guard. When
// anything fails, nothing is left running.
//
// # Errors
//
// Those of engine.Open; every plug-in that could not be loaded, with its name: a database is not opened without the rules that its configuration names.
func (s *Settings) Open(ctx context.Context) (*Opened, error) {
	cfg := s.Engine
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	h, err := s.Plugins.Start(ctx, log, cfg.TracerProvider)
	if err != nil {
		return nil, err
	}
	if h.any() {
		cfg.Rules.Source = h.Registry
	}
	if err := s.Alerts.deliver(ctx, &cfg, h, fromEnvironment); err != nil {
		h.Close()
		return nil, err
	}
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		h.Close()
		return nil, err
	}
	o := &Opened{DB: db, Plugins: h}
	err = h.attach(ctx, db)
	if err == nil && !s.Engine.ReadOnly {
		err = s.Plugins.guard(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Start loads the plug-ins without a database. log takes what they and their lives have to say, provider spans of
// their transitions; nil is the global one.
//
// # Errors
//
// Every plug-in that could not be loaded; a directory that anybody may write to.
func (p *Plugins) Start(ctx context.Context, log *slog.Logger, provider trace.TracerProvider) (*Host, error) {
	h := newHost(log, provider)
	if p.Dir == "" && len(p.Builtin) == 0 {
		h.Registry = plugins.NewRegistry(plugins.Options{Observer: h})
		return h, nil
	}
	keys, err := p.keys()
	if err != nil {
		return nil, &Error{Mistakes: []Mistake{{Key: "plugins.trusted_keys", Problem: err.Error()}}}
	}
	meters := &plugins.Meters{}
	services := plugins.Services{Log: h, Metrics: meters}
	runtime, err := p.Wasm(services)
	if err != nil {
		return nil, err
	}
	h.Registry = plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": runtime, plugins.KindBuiltin: builtin.New(builtinMakers(), services)}, Engine: EngineVersion(),
		RequireSignature: p.RequireSignature, TrustedKeys: keys, Observer: h, Meters: meters})
	if err := p.load(ctx, h); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// load brings all that is configured into service.
func (p *Plugins) load(ctx context.Context, h *Host) (err error) {
	for _, b := range p.Builtin {
		m, err := b.Manifest()
		if err == nil {
			_, err = h.Registry.LoadBuiltin(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("plugins.builtin: %w", err)
		}
		h.builtin = append(h.builtin, m.Name)
	}
	if p.Dir == "" {
		return nil
	}
	if h.folder, err = plugins.OpenFolder(p.Dir, h.Registry); err != nil {
		return fmt.Errorf("plugins.dir: %w", err)
	}
	names, err := h.folder.Names()
	for _, name := range names {
		if slices.Contains(h.builtin, name) {
			return fmt.Errorf("plugins.dir: there is a plug-in %s in plugins.builtin, too: give one of them another name", name)
		}
	}
	if err == nil {
		err = h.folder.LoadAll(ctx)
	}
	if err != nil {
		return fmt.Errorf("plugins.dir: %w", err)
	}
	return nil
}

// Wasm is the host of WebAssembly modules with the configured cache.
//
// # Errors
//
// Those of wasm.New; a directory of nobody's choice that cannot be used is no error, then nothing is kept.
func (p *Plugins) Wasm(services plugins.Services) (*wasm.Host, error) {
	dir := p.CacheDir
	if dir == "" {
		if base, err := os.UserCacheDir(); err == nil {
			dir = filepath.Join(base, "tidegate", "wasm")
		}
	}
	h, err := wasm.New(wasm.Options{CacheDir: dir, Services: services})
	switch {
	case err != nil && p.CacheDir == "":
		return wasm.New(wasm.Options{Services: services})
	case err != nil:
		return nil, fmt.Errorf("plugins.cache_dir: %w", err)
	}
	return h, nil
}

// guard puts the triggers on the tables that lack them.
func (p *Plugins) guard(ctx context.Context, db *engine.DB) error {
	for _, table := range p.Guard {
		there, err := db.Rules().Guarded(ctx, table)
		if err == nil && !there {
			err = db.Rules().Guard(ctx, table)
		}
		if err != nil {
			return fmt.Errorf("plugins.guard: %s: %w", table, err)
		}
	}
	return nil
}
