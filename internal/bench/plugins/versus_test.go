package plugins

import (
	"context"
	"os/exec"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/tidegate/engine/internal/bench/plugins/link"
	hosts "github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// TestVersus asks the same rule about the same bytes in three hosts, in turns. Ours meters and bounds what runs; the others do not.
func TestVersus(t *testing.T) {
	ctx := context.Background()
	code := module(t, "guest")
	m := manifest(t, code)
	h, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	unit, err := h.Load(ctx, hosts.Source{Manifest: m, Module: code})
	if err != nil {
		t.Fatal(err)
	}
	defer unit.Close()
	foreign, err := extism.NewPlugin(ctx, extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module(t, "extism")}}}, extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close(ctx)
	client := plugin.NewClient(&plugin.ClientConfig{HandshakeConfig: link.Handshake(), Plugins: link.Plugins(nil), Cmd: exec.Command(build(t, "process", nil)), Logger: hclog.NewNullLogger()})
	defer client.Kill()
	rpc, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := rpc.Dispense(link.Name)
	if err != nil {
		t.Fatal(err)
	}
	process := raw.(link.Judge)
	for _, rows := range []int{1, 1000} {
		var b abi.Batch
		var bytes []byte
		fill := func() {
			b.Reset(abi.OpInsert, 0, 3)
			for i := range rows {
				b.Int(int64(i))
				b.Text("ACME")
				b.Int(int64(1 + i%7))
			}
		}
		best := turns(t, 1,
			func() error {
				fill()
				out, err := unit.Call(ctx, hosts.HookValidate, &b, time.Unix(0, 0))
				if len(out.Verdicts) > 0 {
					t.Error("rows are rejected")
				}
				return err
			},
			func() (err error) {
				fill()
				if bytes, err = b.Append(bytes[:0]); err != nil {
					return err
				}
				code, out, err := foreign.Call("validate", bytes)
				if code != 0 || len(out) > 0 {
					t.Errorf("extism: code %d, %d bytes", code, len(out))
				}
				return err
			},
			func() (err error) {
				fill()
				if bytes, err = b.Append(bytes[:0]); err != nil {
					return err
				}
				out, err := process.Judge(bytes)
				if len(out) > 0 {
					t.Error("go-plugin: rows are rejected")
				}
				return err
			})
		per := func(i int) float64 { return float64(best[i].least.Nanoseconds()) / float64(rows) }
		t.Logf("%d rows: tidegate %.0f ns/row, Extism %.0f (×%.1f), go-plugin %.0f (×%.1f)", rows, per(0), per(1), per(1)/per(0), per(2), per(2)/per(0))
		if per(1) < per(0) || per(2) < per(0) {
			t.Errorf("%d rows: another host is faster", rows)
		}
	}
}
