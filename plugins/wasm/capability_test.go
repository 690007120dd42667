package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// desk answers what plug-ins ask, and keeps it.
type desk struct {
	mu    sync.Mutex
	lines []string
	kv    map[string]string
	fail  error
}

func (d *desk) note(format string, a ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, a...))
}

func (d *desk) Log(_ context.Context, plugin string, level uint32, text string) {
	d.note("log %s %d %s", plugin, level, text)
}

func (d *desk) Add(_ context.Context, _, name string, delta float64) {
	d.note("metric %s %v", name, delta)
}

func (d *desk) Lookup(_ context.Context, _ string, query int, args abi.Rows) ([]byte, error) {
	d.note("lookup %d %d", query, args.Cell(0, abi.New, 0).Int())
	var b abi.Batch
	b.Reset(abi.OpScan, 0, 1)
	b.Int(42)
	enc, err := b.Append(nil)
	return enc, errors.Join(err, d.fail)
}

func (d *desk) Get(_ context.Context, _, key string) ([]byte, bool, error) {
	v, ok := d.kv[key]
	return []byte(v), ok, d.fail
}

func (d *desk) Put(_ context.Context, _, key string, value []byte) (bool, error) {
	d.kv[key] = string(value)
	return len(value) < 100, d.fail
}

func (d *desk) Delete(_ context.Context, _, key string) error {
	delete(d.kv, key)
	return d.fail
}

type outbox struct{ *desk }

func (o outbox) Put(_ context.Context, _, endpoint string, body []byte) (bool, error) {
	o.note("outbox %s %s", endpoint, body)
	return true, o.fail
}

// asks is a guest that calls every capability and answers with one verdict, whose aux is the first status that was not as expected.
const asks = `import tg log $log (i32 i32 i32)
import tg metric_add $metric (i32 i32 f64)
import tg now $now () -> (i64)
import tg lookup $lookup (i32 i32 i32 i32 i32) -> (i64)
import tg kv_get $get (i32 i32 i32 i32) -> (i64)
import tg kv_put $put (i32 i32 i32 i32) -> (i64)
import tg outbox_put $outbox (i32 i32 i32 i32) -> (i64)
` + expects

// expects is the part of a guest that looks at what it got: $is takes what came, what should have, and the number of the step, and the block at 16 says in its aux which step was the
// first that came out otherwise.
const expects = `memory 4
data 64 "key"
data 80 "value"
data 96 "desk"
data 112 "hello\n\x1b[31m\xff"
data 16 "\x01\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
func $is (i64 i64 i32)
local.get 0
local.get 1
i64.ne
i32.const 44
i32.load
i32.eqz
i32.and
if
i32.const 44
local.get 2
i32.store
end
end
`

func steps() string {
	var b strings.Builder
	step := 0
	is := func(want int64, call string) {
		step++
		fmt.Fprintf(&b, "%s\ni64.const %d\ni32.const %d\ncall $is\n", call, want, step)
	}
	b.WriteString("func $v (i32 i32) -> (i64) tg_validate\ni32.const 44\ni32.const 0\ni32.store\n")
	b.WriteString("i32.const 2\ni32.const 112\ni32.const 12\ncall $log\ni32.const 64\ni32.const 3\nf64.const 1.5\ncall $metric\n")
	is(at().UnixNano(), "call $now")
	is(48, "i32.const 0\nlocal.get 0\nlocal.get 1\ni32.const 200\ni32.const 100\ncall $lookup")
	is(42, "i32.const 232\ni64.load")
	is(abi.StatusInvalid, "i32.const 1\nlocal.get 0\nlocal.get 1\ni32.const 200\ni32.const 100\ncall $lookup")
	is(abi.StatusInvalid, "i32.const 0\nlocal.get 0\ni32.const 5\ni32.const 200\ni32.const 100\ncall $lookup")
	is(abi.StatusNone, "i32.const 64\ni32.const 3\ni32.const 400\ni32.const 9\ncall $get")
	is(0, "i32.const 64\ni32.const 3\ni32.const 80\ni32.const 5\ncall $put")
	is(5, "i32.const 64\ni32.const 3\ni32.const 400\ni32.const 4\ncall $get")
	is(0, "i32.const 400\ni64.load") // it did not fit, so nothing was written
	is(5, "i32.const 64\ni32.const 3\ni32.const 400\ni32.const 5\ncall $get")
	is('v', "i32.const 400\ni64.load8_u")
	is(abi.StatusRefused, "i32.const 64\ni32.const 3\ni32.const 80\ni32.const 200\ncall $put")
	is(abi.StatusInvalid, "i32.const 64\ni32.const 300\ni32.const 80\ni32.const 5\ncall $put")
	is(abi.StatusInvalid, "i32.const 64\ni32.const 257\ni32.const 80\ni32.const 5\ncall $put")
	is(0, "i32.const 64\ni32.const 256\ni32.const 80\ni32.const 5\ncall $put")
	for _, key := range []struct{ size, want int64 }{{0, abi.StatusInvalid}, {1, 0}} { // an empty key is none, one of a byte is
		is(key.want, fmt.Sprintf("i32.const 64\ni32.const %d\ni32.const 80\ni32.const 5\ncall $put", key.size))
		is(key.want+key.size*5, fmt.Sprintf("i32.const 64\ni32.const %d\ni32.const 400\ni32.const 5\ncall $get", key.size))
	}
	is(0, "i32.const 64\ni32.const 3\ni32.const 0\ni32.const 0\ncall $put")
	is(abi.StatusNone, "i32.const 64\ni32.const 3\ni32.const 400\ni32.const 9\ncall $get")
	is(0, "i32.const 96\ni32.const 4\ni32.const 80\ni32.const 5\ncall $outbox")
	is(abi.StatusRefused, "i32.const 64\ni32.const 3\ni32.const 80\ni32.const 5\ncall $outbox")
	b.WriteString("i64.const 16\ni64.const 32\ni64.shl\ni64.const 32\ni64.or\nend\n")
	return b.String()
}

