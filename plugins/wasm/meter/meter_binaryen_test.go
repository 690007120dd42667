package meter_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/module"
)

// TestBinaryen compares plain and metered runs of the random modules of binaryen, which knows corners of WebAssembly that our own generator does not.
func TestBinaryen(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("wasm-opt")
	if err != nil {
		t.Skip("wasm-opt of binaryen is not installed (Debian: apt-get install binaryen): its random modules are not compared")
	}
	n := 40
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		n = 1000
	}
	dir := t.TempDir()
	taken, returned := 0, 0
	for seed := range n {
		out := filepath.Join(dir, "random.wasm")
		if err := os.WriteFile(filepath.Join(dir, "seed"), noise(seed), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(tool, filepath.Join(dir, "seed"), "-ttf", "-o", out, "--mvp-features", "--enable-sign-ext", "--enable-nontrapping-float-to-int", "--enable-bulk-memory", "--enable-mutable-globals")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		wasm, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		ok, ret := binaryen(t, fmt.Sprintf("binaryen, seed %d", seed), wasm)
		if ok {
			taken++
		}
		returned += ret
	}
	if taken*2 < n || returned < n/2 {
		t.Errorf("only %d of %d modules were taken, and %d calls returned: there is little to compare", taken, n, returned)
	}
	t.Logf("%d of %d modules, %d calls returned", taken, n, returned)
}

// noise is four thousand bytes made of a seed.
func noise(seed int) []byte {
	var out []byte
	sum := sha256.Sum256(fmt.Append(nil, seed))
	for len(out) < 4096 {
		sum = sha256.Sum256(sum[:])
		out = append(out, sum[:]...)
	}
	return out
}

// binaryen compares a call of each exported function without pointers; a module that uses what plug-ins may not is not taken.
func binaryen(t *testing.T, what string, wasm []byte) (taken bool, returned int) {
	t.Helper()
	m, err := module.Parse(wasm)
	if err != nil {
		return false, 0
	}
	plain, metered, err := pair(t, wasm, 1<<40)
	if err != nil {
		return false, 0
	}
	for _, e := range m.Exports {
		if e.Kind != module.KindFunc {
			continue
		}
		typ, _ := m.TypeOf(e.Index)
		args := make([]uint64, len(typ.Params))
		for i, p := range typ.Params {
			if args[i] = uint64(i)*77 + 3; p == module.F64 {
				args[i] <<= 52
			}
		}
		if !same(t, what, plain, metered, e.Name, args...) {
			return true, returned
		}
		returned++
	}
	return true, returned
}
