package sdk_test

import (
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

func TestHooks(t *testing.T) {
	t.Parallel()
	if got := sdk.NewInstance(&scripted{}, sdk.Services{}).Hooks(); len(got) != 3 {
		t.Errorf("%v", got)
	}
	if got := sdk.NewInstance(&reading{}, sdk.Services{}).Hooks(); len(got) != 2 || got[1] != "notify" {
		t.Errorf("%v", got)
	}
}