func grantAll(m *plugins.Manifest) {
	m.Capabilities = plugins.Capabilities{Log: true, MetricAdd: []plugins.MetricSpec{{Name: "key"}}, Now: true, Lookup: []plugins.LookupQuery{{Name: "q", SQL: "SELECT 1"}}, KV: &plugins.KVGrant{}, Outbox: []string{"desk"}}
}

func servicesOf(d *desk) plugins.Services {
	return plugins.Services{Log: d, Metrics: d, Lookup: d, KV: d, Outbox: outbox{d}}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	d := &desk{kv: map[string]string{}}
	u := mustLoad(t, host(t, wasm.Options{Services: servicesOf(d)}), assemble(t, guest(asks+steps())), grantAll)
	var b abi.Batch
	out, err := call(u, orders(&b, 1))
	if err != nil || len(out.Verdicts) != 1 || out.Verdicts[0].Aux != 0 {
		t.Fatalf("%+v %v", out, err)
	}
	want := []string{"log limit 2 hello  [31m\uFFFD", "metric key 1.5", "lookup 0 0", "outbox desk value"}
	if !slices.Equal(d.lines, want) {
		t.Errorf("%q, want %q", d.lines, want)
	}
	d.fail = errors.New("the disk is gone")
	_, err = call(u, &b)
	if got := kindOf(t, err); got != plugins.FaultHost || !errors.Is(err, d.fail) {
		t.Error(err)
	}
	d.fail = nil
	if _, err := call(u, &b); err != nil {
		t.Error(err)
	}
}

// TestServiceMissing: what the engine does not offer is refused, not a fault.
func TestServiceMissing(t *testing.T) {
	t.Parallel()
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, guest(asks+steps())), grantAll)
	var b abi.Batch
	out, err := call(u, orders(&b, 1))
	if err != nil || len(out.Verdicts) != 1 || out.Verdicts[0].Aux != 2 { // the lookup is the second step
		t.Errorf("%+v %v", out, err)
	}
}

// TestNothingIsGrantedByDefault loads a guest for each capability alone, without any grant.
func TestNothingIsGrantedByDefault(t *testing.T) {
	t.Parallel()
	lines := map[string]string{}
	for line := range strings.Lines(asks) {
		if f := strings.Fields(line); f[0] == "import" {
			lines[f[2]] = line
		}
	}
	if got := slices.Sorted(maps.Keys(lines)); len(got) != len(abi.Capabilities()) {
		t.Fatalf("%v", got)
	}
	for name, line := range lines {
		_, err := load(t, host(t, wasm.Options{}), assemble(t, line+small(accept)), nil)
		if got := kindOf(t, err); got != plugins.FaultDenied || !strings.Contains(err.Error(), "import tg."+name+" is not granted: add capabilities.") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := load(t, host(t, wasm.Options{}), assemble(t, line+small(accept)), grantAll); err != nil {
			t.Errorf("%s, granted: %v", name, err)
		}
	}
}

// TestLogCap: a guest that logs too much still judges.
func TestLogCap(t *testing.T) {
	t.Parallel()
	d := &desk{}
	body := "func $v (i32 i32) -> (i64) (i32) tg_validate\nloop\ni32.const 1\ni32.const 0\ni32.const 5000\ncall $log\nlocal.get 2\ni32.const 1\ni32.add\nlocal.tee 2\ni32.const 500\ni32.lt_u\nbr_if 0\nend\ni64.const 0\nend\n"
	u := mustLoad(t, host(t, wasm.Options{Services: plugins.Services{Log: d}}), assemble(t, "import tg log $log (i32 i32 i32)\n"+small(body)), grantAll)
	var b abi.Batch
	if _, err := call(u, orders(&b, 1)); err != nil {
		t.Fatal(err)
	}
	if len(d.lines) != 64 || len(d.lines[0]) > 1100 {
		t.Errorf("%d lines, the first of %d bytes", len(d.lines), len(d.lines[0]))
	}
}
