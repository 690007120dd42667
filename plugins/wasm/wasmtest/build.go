package wasmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Go builds a package into a reactor, and returns the module.
func Go(t testing.TB, dir string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	return built(t, cmd, out)
}

// C builds a source file without a library, with clang and wasm-ld; the test is skipped where there are none.
func C(t testing.TB, file string) []byte {
	t.Helper()
	for _, tool := range []string{"clang", "wasm-ld"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("guests in C need %s, which is not installed", tool)
		}
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	return built(t, exec.Command("clang", "--target=wasm32", "-O2", "-nostdlib", "-mbulk-memory", "-Wl,--no-entry", "-Wl,-z,stack-size=16384", "-o", out, file), out)
}

func built(t testing.TB, cmd *exec.Cmd, out string) []byte {
	t.Helper()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
