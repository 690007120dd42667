package wasm_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk/abi"
)

// TestGoGuestFails lets a guest in Go fail in every way, and go on: its runtime is broken after a panic, so it has to come back from the snapshot.
func TestGoGuestFails(t *testing.T) {
	t.Parallel()
	u := mustLoad(t, host(t, wasm.Options{}), wasmtest.Go(t, "testdata/faulty"), func(m *plugins.Manifest) {
		m.Limits = plugins.Limits{Fuel: 100_000_000, MemoryPages: 256, Deadline: plugins.Duration(10 * time.Second)}
	})
	var b abi.Batch
	batch := func(schema uint32) *abi.Batch {
		b.Reset(abi.OpInsert, schema, 1)
		b.Int(1)
		return &b
	}
	for schema, want := range map[uint32]struct {
		kind plugins.FaultKind
		text string
	}{
		1: {plugins.FaultFuel, "raise limits.fuel"},
		2: {plugins.FaultTrap, "no such account"},
		3: {plugins.FaultStack, "bound the recursion"},
		4: {plugins.FaultOutOfMemory, "limits.memory_pages"},
		6: {plugins.FaultTrap, "ended itself"},
	} {
		_, err := call(u, batch(schema))
		if got := kindOf(t, err); got != want.kind || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%d: %v: %v; want %v with %q", schema, got, err, want.kind, want.text)
		}
		if dir, wd := filepath.Join("testdata", "faulty"), os.TempDir(); strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), wd) || strings.Contains(err.Error(), runtime.GOROOT()+"/") {
			t.Errorf("%d tells of the machine that it was built on: %v", schema, err)
		}
		for _, fine := range []uint32{0, 5, 7, 8, 9, 0} {
			if _, err := call(u, batch(fine)); err != nil {
				t.Errorf("%d, then %d: %v", schema, fine, err)
			}
		}
	}
}

// TestMemoryIsBounded measures what the host holds while guests do their worst: the pages of the limit, and a tenth more with the native stack.
func TestMemoryIsBounded(t *testing.T) {
	const pages = 256
	inUse := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	for _, name := range []string{"recursion", "wide recursion", "mutual recursion by table", "spilled recursion", "recursion of written locals", "recursion of many ways", "memory.grow", "memory.grow, then touch", "memory.fill in a loop"} {
		u := mustLoad(t, host(t, wasm.Options{}), assemble(t, hostileGuests()[name].text), func(m *plugins.Manifest) {
			m.Limits = plugins.Limits{Fuel: 50_000_000, MemoryPages: pages, Deadline: plugins.Duration(10 * time.Second), Instances: 1}
		})
		var b abi.Batch
		before := inUse()
		if _, err := call(u, orders(&b, 2)); err == nil {
			t.Fatal(name, "no fault")
		}
		if more, most := inUse()-before, int64(pages<<16)*11/10; more > most {
			t.Errorf("%s: %d bytes, at most %d", name, more, most)
		}
	}
}
