package plugins_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// calledUnit is a unit that is a function.
type calledUnit func(ctx context.Context, h plugins.Hook, b *abi.Batch, at time.Time) (plugins.Outcome, error)

func (u calledUnit) Call(ctx context.Context, h plugins.Hook, b *abi.Batch, at time.Time) (plugins.Outcome, error) {
	return u(ctx, h, b, at)
}

func (calledUnit) Close() error { return nil }

// opened is a batch as a guest gets it.
func opened(t testing.TB, b *abi.Batch) abi.Rows {
	t.Helper()
	raw, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := abi.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestValuesOfTestCases: what stands in the rows of a test comes to the rule as the value that the table would hold. SQLite has no booleans, so true is 1 and false is 0.
func TestValuesOfTestCases(t *testing.T) {
	t.Parallel()
	m := &plugins.Manifest{Name: "limits", Version: "1.0.0", Hooks: []plugins.HookSpec{{On: "validate", Table: "orders", Columns: []string{"x"}}}}
	day := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	values := []any{nil, 7, int64(-8), uint64(9), true, false, 1.5, "text", []byte("blob"), day}
	row := make([][]any, len(values))
	for i, v := range values {
		row[i] = []any{v}
	}
	m.Tests = []plugins.TestCase{{Rows: row}}
	asked := 0
	err := plugins.RunTests(t.Context(), m, calledUnit(func(_ context.Context, h plugins.Hook, b *abi.Batch, at time.Time) (plugins.Outcome, error) {
		asked++
		rows := opened(t, b)
		if h != plugins.HookValidate || rows.Op() != abi.OpInsert || rows.Len() != len(values) || !at.Equal(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)) {
			t.Errorf("hook %v, %v, %d rows, at %v", h, rows.Op(), rows.Len(), at)
		}
		for i, want := range []struct {
			kind abi.Type
			n    int64
			f    float64
			text string
		}{{kind: abi.Null}, {kind: abi.Integer, n: 7}, {kind: abi.Integer, n: -8}, {kind: abi.Integer, n: 9}, {kind: abi.Integer, n: 1}, {kind: abi.Integer, n: 0}, {kind: abi.Float, f: 1.5},
			{kind: abi.Text, text: "text"}, {kind: abi.Blob, text: "blob"}, {kind: abi.Text, text: "2026-03-04T05:06:07Z"}} {
			c := rows.Cell(i, 0, 0)
			if c.Type() != want.kind || want.kind == abi.Integer && c.Int() != want.n || want.kind == abi.Float && c.Float() != want.f || string(c.Bytes()) != want.text {
				t.Errorf("%v (%T) became a %v: %d, %v, %q", values[i], values[i], c.Type(), c.Int(), c.Float(), c.Bytes())
			}
		}
		return plugins.Outcome{}, nil
	}))
	if err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	for _, v := range []any{uint64(math.MaxInt64) + 1, []any{1}} {
		m.Tests = []plugins.TestCase{{Rows: [][]any{{v}}}}
		var f *plugins.Fault
		if err := plugins.RunTests(t.Context(), m, calledUnit(nil)); !errors.As(err, &f) || f.Kind != plugins.FaultLoad {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// TestTestCasesKeepValues: where a manifest is tried there is no transaction, and what the rule keeps counts as it does in one: neither more nor less goes in, what takes the
// place of a value gives back the room of that, and no test finds what an earlier one has left.
func TestTestCasesKeepValues(t *testing.T) {
	t.Parallel()
	const fit = 10
	value := []byte("twenty bytes of text")
	most := fit * contract.KeptSize("k0", len(value))
	m := &plugins.Manifest{Name: "limits", Version: "1.0.0", Hooks: []plugins.HookSpec{{On: "validate", Table: "orders", Columns: []string{"x"}}}}
	m.Capabilities.KV = &plugins.KVGrant{MaxBytes: most}
	m.Tests = []plugins.TestCase{{Rows: [][]any{{1}}}, {Rows: [][]any{{1}}}}
	host := elsewhere{}
	services := plugins.Services{KV: host}
	asked := 0
	err := plugins.RunTests(t.Context(), m, calledUnit(func(ctx context.Context, _ plugins.Hook, _ *abi.Batch, _ time.Time) (plugins.Outcome, error) {
		asked++
		kv := services.Keep(ctx, m)
		if kv == plugins.KV(host) {
			t.Fatal("the values of a test go to the service of the host")
		}
		put := func(key string, value []byte, want bool) {
			t.Helper()
			if ok, err := kv.Put(ctx, "limits", key, value); ok != want || err != nil {
				t.Errorf("%q: %v, %v", key, ok, err)
			}
		}
		key := func(i int) string { return fmt.Sprintf("k%d", i) }
		if _, ok, err := kv.Get(ctx, "limits", key(0)); ok || err != nil {
			t.Errorf("there is a value already: %v", err)
		}
		put("", nil, false)
		for i := range fit {
			put(key(i), value, true)
		}
		put("kx", nil, false)
		put(key(0), bytes.ToUpper(value), true) // as large as before
		put(key(0), append(value, '.'), false)
		if v, ok, err := kv.Get(ctx, "limits", key(0)); string(v) != "TWENTY BYTES OF TEXT" || !ok || err != nil {
			t.Errorf("%q, %v, %v", v, ok, err)
		}
		for range 2 {
			if err := kv.Delete(ctx, "limits", key(0)); err != nil {
				t.Error(err)
			}
		}
		put("kx", value, true)
		put("ky", nil, false)
		return plugins.Outcome{}, nil
	}))
	if err != nil || asked != 2 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

// elsewhere is where nothing is kept.
type elsewhere struct{}

func (elsewhere) Get(context.Context, string, string) ([]byte, bool, error) { return nil, false, nil }
func (elsewhere) Put(context.Context, string, string, []byte) (bool, error) { return false, nil }
func (elsewhere) Delete(context.Context, string, string) error              { return nil }

// TestWhereValuesAreKept: without a transaction it is the service of the host, and of a plug-in that was not granted values it is, too, so that what it asks is refused there as
// everything else is.
func TestWhereValuesAreKept(t *testing.T) {
	t.Parallel()
	m := &plugins.Manifest{Name: "limits"}
	s := plugins.Services{KV: elsewhere{}}
	if got := s.Keep(t.Context(), m); got != s.KV {
		t.Errorf("%T", got)
	}
	m.Capabilities.KV = &plugins.KVGrant{}
	if got := s.Keep(t.Context(), m); got != s.KV {
		t.Errorf("%T", got)
	}
	if got := (&plugins.Services{}).Keep(t.Context(), m); got != nil {
		t.Errorf("%T", got)
	}
}
