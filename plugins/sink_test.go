package plugins_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

// unitHost loads one unit.
type unitHost struct{ u plugins.Unit }

func (h unitHost) Load(context.Context, plugins.Source) (plugins.Unit, error) { return h.u, nil }

// TestSink: alerts come to the version in service as the columns of the ABI, under the number of its hook.
func TestSink(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	asked := 0
	unit := calledUnit(func(_ context.Context, h plugins.Hook, b *abi.Batch, when time.Time) (plugins.Outcome, error) {
		asked++
		rows := opened(t, b)
		if h != plugins.HookNotify || rows.Op() != abi.OpNotify || rows.Schema() != 1 || rows.Columns() != len(abi.AlertColumns()) || rows.Len() != 2 || !when.Equal(at) {
			t.Fatalf("%v: %v of hook %d, %d columns, %d rows, at %v", h, rows.Op(), rows.Schema(), rows.Columns(), rows.Len(), when)
		}
		id, title := slices.Index(abi.AlertColumns(), "id"), slices.Index(abi.AlertColumns(), "title")
		for i, want := range []string{"first", "second"} {
			if n, _ := rows.Int(i, 0, id); n != int64(i+1) {
				t.Errorf("row %d is alert %d", i, n)
			}
			if c := rows.Cell(i, 0, title); c.Text() != want {
				t.Errorf("row %d has the title %q", i, c.Text())
			}
		}
		return plugins.Outcome{Verdicts: []plugins.Verdict{{Row: 1, Action: abi.Retry}}}, nil
	})
	r := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": unitHost{unit}}})
	defer r.Close()
	s := r.Sink("desk")
	alerts := []sdk.Alert{{ID: 1, Title: "first", Firing: true}, {ID: 2, Title: "second"}}
	if _, err := s.Notify(t.Context(), alerts, at); !errors.Is(err, plugins.ErrState) {
		t.Errorf("not in service: %v", err)
	}
	if got := s.Identity(); got != (plugins.Identity{Name: "desk"}) || len(r.Sinks()) != 0 {
		t.Errorf("%+v, %q", got, r.Sinks())
	}
	rule := plugins.HookSpec{On: "validate", Table: "orders", Columns: []string{"id"}}
	for _, m := range []*plugins.Manifest{{Name: "rule", Version: "1.0.0", ABI: 1, Hooks: []plugins.HookSpec{rule}}, {Name: "desk", Version: "1.0.0", ABI: 1, Hooks: []plugins.HookSpec{rule, {On: "notify"}}}} {
		if _, err := r.Load(t.Context(), m, []byte("good")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Sink("rule").Notify(t.Context(), alerts, at); !errors.Is(err, plugins.ErrState) || asked != 0 {
		t.Errorf("a rule takes alerts: %v", err)
	}
	out, err := s.Notify(t.Context(), alerts, at)
	if err != nil || asked != 1 || len(out.Verdicts) != 1 || out.Verdicts[0].Row != 1 {
		t.Errorf("%+v, %v, asked %d times", out, err, asked)
	}
	if got := s.Identity(); got.Name != "desk" || got.Version != "1.0.0" || got.Module == "" {
		t.Errorf("%+v", got)
	}
	if got := r.Sinks(); !slices.Equal(got, []string{"desk"}) {
		t.Errorf("%q", got)
	}
}
