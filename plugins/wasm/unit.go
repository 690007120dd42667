package wasm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm/meter"
	"github.com/tidegate/engine/plugins/wasm/module"
	"github.com/tidegate/engine/sdk/abi"
)

// Unit is a loaded module with its pool of instances. It is safe for concurrent use.
type Unit struct {
	m        *plugins.Manifest
	lim      plugins.Limits
	host     *Host
	doc      []byte
	seed     [32]byte
	globals  []string
	volatile bool
	rt       wazero.Runtime
	code     wazero.CompiledModule
	pool     *pool
	shared   struct { // the first snapshot, which later instances begin with
		sync.Mutex
		snap *snapshot
	}
}

// Call runs a hook on a batch.
//
// # Errors
//
// Those of plugins.Validator. After each fault the instance goes back to its clean state or is thrown away; the next call works.
func (u *Unit) Call(ctx context.Context, h plugins.Hook, b *abi.Batch, at time.Time) (plugins.Outcome, error) {
	from := time.Now()
	if err := b.Check(); err != nil {
		return plugins.Outcome{}, err
	}
	in, waited, err := u.acquire(ctx, from)
	if err != nil {
		return plugins.Outcome{}, err
	}
	out, keep, err := u.run(ctx, in, h, b, at, from.Add(waited))
	u.pool.put(in, keep)
	out.Waited, out.Elapsed = waited, time.Since(from)
	return out, err
}

// run is one call on an instance, which it leaves clean; keep is false where it could not. The deadline counts from began: reading the clock once more would be
// a tenth of the call of a guest in C.
func (u *Unit) run(ctx context.Context, in *instance, h plugins.Hook, b *abi.Batch, at, began time.Time) (out plugins.Outcome, keep bool, err error) {
	export := hookExport(h)
	if in.funcs[export] == nil {
		return out, true, fault(u.m, plugins.FaultABI, "the module does not export %s", export)
	}
	larger := b.Size() > int(in.snap.room)
	if (larger || u.m.Policy.Reset == "call") && !u.clean(in) {
		if in, err = u.replace(ctx, in); err != nil {
			return out, false, err
		}
		began = time.Now()
	}
	if larger {
		if err := in.grow(ctx, b.Size()); err != nil {
			return out, u.clean(in), err
		}
		began = time.Now()
	}
	in.begin(ctx, at, began, u.lim.Fuel+u.lim.FuelPerRow*int64(b.Rows()), time.Duration(u.lim.Deadline))
	in.served = -rowServices * b.Rows()
	out.Verdicts, err = in.ask(export, b)
	out.Fuel, out.Pages = in.burnt, in.mem.Size()>>16
	in.ctx = nil
	if err != nil {
		return out, u.clean(in), err
	}
	return out, true, nil
}

// clean brings an instance back to its snapshot; false where that is not possible.
func (u *Unit) clean(in *instance) bool {
	return !u.volatile && len(in.snap.mem) > 0 && in.restore(in.snap)
}

// replace puts a fresh instance in the place of one that cannot be cleaned.
func (u *Unit) replace(ctx context.Context, old *instance) (*instance, error) {
	fresh, err := u.start(ctx)
	if err != nil {
		return old, err
	}
	*old, *fresh = *fresh, *old
	old.base = context.WithValue(context.Background(), instanceKey{}, old)
	_ = fresh.mod.Close(context.Background())
	return old, nil
}

// acquire takes an instance and says how long that took, 0 where one was idle.
func (u *Unit) acquire(ctx context.Context, from time.Time) (*instance, time.Duration, error) {
	in, queued, err := u.pool.get(ctx)
	switch {
	case errors.Is(err, errClosed):
		return nil, 0, fault(u.m, plugins.FaultLoad, "this version is retired")
	case err != nil:
		return nil, 0, err
	case in != nil && !queued:
		return in, 0, nil
	case in == nil:
		if in, err = u.start(ctx); err != nil {
			u.pool.put(nil, false)
			return nil, 0, err
		}
	}
	return in, time.Since(from), nil
}

