package plugintest

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

// manifestTests runs the cases of plugin.yaml.
func (s *suite) manifestTests(t *testing.T) {
	forms, _, errs := s.open(t, Case{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	c := forms[0].m.Capabilities
	if len(forms[0].m.Tests) == 0 && len(c.Lookup) == 0 && len(c.Outbox) == 0 { // what asks the engine for something has nobody to answer it ahead of a load
		t.Error("plugin.yaml has no tests: an engine runs them ahead of each load")
	}
	for _, f := range forms {
		if err := plugins.RunTests(context.Background(), f.m, f.unit); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

// answers are what queries say to nonsense: whatever it is, the two must make the same of it.
func answers(m *plugins.Manifest) []sdktest.Lookup {
	var out []sdktest.Lookup
	for _, q := range m.Capabilities.Lookup {
		out = append(out, sdktest.Lookup{Name: q.Name, Columns: 3, Answer: func(args []any) ([]sdktest.Row, error) {
			text := ""
			if len(args) > 0 {
				text, _ = args[0].(string)
			}
			rnd := rand.New(rand.NewPCG(uint64(len(text)), 1)) // the same question gets the same answer
			rows := make([]sdktest.Row, rnd.IntN(3))
			for i := range rows {
				rows[i] = sdktest.Row{cell(rnd), cell(rnd), cell(rnd)}
			}
			return rows, nil
		}})
	}
	return out
}

// cell is a value that no one expects.
func cell(r *rand.Rand) any {
	switch r.IntN(12) {
	case 0:
		return nil
	case 1:
		return []any{int64(math.MaxInt64), int64(math.MinInt64), int64(-1), int64(0)}[r.IntN(4)]
	case 2:
		return []any{math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, -0.0}[r.IntN(5)]
	case 3:
		return []any{"", "\xff\xfe", "nul\x00byte", "a\nb", strings.Repeat("é", 300), "filled", "closed"}[r.IntN(7)]
	case 4:
		return []byte{0, 1, 2, 255}[:r.IntN(5)]
	case 5:
		return r.Float64() * 1000
	case 6:
		return r.Int64()
	}
	return r.Int64N(100) - 10
}

// nonsense asks both forms about rows of any type, of any operation, up to the size of a large statement: neither may break, and both must say the same.
func (s *suite) nonsense(t *testing.T) {
	m := Manifest(t, s.p.Dir, "policy", nil)
	forms, setup, errs := s.open(t, Case{Lookups: answers(m)})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, f := range forms {
		rnd := rand.New(rand.NewPCG(1, 2))
		h := sdktest.With(t, setup, f.w, f)
		for _, size := range []int{1, 2, 7, 64, 500, 4096} {
			for i := range m.Hooks {
				for _, r := range ask(h.On(i), m.Hooks[i], rnd, size) {
					if r.Err != nil && !strings.Contains(r.Err.Error(), plugins.FaultFailed.String()) {
						t.Errorf("%s, %d rows: %v", f.name, size, r.Err)
					}
				}
			}
		}
	}
	compare(t, forms[0], forms[1])
}

// ask asks about rows of nonsense in every way that a hook can be asked.
func ask(h *sdktest.Harness, hook plugins.HookSpec, rnd *rand.Rand, size int) []*sdktest.Result {
	cols := len(hook.Columns)
	if hook.On == "notify" {
		cols = len(abi.AlertColumns())
	}
	rows := func(values int) []sdktest.Row {
		out := make([]sdktest.Row, size)
		for i := range out {
			for range values {
				out[i] = append(out[i], cell(rnd))
			}
		}
		return out
	}
	switch hook.On {
	case "retain":
		return []*sdktest.Result{h.Scan(rows(cols)...)}
	case "notify":
		alerts := make([]sdk.Alert, min(size, 64)) // a host gives a sink few at a time
		for i, r := range rows(cols)[:len(alerts)] {
			id, _ := r[0].(int64)
			title, _ := r[1].(string)
			value, known := r[2].(float64)
			alerts[i] = sdk.Alert{ID: id, Rule: title, Title: title, Body: title + title, Firing: id%2 == 0, Severity: sdk.Severity(id & 3), Value: value, Known: known}
		}
		return []*sdktest.Result{h.Alerts(alerts...)}
	}
	return []*sdktest.Result{h.Insert(rows(cols)...), h.Delete(rows(cols)...), h.Update(rows(2 * cols)...)}
}

// receipts runs the module twice from the start on the same questions: a receipt promises that its batch, its module and its configuration give the same bits
// again, fuel included.
func (s *suite) receipts(t *testing.T) {
	m := Manifest(t, s.p.Dir, "policy", nil)
	var fuel [2][]int64
	var runs [2]*form
	for i := range runs {
		forms, setup, errs := s.open(t, Case{Lookups: answers(m)})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		runs[i] = forms[1]
		rnd := rand.New(rand.NewPCG(3, 4))
		h := sdktest.With(t, setup, runs[i].w, runs[i])
		for _, size := range []int{1, 20, 300} {
			for k := range m.Hooks {
				for _, r := range ask(h.On(k), m.Hooks[k], rnd, size) {
					fuel[i] = append(fuel[i], r.Fuel)
				}
			}
		}
	}
	compare(t, runs[0], runs[1])
	for i := range fuel[0] {
		if fuel[0][i] != fuel[1][i] || fuel[0][i] == 0 {
			t.Errorf("question %d burnt %d and %d units of fuel", i, fuel[0][i], fuel[1][i])
		}
	}
}
