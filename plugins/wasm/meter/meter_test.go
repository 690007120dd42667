package meter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/tidegate/engine/plugins/wasm/meter"
	"github.com/tidegate/engine/plugins/wasm/module"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
)

const pages = 16

var errFuel = errors.New("out of fuel")

// counter is the host of a metered module: it counts what is burnt and gives up at a limit.
type counter struct {
	slice, limit, burnt int64
	handed              int64
	yields, denied      int
	stackLow            bool
}

func (c *counter) yield(fuel, stack int64) int64 {
	c.yields++
	if stack < 0 {
		c.stackLow = true
		panic(errFuel)
	}
	c.burnt += c.handed - fuel
	if c.burnt > c.limit {
		panic(errFuel)
	}
	c.handed = c.slice
	return c.slice
}

// run is one instance, plain or metered.
type run struct {
	mod api.Module
	c   *counter
}

func features() api.CoreFeatures {
	return api.CoreFeatureMutableGlobal | api.CoreFeatureBulkMemoryOperations | api.CoreFeatureMultiValue | api.CoreFeatureNonTrappingFloatToIntConversion | api.CoreFeatureSignExtensionOps |
		api.CoreFeatureReferenceTypes // or wazero panics at passive element segments; package module lets none of them through
}

// instantiate compiles a binary in a runtime of its own. env answers imports of the random modules of binaryen.
func instantiate(t testing.TB, wasm []byte, c *counter, pages uint32) (*run, error) {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features()).WithMemoryLimitPages(pages))
	t.Cleanup(func() { _ = rt.Close(ctx) })
	b := rt.NewHostModuleBuilder(meter.ImportModule)
	b.NewFunctionBuilder().WithFunc(func(fuel, stack int64) int64 { return c.yield(fuel, stack) }).Export(meter.ImportYield)
	b.NewFunctionBuilder().WithFunc(func() { c.denied++ }).Export(meter.ImportDenied)
	if _, err := b.Instantiate(ctx); err != nil {
		return nil, err
	}
	support := rt.NewHostModuleBuilder("fuzzing-support")
	support.NewFunctionBuilder().WithFunc(func(int32) {}).Export("log-i32")
	support.NewFunctionBuilder().WithFunc(func(int64) {}).Export("log-i64")
	support.NewFunctionBuilder().WithFunc(func(float32) {}).Export("log-f32")
	support.NewFunctionBuilder().WithFunc(func(float64) {}).Export("log-f64")
	if _, err := support.Instantiate(ctx); err != nil {
		return nil, err
	}
	mod, err := rt.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, err
	}
	return &run{mod, c}, nil
}

func (r *run) call(name string, args ...uint64) ([]uint64, error) {
	if r.c != nil {
		r.c.burnt, r.c.handed = 0, r.c.slice
		r.global(meter.ExportFuel).Set(uint64(r.c.slice))
		r.global(meter.ExportStack).Set(1 << 20)
	}
	out, err := r.mod.ExportedFunction(name).Call(context.Background(), args...)
	if r.c != nil && err == nil {
		r.c.burnt += r.c.handed - int64(r.global(meter.ExportFuel).Get())
	}
	return out, err
}

func (r *run) global(name string) api.MutableGlobal {
	return r.mod.ExportedGlobal(name).(api.MutableGlobal)
}

// pair is the same module plain and metered.
func pair(t testing.TB, wasm []byte, limit int64) (plain, metered *run, err error) {
	t.Helper()
	return pairWith(t, wasm, limit, pages)
}

func pairWith(t testing.TB, wasm []byte, limit int64, pages uint32) (plain, metered *run, err error) {
	t.Helper()
	m, err := module.Parse(wasm)
	if err != nil {
		return nil, nil, err
	}
	res, err := meter.Rewrite(m, meter.Options{MaxPages: pages})
	if err != nil {
		return nil, nil, err
	}
	again, err := meter.Rewrite(m, meter.Options{MaxPages: pages})
	if err != nil || !bytes.Equal(again.Wasm, res.Wasm) {
		t.Fatalf("rewriting is not deterministic: %v", err)
	}
	if plain, err = instantiate(t, wasm, nil, pages); err != nil {
		return nil, nil, err
	}
	if metered, err = instantiate(t, res.Wasm, &counter{slice: 1000, limit: limit}, pages); err != nil {
		t.Fatalf("the metered module does not compile, the plain one does: %v", err)
	}
	return plain, metered, nil
}

func rewrite(t testing.TB, wasm []byte) *meter.Result {
	t.Helper()
	m, err := module.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	res, err := meter.Rewrite(m, meter.Options{MaxPages: pages})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func assemble(t testing.TB, text string) []byte {
	t.Helper()
	wasm, err := wasmtest.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// same calls a function on both sides and compares; it reports whether both returned.
func same(t testing.TB, what string, plain, metered *run, fn string, args ...uint64) bool {
	t.Helper()
	want, werr := plain.call(fn, args...)
	got, gerr := metered.call(fn, args...)
	if errors.Is(gerr, errFuel) {
		return false // it may have come to no end, or to one that is further than the limit
	}
	if (werr == nil) != (gerr == nil) {
		t.Fatalf("%s: %s%v: plain %v, metered %v", what, fn, args, werr, gerr)
	}
	if werr != nil {
		return false
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		t.Fatalf("%s: %s%v: plain %v, metered %v", what, fn, args, want, got)
	}
	if pm, mm := plain.mod.Memory(), metered.mod.Memory(); pm != nil {
		a, _ := pm.Read(0, pm.Size())
		b, _ := mm.Read(0, mm.Size())
		if !bytes.Equal(a, b) {
			t.Fatalf("%s: %s%v: another memory", what, fn, args)
		}
	}
	if s := metered.global(meter.ExportStack).Get(); s != 1<<20 {
		t.Fatalf("%s: %s%v: frames were not given back: %d", what, fn, args, s)
	}
	if metered.c.burnt < meter.EntryCost {
		t.Fatalf("%s: %s%v burnt %d", what, fn, args, metered.c.burnt)
	}
	return true
}

// TestRandomModules compares plain and metered runs of generated modules.
func TestRandomModules(t *testing.T) {
	t.Parallel()
	n := 60
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		n = 5000
	}
	returned, calls := 0, 0
	for seed := range uint64(n) {
		r, c := differ(t, seed)
		returned, calls = returned+r, calls+c
	}
	if returned*3 < calls {
		t.Errorf("only %d of %d calls returned: the comparison has little to compare", returned, calls)
	}
	t.Logf("%d of %d calls returned", returned, calls)
}

func differ(t testing.TB, seed uint64) (returned, calls int) {
	t.Helper()
	plain, metered, err := pair(t, assemble(t, wasmtest.Random(seed)), 1<<40)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for _, fn := range []string{"f0", "f1", "f2", "f3"} {
		for _, arg := range []uint64{0, 1, 0x9e3779b97f4a7c15} {
			calls++
			if !same(t, fmt.Sprintf("seed %d", seed), plain, metered, fn, arg&0xffffffff, arg) {
				return returned, calls // a trap leaves both in the middle of something
			}
			returned++
		}
	}
	return returned, calls
}

// FuzzRewrite compares the generated module of any seed.
func FuzzRewrite(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { differ(t, seed) })
}
