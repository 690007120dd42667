package retainbysize_test

import (
	"math"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/retainbysize"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

// table answers as a table with the keys 1 … rows would.
func table(bytes, rows int64) []sdktest.Lookup {
	return []sdktest.Lookup{
		{Name: "size", Columns: 2, Answer: func([]any) ([]row, error) { return []row{{bytes, rows}}, nil }},
		{Name: "cutoff", Answer: func(args []any) ([]row, error) {
			if keep := args[0].(int64); keep < rows {
				return []row{{rows - keep}}, nil
			}
			return nil, nil
		}},
	}
}

func scan(from, to int) (out []row) {
	for k := from; k <= to; k++ {
		out = append(out, row{k, "filled"})
	}
	return out
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: retainbysize.New, Cases: []plugintest.Case{
		{Name: "bytes", Config: `{"key":"order_id","max_bytes":1000,"low_bytes":500}`, Lookups: table(1001, 10), Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(scan(1, 10)...).Only(0, 1, 2, 3, 4, 5) // 10 × 500 / 1001 stay
			h.Scan(scan(1, 3)...).Only(0, 1, 2)           // the pieces do not matter
			h.Scan(scan(6, 10)...).Only(0)
			h.Scan(row{1, "new"}, row{"x", "filled"}, row{nil, nil}).Only(0).Says(0, abi.Archive, 1, "")
		}},
		{Name: "not yet too large", Config: `{"key":"order_id","max_bytes":1000,"low_bytes":500}`, Lookups: table(1000, 10), Test: func(t *testing.T, h *sdktest.Harness) {
			if h.Scan(scan(1, 10)...).Accepts(); h.Lookups() != 1 {
				t.Errorf("%d queries", h.Lookups())
			}
		}},
		{Name: "nine tenths stay", Config: `{"key":"order_id","max_bytes":1000}`, Lookups: table(1001, 100), Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(scan(9, 13)...).Only(0, 1, 2) // 100 × 900 / 1001 stay, so that 11 go
		}},
		{Name: "rows", Config: `{"key":"order_id","max_rows":7,"action":"delete"}`, Lookups: table(0, 10), Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(scan(1, 10)...).Only(0, 1, 2).Says(0, abi.Delete, 1, "")
		}},
		{Name: "open rows", Lookups: table(math.MaxInt64, math.MaxInt64), Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(row{1, "new"}, row{2, "filled"}, row{3, nil}).Only(1)
		}},
		{Name: "queries that answer nonsense", Lookups: []sdktest.Lookup{{Name: "size", Columns: 2, Answer: func([]any) ([]row, error) { return []row{{"1", 2}}, nil }}, table(0, 0)[1]},
			Test: func(t *testing.T, h *sdktest.Harness) { h.Scan(scan(1, 2)...).Fails("two integers") }},
		{Name: "a cutoff that is none", Config: `{"key":"order_id","max_rows":1}`, Lookups: []sdktest.Lookup{table(5, 5)[0], {Name: "cutoff", Answer: func([]any) ([]row, error) { return []row{{nil}}, nil }}},
			Test: func(t *testing.T, h *sdktest.Harness) { h.Scan(scan(1, 2)...).Fails("one integer") }},
		{Name: "no limit", Config: `{"key":"order_id"}`, Refuses: "set max_bytes or max_rows"},
		{Name: "low above max", Config: `{"key":"order_id","max_bytes":10,"low_bytes":11}`, Refuses: "is not within 1 and max_bytes"},
	}})
}

// TestWhereverTheStateIs: rows in other states are kept, whichever column of the hook has the state.
func TestWhereverTheStateIs(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, retainbysize.New(), sdktest.Setup{Config: `{"max_rows":1,"only":{"column":"state","values":["done"]}}`, Lookups: table(5, 5),
		Hooks: []sdk.Hook{{On: "retain", Table: "orders", Columns: []string{"state", "id"}}}})
	h.Scan(row{"open", 1}, row{"done", 2}, row{nil, 3}, row{"done", 4}, row{"done", 5}).Only(1, 3)
}

func TestLowOfNothing(t *testing.T) {
	t.Parallel()
	_, err := sdktest.Configure(t, retainbysize.New(), sdktest.Setup{Config: `{"max_bytes":10,"low_bytes":0}`, Lookups: table(5, 5), Hooks: []sdk.Hook{{On: "retain", Table: "orders", Columns: []string{"id"}}}})
	if err == nil || !strings.Contains(err.Error(), "is not within 1 and max_bytes") {
		t.Error(err)
	}
}