// start makes an instance: the first one boots, later ones adopt its snapshot, which takes a tenth of the time.
func (u *Unit) start(ctx context.Context) (*instance, error) {
	in := &instance{unit: u}
	in.base = context.WithValue(context.Background(), instanceKey{}, in)
	in.state = state{ctx: ctx}
	memory := experimental.WithMemoryAllocator(in.base, experimental.MemoryAllocatorFunc(allocate))
	var mod api.Module
	err := survive(func() (err error) {
		mod, err = u.rt.InstantiateModule(memory, u.code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
		return err
	})
	if err != nil {
		return nil, fault(u.m, plugins.FaultLoad, "%s", firstLines(err.Error(), 6))
	}
	in.mod, in.mem = mod, mod.Memory()
	in.bind(u.globals)
	u.shared.Lock()
	snap := u.shared.snap
	u.shared.Unlock()
	if snap != nil && in.adopt(snap) {
		return in, nil
	}
	if err := in.boot(ctx); err != nil {
		_ = mod.Close(context.Background())
		return nil, err
	}
	if !u.volatile {
		u.shared.Lock()
		u.shared.snap = in.snap
		u.shared.Unlock()
	}
	return in, nil
}

// compile makes the runtime with the host's functions and compiles the module, off the caller's goroutine, because it cannot be interrupted.
func (u *Unit) compile(ctx context.Context, wasm []byte, parsed *module.Module) error {
	cache, done, err := u.host.cache.open(wasm)
	if err != nil {
		return fault(u.m, plugins.FaultLoad, "the compile cache: %v", err)
	}
	config := wazero.NewRuntimeConfig().WithCoreFeatures(features()).WithMemoryLimitPages(max(u.lim.MemoryPages, 1)).WithDebugInfoEnabled(false)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	base := context.Background()
	u.rt = wazero.NewRuntimeWithConfig(base, config)
	if err := u.offer(base, parsed); err != nil {
		u.shut()
		done(false)
		return fault(u.m, plugins.FaultLoad, "%v", err)
	}
	type result struct {
		code wazero.CompiledModule
		err  error
	}
	compiled := make(chan result, 1)
	rt := u.rt
	go func() {
		var r result
		r.err = survive(func() (err error) {
			r.code, err = rt.CompileModule(base, wasm)
			return err
		})
		compiled <- r
	}()
	late := func(err error) error {
		go func() { // the compiler ends by itself some time
			<-compiled
			_ = rt.Close(base)
			done(false)
		}()
		return err
	}
	timer := time.NewTimer(u.host.o.CompileTime)
	defer timer.Stop()
	select {
	case r := <-compiled:
		done(r.err == nil)
		if r.err != nil {
			u.shut()
			return fault(u.m, plugins.FaultLoad, "%s", firstLines(r.err.Error(), 6))
		}
		u.code = r.code
		return nil
	case <-timer.C:
		return late(fault(u.m, plugins.FaultLoad, "compiling took longer than %v: make the module smaller", u.host.o.CompileTime))
	case <-ctx.Done():
		return late(ctx.Err())
	}
}

// survive turns a panic of the runtime into an error: a module that it chokes on costs its own load, not the process.
func survive(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the WebAssembly runtime panicked (%v): this engine cannot run the module", p)
		}
	}()
	return work()
}

// features are those that package module lets through, and reference types, which it does not: without them the runtime takes every element segment for an active one, and panics at
// one that is passive.
func features() api.CoreFeatures {
	return api.CoreFeatureMutableGlobal | api.CoreFeatureMultiValue | api.CoreFeatureSignExtensionOps |
		api.CoreFeatureNonTrappingFloatToIntConversion | api.CoreFeatureBulkMemoryOperations | api.CoreFeatureReferenceTypes
}

// offer builds the host's modules with just what the guest imports.
func (u *Unit) offer(ctx context.Context, parsed *module.Module) error {
	builders := map[string]wazero.HostModuleBuilder{}
	export := func(mod, name, types string, f api.GoModuleFunc) {
		if builders[mod] == nil {
			builders[mod] = u.rt.NewHostModuleBuilder(mod)
		}
		params, results := valueTypes(types)
		builders[mod].NewFunctionBuilder().WithGoModuleFunction(f, params, results).Export(name)
	}
	export(meter.ImportModule, meter.ImportYield, "ll:l", func(ctx context.Context, _ api.Module, stack []uint64) {
		stack[0] = uint64(of(ctx).yield(int64(stack[0]), int64(stack[1])))
	})
	export(meter.ImportModule, meter.ImportDenied, ":", func(ctx context.Context, _ api.Module, _ []uint64) { of(ctx).denied = true })
	seen := map[string]bool{}
	caps, wasi := capabilities(), wasiFuncs()
	for _, i := range parsed.Imports {
		if seen[i.Module+"."+i.Name] {
			continue
		}
		seen[i.Module+"."+i.Name] = true
		if c, ok := caps[i.Name]; ok && i.Module == abi.ImportModule {
			export(i.Module, i.Name, c.types, func(ctx context.Context, mod api.Module, stack []uint64) {
				in := of(ctx)
				r := c.call(in.ctx, in, mod.Memory(), stack)
				if len(stack) > 0 {
					stack[0] = uint64(r)
				}
			})
		} else if f, ok := wasi[i.Name]; ok && i.Module == abi.ImportWASI {
			export(i.Module, i.Name, f.types, func(ctx context.Context, mod api.Module, stack []uint64) {
				r := f.call(of(ctx), mod.Memory(), stack)
				if len(stack) > 0 {
					stack[0] = r
				}
			})
		}
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

func valueTypes(types string) (params, results []api.ValueType) {
	to := &params
	for _, c := range types {
		switch c {
		case ':':
			to = &results
		case 'i':
			*to = append(*to, api.ValueTypeI32)
		case 'l':
			*to = append(*to, api.ValueTypeI64)
		case 'f':
			*to = append(*to, api.ValueTypeF32)
		case 'd':
			*to = append(*to, api.ValueTypeF64)
		}
	}
	return params, results
}

func (u *Unit) shut() {
	if u.rt != nil {
		_ = u.rt.Close(context.Background())
	}
}

// Close waits for the calls under way and frees everything.
func (u *Unit) Close() error {
	if u.pool.close() {
		return u.rt.Close(context.Background())
	}
	return nil
}

// Stats says how many instances there are and how many of them are idle.
func (u *Unit) Stats() (instances, idle int) { return u.pool.stats() }
