package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	hosts "github.com/tidegate/engine/plugins"
)

// length is how long a comparison takes.
const length = 6 * time.Second

// cost is what a call costs: the median, the tenth of the calls that were disturbed least, the mean, and the median of how much more it took than the last of
// the ways in the same turn.
type cost struct{ median, least, mean, more time.Duration }

// turns runs several ways to do the same, so many calls each in turn, and returns what they cost. Each call is timed by itself.
func turns(t *testing.T, calls int, ways ...func() error) []cost {
	t.Helper()
	times := make([][]time.Duration, len(ways))
	for began := time.Now(); time.Since(began) < length; {
		for side, do := range ways {
			for range calls {
				start := time.Now()
				if err := do(); err != nil {
					t.Fatal(err)
				}
				times[side] = append(times[side], time.Since(start))
			}
		}
	}
	out := make([]cost, len(ways))
	last := times[len(ways)-1]
	for side := range times {
		more := make([]time.Duration, len(last))
		for i := range more {
			more[i] = times[side][i] - last[i]
		}
		slices.Sort(more)
		out[side].more = more[len(more)/2]
	}
	for side := range times {
		for _, d := range times[side] {
			out[side].mean += d
		}
		out[side].mean /= time.Duration(len(times[side]))
		slices.Sort(times[side])
		out[side].median, out[side].least = times[side][len(times[side])/2], times[side][len(times[side])/10]
	}
	return out
}

// build compiles a program of this module and returns its path.
func build(t *testing.T, pkg string, env []string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), pkg)
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", out, "./testdata/"+pkg)...)
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, text)
	}
	return out
}

// module compiles a guest.
func module(t *testing.T, pkg string) []byte {
	t.Helper()
	b, err := os.ReadFile(build(t, pkg, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, "-buildmode=c-shared", "-ldflags=-s -w"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// manifest is that of the guest.
func manifest(t *testing.T, code []byte) *hosts.Manifest {
	t.Helper()
	sum := sha256.Sum256(code)
	m, err := hosts.ParseManifest(fmt.Appendf(nil, `name: bench
version: 1.0.0
abi: 1
module: guest.wasm
sha256: %s
hooks: [{on: validate, table: trades, columns: [id, symbol, qty]}]
limits: {deadline: 10s}
`, hex.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
