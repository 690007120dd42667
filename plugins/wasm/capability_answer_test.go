package wasm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk/abi"
)

// stuck is a query that ends when its caller gives up, and not before.
type stuck struct{ begun chan struct{} }

func (s stuck) Lookup(ctx context.Context, _ string, _ int, _ abi.Rows) ([]byte, error) {
	s.begun <- struct{}{}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// TestQueryWithoutAnEnd: a guest that waits for a query cannot be stopped, so the query is; whose fault that is depends on who has lost patience.
func TestQueryWithoutAnEnd(t *testing.T) {
	t.Parallel()
	s := stuck{make(chan struct{}, 2)}
	text := "import tg lookup $lookup (i32 i32 i32 i32 i32) -> (i64)\n" + small("func $v (i32 i32) -> (i64) tg_validate\ni32.const 0\nlocal.get 0\nlocal.get 1\ni32.const 200\ni32.const 100\ncall $lookup\ndrop\ni64.const 0\nend\n")
	u := func(deadline time.Duration) *wasm.Unit {
		return mustLoad(t, host(t, wasm.Options{Services: plugins.Services{Lookup: s}}), assemble(t, text), func(m *plugins.Manifest) {
			grantAll(m)
			m.Limits.Deadline = plugins.Duration(deadline)
		})
	}
	var b abi.Batch
	_, err := call(u(20*time.Millisecond), orders(&b, 1))
	if got := kindOf(t, err); got != plugins.FaultDeadline {
		t.Errorf("%v: %v, want a fault of the deadline", got, err)
	}
	<-s.begun
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.begun
		cancel()
	}()
	if _, err := u(plugins.MaxDeadline).Call(ctx, plugins.HookValidate, &b, at()); !errors.Is(err, context.Canceled) || errors.Is(err, plugins.ErrFault) {
		t.Errorf("%v, want what the caller said", err)
	}
}

// TestAnswersBesideEachOther: what a query has answered is valid until the next query, whatever else a rule in Go asks meanwhile; and what is
// refused comes as the error of the SDK.
func TestAnswersBesideEachOther(t *testing.T) {
	t.Parallel()
	d := &desk{kv: map[string]string{}}
	u := mustLoad(t, host(t, wasm.Options{Services: servicesOf(d)}), wasmtest.Go(t, "testdata/memo"), grantAll)
	var b abi.Batch
	for range 2 {
		if out, err := call(u, orders(&b, 1)); err != nil || len(out.Verdicts) > 0 {
			t.Errorf("%+v, %v", out.Verdicts, err)
		}
	}
}
