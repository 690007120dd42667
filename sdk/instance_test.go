package sdk_test

import (
	"fmt"
	"testing"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

// FuzzInstance gives an instance bytes that no host would: it answers with a block of the ABI, and never breaks.
func FuzzInstance(f *testing.F) {
	var b abi.Batch
	b.Reset(abi.OpUpdate, 0, 2)
	for range 4 {
		b.Text("x")
	}
	good, err := b.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, full, "validate")
	f.Add(good[:40], full, "retain")
	f.Add([]byte("TGB1"), `{"schemas":[{"id":0,"on":"notify","columns":["a"]}]}`, "notify")
	f.Fuzz(func(t *testing.T, raw []byte, doc, on string) {
		read := func(b *sdk.Batch) (n int64) {
			for row := range b.Len() {
				for col := -1; col <= len(b.Hook().Columns); col++ {
					n += b.Cell(row, col).Int() + int64(len(b.Old(row, col).Text()))
				}
				_ = b.Alert(row)
			}
			return n
		}
		p := &scripted{
			validate: func(b *sdk.Batch, v *sdk.Verdicts) error { v.Reject(int(read(b)&3), 0, 1, "x"); return nil },
			retain:   func(b *sdk.Batch, a *sdk.Actions) error { read(b); a.Delete(0, 1, "x"); return nil },
			notify:   func(b *sdk.Batch, d *sdk.Deliveries) error { read(b); d.Drop(0, "x"); return nil },
		}
		in := sdk.NewInstance(p, sdk.Services{})
		check(t, in.Configure([]byte(doc)), 0, 0)
		rows, err := abi.Open(raw)
		block := in.Call(on, raw, 0)
		if err != nil {
			if kind := check(t, block, 0, 0); kind != abi.Failure {
				t.Errorf("bytes that are no batch gave a block of kind %d", kind)
			}
			return
		}
		check(t, block, rows.Len(), rows.Columns())
	})
}

func check(t *testing.T, block []byte, rows, cols int) abi.Kind {
	t.Helper()
	if block == nil {
		return 0
	}
	kind, _, err := abi.DecodeBlock(nil, block, rows, cols)
	if err != nil {
		t.Errorf("a block that no host takes: %v", err)
	}
	return kind
}

func TestAskedBeforeConfigured(t *testing.T) {
	t.Parallel()
	in := sdk.NewInstance(&scripted{}, sdk.Services{})
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 1)
	b.Int(1)
	raw, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if kind := check(t, in.Call("validate", raw, 0), 1, 1); kind != abi.Failure {
		t.Errorf("kind %d, want a failure", kind)
	}
}

// TestBatchOfAnotherHook: what is asked under the wrong name or with other columns is not judged at all.
func TestBatchOfAnotherHook(t *testing.T) {
	t.Parallel()
	asked := 0
	p := &scripted{
		validate: func(*sdk.Batch, *sdk.Verdicts) error { asked++; return nil },
		retain:   func(*sdk.Batch, *sdk.Actions) error { asked++; return nil },
		notify:   func(*sdk.Batch, *sdk.Deliveries) error { asked++; return nil },
	}
	in := sdk.NewInstance(p, sdk.Services{})
	if block := in.Configure([]byte(`{"schemas":[{"id":0,"table":"a","on":"validate","columns":["x","y"]},{"id":1,"table":"a","on":"retain","columns":["x"]}]}`)); block != nil {
		t.Fatalf("%q", block)
	}
	for _, c := range []struct {
		on      string
		hook    uint32
		columns int
		good    bool
	}{
		{"validate", 0, 2, true}, {"retain", 1, 1, true}, {"validate", 0, 1, false}, {"validate", 0, 3, false}, {"retain", 0, 2, false}, {"validate", 1, 1, false}, {"notify", 0, 2, false},
		{"validate", 2, 2, false}, {"validate", 1 << 31, 2, false}, {"think", 0, 2, false},
	} {
		var b abi.Batch
		b.Reset(abi.OpInsert, c.hook, c.columns)
		for range c.columns {
			b.Int(1)
		}
		raw, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		asked = 0
		kind := check(t, in.Call(c.on, raw, 0), 1, c.columns)
		if c.good != (asked == 1) || c.good == (kind == abi.Failure) {
			t.Errorf("%+v: asked %d times, kind %d", c, asked, kind)
		}
	}
}

// The halves of a plug-in.
type (
	validates struct{}
	retains   struct{}
	notifies  struct{}
)

func (validates) Validate(*sdk.Batch, *sdk.Verdicts) error { return nil }
func (retains) Retain(*sdk.Batch, *sdk.Actions) error      { return nil }
func (notifies) Notify(*sdk.Batch, *sdk.Deliveries) error  { return nil }

// TestHooks: a plug-in serves the hooks that it implements and no other.
func TestHooks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plugin any
		want   string
	}{{validates{}, "[validate]"}, {retains{}, "[retain]"}, {notifies{}, "[notify]"}, {&reading{}, "[validate notify]"}, {&scripted{}, "[validate retain notify]"}, {nil, "[]"}} {
		if got := fmt.Sprint(sdk.NewInstance(c.plugin, sdk.Services{}).Hooks()); got != c.want {
			t.Errorf("%T: %s, want %s", c.plugin, got, c.want)
		}
	}
}
