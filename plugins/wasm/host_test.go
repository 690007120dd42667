package wasm_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk/abi"
)

// at is the instant of every batch of these tests.
func at() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }

// manifest describes a validator of one table.
func manifest(module []byte) *plugins.Manifest {
	sum := sha256.Sum256(module)
	return &plugins.Manifest{
		Name: "limit", Version: "1.0.0", ABI: 1, Module: "limit.wasm", SHA256: hex.EncodeToString(sum[:]),
		Hooks:  []plugins.HookSpec{{On: "validate", Table: "orders", Columns: []string{"id", "symbol", "qty", "price", "side"}}},
		Limits: plugins.Limits{Deadline: plugins.Duration(30 * time.Second)}, // a loaded machine is no fault of these guests
	}
}

// assemble turns text into a module.
func assemble(t testing.TB, text string) []byte {
	t.Helper()
	b, err := wasmtest.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// guest completes a module that is only about tg_validate: marker, memory and arena.
func guest(validate string) string {
	return "func $marker () -> () tg_abi_1\nend\nfunc $alloc (i32) -> (i32) tg_alloc\ni32.const 4096\nend\n" + validate
}

// small is guest with a memory of four pages, whose arena takes what is asked for.
func small(validate string) string { return "memory 4\n" + guest(validate) }

func host(t testing.TB, o wasm.Options) *wasm.Host {
	t.Helper()
	if o.CompileTime == 0 {
		o.CompileTime = 10 * time.Minute // a loaded machine is no fault of these guests
	}
	h, err := wasm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// load loads a module with its manifest, which change may alter.
func load(t testing.TB, h *wasm.Host, module []byte, change func(*plugins.Manifest)) (*wasm.Unit, error) {
	t.Helper()
	m := manifest(module)
	if change != nil {
		change(m)
	}
	doc, err := m.Document()
	if err != nil {
		t.Fatal(err)
	}
	u, err := h.Load(context.Background(), plugins.Source{Manifest: m, Module: module, Config: doc})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u.(*wasm.Unit), nil
}

func mustLoad(t testing.TB, h *wasm.Host, module []byte, change func(*plugins.Manifest)) *wasm.Unit {
	t.Helper()
	u, err := load(t, h, module, change)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// orders is a batch of so many good orders.
func orders(b *abi.Batch, rows int) *abi.Batch {
	b.Reset(abi.OpInsert, 0, 5)
	for row := range rows {
		b.Int(int64(row))
		b.Text("AAPL")
		b.Int(100)
		b.Float(12.5)
		b.Text("buy")
	}
	return b
}

func call(u *wasm.Unit, b *abi.Batch) (plugins.Outcome, error) {
	return u.Call(context.Background(), plugins.HookValidate, b, at())
}

func kindOf(t testing.TB, err error) plugins.FaultKind {
	t.Helper()
	var f *plugins.Fault
	if err == nil || !errors.As(err, &f) || !errors.Is(err, plugins.ErrFault) {
		t.Fatalf("want a fault, have %v", err)
	}
	return f.Kind
}

// guests are the same rule in two languages.
func guests(t *testing.T, f func(t *testing.T, module []byte)) {
	t.Run("go", func(t *testing.T) { f(t, wasmtest.Go(t, "testdata/limit")) })
	t.Run("c", func(t *testing.T) { f(t, wasmtest.C(t, "testdata/limit.c")) })
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	guests(t, func(t *testing.T, module []byte) {
		u := mustLoad(t, host(t, wasm.Options{}), module, nil)
		var b abi.Batch
		if out, err := call(u, orders(&b, 1)); err != nil || len(out.Verdicts) != 0 || out.Fuel <= 0 || out.Pages == 0 {
			t.Fatalf("%+v %v", out, err)
		}
		out, err := call(u, orders(&b, 2000)) // more than the first arena holds
		if err != nil || len(out.Verdicts) != 0 {
			t.Fatalf("%+v %v", out, err)
		}
		b.Reset(abi.OpInsert, 0, 5)
		for _, r := range []struct {
			symbol string
			qty    int64
			price  float64
		}{{"AAPL", 1000, 1}, {"AAPL", 1001, 1}, {"a", 1, 1}, {"MSFT", 1, 0}} {
			b.Int(1)
			b.Text(r.symbol)
			b.Int(r.qty)
			b.Float(r.price)
			b.Null()
		}
		out, err = call(u, &b)
		if err != nil {
			t.Fatal(err)
		}
		var codes []uint32
		for _, v := range out.Verdicts {
			codes = append(codes, v.Row<<8|v.Code)
		}
		if len(codes) != 3 || codes[0] != 1<<8|1 || codes[1] != 2<<8|3 || codes[2] != 3<<8|2 {
			t.Errorf("%+v", out.Verdicts)
		}
	})
}

// TestFuelIsDeterministic compares two hosts: what a receipt says must come out again.
func TestFuelIsDeterministic(t *testing.T) {
	t.Parallel()
	guests(t, func(t *testing.T, module []byte) {
		var fuel [2]int64
		for i := range fuel {
			u := mustLoad(t, host(t, wasm.Options{}), module, func(m *plugins.Manifest) { m.Policy.Reset = "call" })
			var b abi.Batch
			for range i + 1 {
				out, err := call(u, orders(&b, 100))
				if err != nil {
					t.Fatal(err)
				}
				fuel[i] = out.Fuel
			}
		}
		if fuel[0] != fuel[1] {
			t.Errorf("burnt %d, then %d", fuel[0], fuel[1])
		}
		t.Logf("%d units for 100 rows", fuel[0])
	})
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	h := host(t, wasm.Options{})
	const validate = "func $v (i32 i32) -> (i64) tg_validate\ni64.const 0\nend\n"
	for name, c := range map[string]struct {
		text   string
		change func(*plugins.Manifest)
		kind   plugins.FaultKind
		want   string
	}{
		"hash":               {small(validate), func(m *plugins.Manifest) { m.SHA256 = strings.Repeat("0", 64) }, plugins.FaultLoad, "engine plugin build writes the hash down"},
		"import not granted": {"import tg lookup $l (i32 i32 i32 i32 i32) -> (i64)\n" + small(validate), nil, plugins.FaultDenied, "import tg.lookup is not granted: add capabilities.lookup"},
		"unknown import":     {"import tg fly $l () -> ()\n" + small(validate), nil, plugins.FaultDenied, "import tg.fly is not offered"},
		"files":              {"import wasi_snapshot_preview1 path_open $l () -> ()\n" + small(validate), nil, plugins.FaultDenied, "path_open is not offered"},
		"environment":        {"import env getenv $l () -> ()\n" + small(validate), nil, plugins.FaultDenied, "env.getenv"},
		"the meter":          {"import __tg yield $l (i64 i64) -> (i64)\n" + small(validate), nil, plugins.FaultDenied, "belongs to the host"},
		"type of an import":  {"import tg now $l (i32) -> (i64)\n" + small(validate), func(m *plugins.Manifest) { m.Capabilities.Now = true }, plugins.FaultLoad, "has the type i:l"},
		"no marker":          {"memory 1\n" + validate, nil, plugins.FaultLoad, "tg_abi_1"},
		"another major":      {"memory 1\nfunc $m () -> () tg_abi_2\nend\n" + validate, nil, plugins.FaultLoad, "speaks tg_abi_2"},
		"no memory":          {guest(validate), nil, plugins.FaultLoad, "no memory"},
		"no hook":            {small(""), nil, plugins.FaultLoad, "does not export tg_validate"},
		"type of a hook":     {small("func $v () -> () tg_validate\nend\n"), nil, plugins.FaultLoad, "tg_validate is not a function of the type"},
		"reserved name":      {small(validate + "func $x () -> () __tg_fuel\nend\n"), nil, plugins.FaultDenied, "belong to the host"},
		"start section":      {small(validate) + "raw 8 00\n", nil, plugins.FaultLoad, "start section"},
		"table.grow":         {"table 1\n" + small("func $v (i32 i32) -> (i64) tg_validate\nraw d0 70\ni32.const 1\nraw fc 0f 00\ndrop\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "reference types"},
		"table.grow only":    {"table 1\n" + small("func $v (i32 i32) -> (i64) tg_validate\nraw fc 0f 00\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "table.grow"},
		"large table":        {"table 10000000\n" + small(validate), nil, plugins.FaultLoad, "a table of 10000000"},
		"large memory":       {"memory 300\n" + guest(validate), nil, plugins.FaultLoad, "raise limits.memory_pages"},
		"forged fuel":        {small("func $v (i32 i32) -> (i64) tg_validate\ni64.const 99999999\nglobal.set 0\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "global 0, and the module has 0"},
		"forged frame":       {small("func $v (i32 i32) -> (i64) tg_validate\ni64.const 99999999\nlocal.set 2\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "local 2, and the module has 2"},
		"call of the meter":  {small("func $v (i32 i32) -> (i64) tg_validate\ni64.const 9\ni64.const 9\ncall 3\nend\n"), nil, plugins.FaultLoad, "function 3, and the module has 3"},
		"export of the fuel": {small(validate) + "raw 7 01 01 78 03 00\n", nil, plugins.FaultLoad, "names nothing of the module"},
		"too many locals":    {small("func $v (i32 i32) -> (i64) tg_validate\ni64.const 0\nend\n") + "raw 10 01 08 01 ff ff ff ff 0f 7f 0b\n", nil, plugins.FaultLoad, ""},
		"a huge function":    {small("func $v (i32 i32) -> (i64) tg_validate\n" + strings.Repeat("raw"+strings.Repeat(" 01", 1000)+"\n", 400) + "i64.const 0\nend\n"), nil, plugins.FaultLoad, "split it"},
		"threads":            {small("func $v (i32 i32) -> (i64) tg_validate\nraw fe 00 02 00\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "without threads"},
		"SIMD":               {small("func $v (i32 i32) -> (i64) tg_validate\nraw fd 0c\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "SIMD"},
		"exceptions":         {small("func $v (i32 i32) -> (i64) tg_validate\nraw 06 40 0b\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "exceptions"},
		"tail calls":         {small("func $v (i32 i32) -> (i64) tg_validate\nraw 12 00\ni64.const 0\nend\n"), nil, plugins.FaultLoad, "tail calls"},
		"64-bit memory":      {small(validate) + "raw 5 01 04 01\n", nil, plugins.FaultLoad, "memory64"},
		"wrong types":        {small("func $v (i32 i32) -> (i64) tg_validate\ni32.const 0\nend\n"), nil, plugins.FaultLoad, "type"},
		"trap at the start":  {small(validate + "func $i () -> () _initialize\nunreachable\nend\n"), nil, plugins.FaultTrap, "unreachable"},
		"refuses the arena":  {"memory 1\nfunc $marker () -> () tg_abi_1\nend\nfunc $alloc (i32) -> (i32) tg_alloc\ni32.const 0\nend\n" + validate, nil, plugins.FaultOutOfMemory, "tg_alloc"},
		"lies on the arena":  {"memory 1\nfunc $marker () -> () tg_abi_1\nend\nfunc $alloc (i32) -> (i32) tg_alloc\ni32.const 65528\nend\n" + validate, nil, plugins.FaultABI, "tg_alloc"},
		"features":           {small(validate + "func $f (i64) -> (i64) tg_features\ni64.const 4\nend\n"), nil, plugins.FaultLoad, "newer engine"},
		"trap in features":   {small(validate + "func $f (i64) -> (i64) tg_features\nunreachable\nend\n"), nil, plugins.FaultTrap, "unreachable"},
		"trap in configure":  {small(validate + "func $f (i32 i32) -> (i64) tg_configure\nunreachable\nend\n"), nil, plugins.FaultTrap, "unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, h, assemble(t, c.text), c.change)
			if got := kindOf(t, err); got != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: %v; want %v with %q", got, err, c.kind, c.want)
			}
		})
	}
}
