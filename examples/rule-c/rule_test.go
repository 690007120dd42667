// Package rulec_test runs the rule in C: the module that is here, and one that is built from the source.
package rulec_test

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

func load(t *testing.T, m *plugins.Manifest, module []byte) plugins.Unit {
	t.Helper()
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.Limits.Deadline = plugins.Duration(plugins.MaxDeadline)
	doc, err := m.Document()
	if err != nil {
		t.Fatal(err)
	}
	u, err := host.Load(t.Context(), plugins.Source{Manifest: m, Module: module, Config: doc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	if err := plugins.RunTests(t.Context(), m, u); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRule(t *testing.T) {
	t.Parallel()
	m, module, err := plugins.ReadFolder(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(module) >= 2048 {
		t.Errorf("%d bytes: it is to show that 2 KB are enough", len(module))
	}
	u := load(t, m, module)
	var b abi.Batch
	b.Reset(abi.OpUpdate, 0, 2)
	for range 4096 { // more rejections than it has room for, and the products that do not fit 64 bits
		b.Int(math.MaxInt64)
		b.Int(math.MinInt64)
		b.Text("old")
		b.Null()
	}
	out, err := u.Call(context.Background(), plugins.HookValidate, &b, time.Unix(1, 0))
	if err != nil || len(out.Verdicts) != 2048 || out.Verdicts[2047].Message != "over the limit" {
		t.Errorf("%d verdicts, %v", len(out.Verdicts), err)
	}
}

// The module that is here does what its source says.
func TestRuleIsItsSource(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"clang", "wasm-ld"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	out := filepath.Join(t.TempDir(), "rule.wasm")
	text, err := exec.Command("clang", "--target=wasm32", "-Oz", "-nostdlib", "-mbulk-memory", "-Wl,--no-entry", "-Wl,-z,stack-size=4096", "-Wl,--strip-all", "-o", out, "source/rule.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	built, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	m, module, err := plugins.ReadFolder(".")
	if err != nil {
		t.Fatal(err)
	}
	a, b := load(t, m, module), load(t, plugintest.Manifest(t, ".", "rule.wasm", built), built)
	var batch abi.Batch
	batch.Reset(abi.OpInsert, 0, 2)
	for qty := int64(-3); qty < 40; qty++ {
		for _, px := range []int64{0, 1, 5_000_000, -5_000_000, 5_000_000/max(1, qty) + 1, math.MaxInt64, math.MinInt64} {
			batch.Int(qty)
			batch.Int(px)
		}
	}
	one, err := a.Call(t.Context(), plugins.HookValidate, &batch, time.Unix(1, 0))
	two, err2 := b.Call(t.Context(), plugins.HookValidate, &batch, time.Unix(1, 0))
	if err != nil || err2 != nil || len(one.Verdicts) == 0 || !reflect.DeepEqual(one.Verdicts, two.Verdicts) {
		t.Errorf("the module and its source differ: %v, %v", err, err2)
	}
}
