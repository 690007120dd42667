package wasm_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// TestPoolIsBounded calls from many goroutines: no more instances than allowed, and each call has one to itself.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	// The guest counts in its memory what it has seen, and rejects when somebody else has counted meanwhile.
	text := small("global i64 mut 0\nfunc $v (i32 i32) -> (i64) (i64 i32) tg_validate\nglobal.get 0\ni64.const 1\ni64.add\nlocal.tee 2\nglobal.set 0\n" +
		"loop\nlocal.get 3\ni32.const 1\ni32.add\nlocal.tee 3\ni32.const 20000\ni32.lt_u\nbr_if 0\nend\n" +
		"global.get 0\nlocal.get 2\ni64.ne\nif\nunreachable\nend\ni64.const 0\nend\n")
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, text), func(m *plugins.Manifest) { m.Limits.Instances = 3 })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			var b abi.Batch
			orders(&b, 1)
			for range 50 {
				if _, err := call(u, &b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if all, idle := u.Stats(); all < 1 || all > 3 || idle != all {
		t.Errorf("%d instances, %d idle", all, idle)
	}
}

// TestPoolWaits: a caller waits for an instance no longer than its context lasts.
func TestPoolWaits(t *testing.T) {
	t.Parallel()
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, hostileGuests()["infinite loop"].text), func(m *plugins.Manifest) {
		m.Limits = plugins.Limits{Fuel: plugins.MaxFuel, Deadline: plugins.Duration(plugins.MaxDeadline), Instances: 1}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		var b abi.Batch
		_, err := u.Call(ctx, plugins.HookValidate, orders(&b, 2), at())
		done <- err
	}()
	for _, idle := u.Stats(); idle > 0; _, idle = u.Stats() {
		time.Sleep(time.Millisecond)
	}
	short, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer stop()
	var b abi.Batch
	if _, err := u.Call(short, plugins.HookValidate, orders(&b, 1), at()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := call(u, &b); err != nil {
		t.Error(err)
	}
}

func TestClosedUnit(t *testing.T) {
	t.Parallel()
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, small(accept)), nil)
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	var b abi.Batch
	if _, err := call(u, orders(&b, 1)); err == nil || kindOf(t, err) != plugins.FaultLoad {
		t.Error(err)
	}
}

// TestResetBeforeEachCall shows that a rule with reset: call remembers nothing, and one without does.
func TestResetBeforeEachCall(t *testing.T) {
	t.Parallel()
	text := small("global i64 mut 0\nfunc $v (i32 i32) -> (i64) tg_validate\nglobal.get 0\ni64.const 1\ni64.add\nglobal.set 0\nglobal.get 0\ni64.const 1\ni64.gt_u\nif\nunreachable\nend\ni64.const 0\nend\n")
	for reset, want := range map[string]bool{"call": true, "fault": false} {
		u := mustLoad(t, host(t, wasm.Options{}), assemble(t, text), func(m *plugins.Manifest) { m.Policy.Reset = reset })
		var b abi.Batch
		if _, err := call(u, orders(&b, 1)); err != nil {
			t.Fatal(err)
		}
		_, err := call(u, &b)
		if (err == nil) != want {
			t.Errorf("%s: %v", reset, err)
		}
	}
}

// TestArenaGrowsFromACleanState: a batch that needs a larger arena comes to an instance that has grown and remembers something. What the snapshot is taken of then must be
// the state after the start, or every later reset would bring back what an earlier batch has left.
func TestArenaGrowsFromACleanState(t *testing.T) {
	t.Parallel()
	const mark = "200000"
	text := small("func $v (i32 i32) -> (i64) tg_validate\ni32.const 0\ni32.load " + mark + "\nif\nunreachable\nend\ni32.const 0\ni32.const 1\ni32.store " + mark +
		"\ni32.const 1\nmemory.grow\ndrop\ni64.const 0\nend\n")
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, text), func(m *plugins.Manifest) { m.Policy.Reset = "call" })
	var b abi.Batch
	for i, rows := range []int{1, 1, 1000, 1, 1000} {
		if _, err := call(u, orders(&b, rows)); err != nil {
			t.Errorf("call %d, of %d rows: %v", i+1, rows, err)
		}
	}
}

// TestClosedByMany: whoever closes a unit a second time, at the same moment too, waits for nobody for ever.
func TestClosedByMany(t *testing.T) {
	t.Parallel()
	module := assemble(t, small(accept))
	for range 100 {
		u := mustLoad(t, host(t, wasm.Options{}), module, func(m *plugins.Manifest) { m.Limits.Instances = 256 })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := u.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Fatal("they wait for one another")
		}
	}
}
