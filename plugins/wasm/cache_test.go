package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// entries are the files of a cache that hold code.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.tgc"))
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "run-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return files
}

const accept = "func $v (i32 i32) -> (i64) tg_validate\ni64.const 0\nend\n"

// once loads a module from a fresh host on the directory and calls it.
func once(t *testing.T, dir string, key []byte) {
	t.Helper()
	u, err := load(t, host(t, wasm.Options{CacheDir: dir, CacheKey: key}), assemble(t, small(accept)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var b abi.Batch
	if _, err := call(u, orders(&b, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestCacheIsUsed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	once(t, dir, nil)
	files := entries(t, dir)
	if len(files) != 1 {
		t.Fatalf("%v", files)
	}
	before, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	long := before.ModTime().Add(-time.Hour)
	if err := os.Chtimes(files[0], long, long); err != nil {
		t.Fatal(err)
	}
	once(t, dir, nil)
	if after, err := os.Stat(files[0]); err != nil || !os.SameFile(before, after) {
		t.Errorf("the entry was written again: %v", err)
	} else if !after.ModTime().After(long) {
		t.Error("that it was used does not show: it would go as one that nobody has used")
	}
}

// TestCacheEntryTampered changes entries in every way that the checksum of the runtime itself would let through.
func TestCacheEntryTampered(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	once(t, dir, nil)
	file := entries(t, dir)[0]
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty": {}, "cut": good[:len(good)/2], "another magic": append([]byte("X"), good[1:]...), "code": flip(good, len(good)-1), "name": flip(good, 45), "authentication": flip(good, 10),
	} {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		once(t, dir, nil)
		now, err := os.ReadFile(file)
		if err != nil || bytes.Equal(now, bad) || len(now) < 100 {
			t.Errorf("%s: the bad entry is still there (%d bytes): %v", name, len(now), err)
		}
	}
	// An entry under another key, or of another module, is as good as forged.
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	once(t, dir, []byte("another key of thirty-two bytes!"))
	if now, _ := os.ReadFile(file); bytes.Equal(now, good) {
		t.Error("an entry under another key was used")
	}
}

// TestCacheIsByModule: each module has an entry of its own, and that of one is none for another, wherever it lies.
func TestCacheIsByModule(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	once(t, dir, nil)
	first := entries(t, dir)
	other := func() {
		u := mustLoad(t, host(t, wasm.Options{CacheDir: dir}), assemble(t, small("func $v (i32 i32) -> (i64) tg_validate\nunreachable\nend\n")), nil)
		var b abi.Batch
		if _, err := call(u, orders(&b, 1)); kindOf(t, err) != plugins.FaultTrap {
			t.Errorf("the second module answers as the first one does: %v", err)
		}
	}
	other()
	both := entries(t, dir)
	if len(first) != 1 || len(both) != 2 || !slices.Contains(both, first[0]) {
		t.Fatalf("%q, then %q", first, both)
	}
	second := both[0]
	if second == first[0] {
		second = both[1]
	}
	foreign, err := os.ReadFile(first[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	other()
	if now, err := os.ReadFile(second); err != nil || bytes.Equal(now, foreign) {
		t.Errorf("the entry of another module was taken for its own: %v", err)
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

func TestCacheOpenToOthers(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.New(wasm.Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Error(err)
	}
	own := filepath.Join(dir, "own")
	if _, err := wasm.New(wasm.Options{CacheDir: own}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(own)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(own, "cache.key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.New(wasm.Options{CacheDir: own}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}

// TestCompileTime gives the compiler no time: the load fails, and nothing hangs.
func TestCompileTime(t *testing.T) {
	t.Parallel()
	h := host(t, wasm.Options{CompileTime: time.Nanosecond})
	big := strings.Repeat("local.get 0\ni32.const 7\ni32.add\nlocal.set 0\n", 5000)
	module := assemble(t, small("func $v (i32 i32) -> (i64) tg_validate\n"+big+"i64.const 0\nend\n"))
	_, err := load(t, h, module, nil)
	if got := kindOf(t, err); got != plugins.FaultLoad || !strings.Contains(err.Error(), "compiling took longer") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := manifest(module)
	if _, err := host(t, wasm.Options{}).Load(ctx, plugins.Source{Manifest: m, Module: module}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestCacheIsBegunByMany: processes that start together on a new directory all get the one key.
func TestCacheIsBegunByMany(t *testing.T) {
	t.Parallel()
	for range 40 {
		dir := filepath.Join(t.TempDir(), "cache")
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			wg.Go(func() {
				<-begin
				if _, err := wasm.New(wasm.Options{CacheDir: dir}); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		wg.Wait()
		if left := entries(t, dir); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
		if found, err := os.ReadDir(dir); err != nil || len(found) != 1 {
			t.Errorf("%v, %v: want the key alone", found, err)
		}
	}
}

// TestCacheIsTidied: what a killed process has left goes, and so do the entries that were not used for longest; what is fresh, or nobody's, stays.
func TestCacheIsTidied(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	if _, err := wasm.New(wasm.Options{CacheDir: dir}); err != nil {
		t.Fatal(err)
	}
	put := func(name string, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		var err error
		if strings.HasPrefix(name, "run-") {
			err = os.MkdirAll(filepath.Join(path, "wazero"), 0o700)
		} else {
			err = os.WriteFile(path, []byte("x"), 0o600)
		}
		at := time.Now().Add(-age)
		if err = errors.Join(err, os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	for name, age := range map[string]time.Duration{"run-1": 2 * time.Hour, "run-2": time.Minute, "new-1": 2 * time.Hour, "new-2": time.Minute, "README": 1000 * time.Hour} {
		put(name, age)
	}
	for i := range 70 {
		put(fmt.Sprintf("%02d.tgc", i), time.Duration(i)*time.Hour)
	}
	if _, err := wasm.New(wasm.Options{CacheDir: dir}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"run-1": false, "run-2": true, "new-1": false, "new-2": true, "README": true, "cache.key": true, "00.tgc": true, "63.tgc": true, "64.tgc": false, "69.tgc": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
