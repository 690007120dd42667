package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm/meter"
	"github.com/tidegate/engine/plugins/wasm/module"
)

// Options of a host. The zero value works: no cache, no services.
type Options struct {
	// CacheDir keeps compiled modules, which are executable code: the directory is made with mode 0700 and refused where others may write to it, and an
	// entry is used only if its authentication code fits. "" compiles each time (about a second for a Go guest).
	CacheDir string
	// CacheKey authenticates the entries; nil keeps a random key in CacheDir.
	CacheKey []byte
	// CompileTime is how long compiling may take; 0 is 30 s. Compiling cannot be interrupted: what runs over goes on alone and is thrown away.
	CompileTime time.Duration
	// Services answer what plug-ins ask.
	Services plugins.Services
}

// Host loads WebAssembly plug-ins. It is safe for concurrent use.
type Host struct {
	o     Options
	cache *cache
	plain bool // tests only: no metering, to measure what it costs
}

// New prepares a host.
//
// # Errors
//
// The cache directory cannot be made, or belongs to others.
func New(o Options) (*Host, error) {
	if o.CompileTime == 0 {
		o.CompileTime = 30 * time.Second
	}
	h := &Host{o: o}
	if o.CacheDir != "" {
		c, err := openCache(o.CacheDir, o.CacheKey)
		if err != nil {
			return nil, err
		}
		h.cache = c
	}
	return h, nil
}

// fault is a *plugins.Fault of this plug-in.
func fault(m *plugins.Manifest, kind plugins.FaultKind, format string, a ...any) *plugins.Fault {
	return &plugins.Fault{Kind: kind, Plugin: m.Name, Version: m.Version, Reason: fmt.Sprintf(format, a...)}
}

// Load checks, rewrites, compiles and starts a module: the part of the pipeline that knows WebAssembly.
//
// # Errors
//
// A *plugins.Fault: FaultDenied for an import that is not granted, any other kind for what went wrong while it was started, FaultLoad for the rest. ctx bounds the
// wait for the compiler.
func (h *Host) Load(ctx context.Context, s plugins.Source) (plugins.Unit, error) {
	m := s.Manifest
	sum := sha256.Sum256(s.Module)
	if got := hex.EncodeToString(sum[:]); got != m.SHA256 {
		return nil, fault(m, plugins.FaultLoad, "the module's SHA-256 is %s, and the manifest says %s: one of the two is not of this version (engine plugin build writes the hash down)", got, m.SHA256)
	}
	parsed, err := module.Parse(s.Module)
	if err != nil {
		return nil, fault(m, plugins.FaultLoad, "%v", err)
	}
	if err := gate(m, parsed); err != nil {
		return nil, err
	}
	lim := m.Limits.WithDefaults(2 * runtime.GOMAXPROCS(0))
	metered, err := meter.Rewrite(parsed, meter.Options{MaxPages: lim.MemoryPages, Unmetered: h.plain})
	if err != nil {
		return nil, fault(m, plugins.FaultLoad, "%v", err)
	}
	u := &Unit{m: m, lim: lim, host: h, doc: s.Config, seed: sum, globals: metered.Globals, volatile: metered.Volatile, pool: newPool(lim.Instances)}
	if err := u.compile(ctx, metered.Wasm, parsed); err != nil {
		return nil, err
	}
	in, err := u.start(ctx)
	if err != nil {
		u.shut()
		return nil, err
	}
	u.pool.first(in)
	return u, nil
}
