package orderlimits_test

import (
	"math"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/orderlimits"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

func TestRule(t *testing.T) {
	t.Parallel()
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: orderlimits.New, Cases: []plugintest.Case{
		{Name: "scopes", Config: `{"limits":[{"max_qty":100},{"instrument":2,"max_qty":50,"min_qty":10},{"account":7,"max_qty":70},{"account":7,"instrument":2,"max_qty":60}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 100, 5, nil}, row{7, 1, 70, 5, nil}, row{7, 2, 60, 5, nil}, row{1, 2, 50, 5, nil}).Accepts().Within(30_000)
				h.Insert(row{1, 1, 101, 5, nil}, row{7, 1, 71, 5, nil}, row{7, 2, 61, 5, nil}, row{1, 2, 51, 5, nil}).
					Rejects(0, 1, "over the limit of 100").Rejects(1, 1, "of 70").Rejects(2, 1, "of 60").Rejects(3, 1, "of 50")
				h.Insert(row{7, 2, 9, 5, nil}).Rejects(0, 1, "under the minimum of 10") // the instrument's minimum stands where the pair sets none
				h.Insert(row{1, 1, -100, 5, nil}).Accepts()
				h.Insert(row{1, 1, -101, 5, nil}, row{1, 1, int64(math.MinInt64), 5, nil}).Rejects(0, 1, "over the limit of 100").Rejects(1, 1, "of 100")
				h.Update(row{1, 1, 101, 5, nil, 1, 1, 100, 5, nil}).Rejects(0, 1, "qty 101")
				h.Update(row{1, 1, 99, 5, nil, 1, 1, 101, 5, nil}).Accepts() // the old row is not judged
			}},
		{Name: "instruments that share a place in memory", Config: `{"limits":[{"instrument":5,"max_qty":10},{"instrument":1029,"max_qty":1000},{"account":1,"instrument":2053,"max_qty":20}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 5, 11, 5, nil}, row{1, 1029, 11, 5, nil}, row{1, 5, 11, 5, nil}, row{1, 2053, 21, 5, nil}, row{1, 1029, 1000, 5, nil}, row{2, 2053, 21, 5, nil}, row{1, 1029, 1001, 5, nil}, row{1, 5, 10, 5, nil}).
					Only(0, 2, 3, 6).Rejects(0, 1, "of 10").Rejects(3, 1, "of 20").Rejects(6, 1, "of 1000")
			}},
		{Name: "both sides", Config: `{"limits":[{"min_qty":-20,"max_qty":10}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 10, 5, nil}, row{1, 1, -20, 5, nil}).Accepts()
				h.Insert(row{1, 1, 11, 5, nil}, row{1, 1, -21, 5, nil}).Rejects(0, 1, "over the limit of 10").Rejects(1, 1, "under the minimum of -20")
			}},
		{Name: "an answer in part", Config: `{"limits":[{"band_bps":100}],"reference":"mark","require_reference":false}`,
			Lookups: []sdktest.Lookup{{Name: "marks", Columns: 2, MaxRows: 1, Answer: func([]any) ([]row, error) { return []row{{1, 1000}, {2, 1000}}, nil }}},
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{9, 1, 1, 1010, 5}, row{9, 2, 1, 5000, 5}).Fails("more rows than its max_rows")
			}},
		{Name: "notional", Config: `{"limits":[{"max_notional":1000}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 10, 100, nil}, row{1, 1, 10, nil, 100}, row{1, 1, 10, -100, nil}).Accepts()
				h.Insert(row{1, 1, 10, 101, nil}, row{1, 1, 10, nil, 101}, row{1, 1, 10, -101, nil}).Rejects(0, 2, "10 at 101").Rejects(1, 2, "").Rejects(2, 2, "")
				big := int64(1) << 32
				h.Insert(row{1, 1, big, big, nil}, row{1, 1, int64(math.MaxInt64), int64(math.MaxInt64), nil}, row{1, 1, 3, int64(math.MinInt64), nil}).
					Rejects(0, 2, "").Rejects(1, 2, "").Rejects(2, 2, "") // 2^64 is 0 in 64 bits
				h.Insert(row{1, 1, 10, nil, nil}).Rejects(0, 5, "nothing to measure")
			}},
		{Name: "price and band", Config: `{"limits":[{"min_price":50,"max_price":200},{"instrument":3,"band_bps":100}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 1, 50, nil}, row{1, 1, 1, 200, nil}, row{1, 1, 1, nil, nil}, row{1, 3, 1, 101, 100}, row{1, 3, 1, 99, 100}).Accepts()
				h.Insert(row{1, 1, 1, 49, nil}, row{1, 1, 1, 201, nil}, row{1, 3, 1, 102, 100}, row{1, 3, 1, 98, 100}, row{1, 3, 1, 98, nil}).
					Rejects(0, 3, "within 50 and 200").Rejects(1, 3, "").Rejects(2, 4, "100 bps from 100").Rejects(3, 4, "").Rejects(4, 5, "")
			}},
		{Name: "negative and extreme references", Config: `{"limits":[{"band_bps":100}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 1, -3763, -3750}).Accepts() // oil, 20 April 2020
				h.Insert(row{1, 1, 1, 3763, -3750}, row{1, 1, 1, int64(math.MinInt64), int64(math.MaxInt64)}, row{1, 1, 1, 1, 0}).
					Rejects(0, 4, "").Rejects(1, 4, "").Rejects(2, 4, "")
				h.Insert(row{1, 1, 1, int64(math.MinInt64), int64(math.MinInt64)}, row{1, 1, 1, 0, 0}).Accepts()
			}},
		{Name: "marks", Config: `{"limits":[{"band_bps":100}],"reference":"mark"}`,
			Lookups: []sdktest.Lookup{{Name: "marks", Columns: 2, Answer: func(args []any) ([]row, error) {
				if args[0] != "[1,2]" {
					return nil, nil
				}
				return []row{{1, 1000}}, nil
			}}},
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{9, 1, 1, 1010, 5}, row{9, 2, 1, 1010, 1010}, row{9, 1, 1, 1011, 1011}).Only(1, 2).
					Rejects(1, 5, "nothing to measure").Rejects(2, 4, "from 1000") // what the order says of the market does not count
				if h.Lookups() != 1 {
					t.Errorf("%d queries for a batch", h.Lookups())
				}
				h.Insert(row{9, 3, 1, 1010, 5}).Rejects(0, 5, "") // the mark of an earlier batch is forgotten
			}},
		{Name: "without a reference", Config: `{"limits":[{"band_bps":100,"max_notional":1000}],"require_reference":false}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 10, 100, nil}, row{1, 1, 10, nil, nil}).Accepts()
				h.Insert(row{1, 1, 10, 101, nil}).Rejects(0, 2, "")
			}},
		{Name: "values of other types", Config: `{"limits":[{"max_qty":100}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 1.5, 5, nil}, row{1, 1, "1", 5, nil}, row{1, 1, nil, 5, nil}, row{1, 1, 1, "5", nil}).
					Rejects(0, 6, "quantity").Rejects(1, 6, "quantity").Rejects(2, 6, "quantity").Rejects(3, 6, "price")
			}},
		{Name: "keys that are none", Config: `{"limits":[{"account":7,"max_qty":5},{"instrument":3,"max_qty":50}]}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{nil, 1, 6, 5, nil}, row{7.0, 1, 6, 5, nil}, row{"7", 1, 6, 5, nil}, row{8, []byte("3"), 51, 5, nil}, row{8, nil, 51, 5, nil}, row{8, 4, 51, 5, nil}).
					Only(0, 1, 2, 3, 4).Rejects(0, 6, "the account is no integer").Rejects(1, 6, "").Rejects(2, 6, "").Rejects(3, 6, "the instrument is no integer").Rejects(4, 6, "")
				h.Delete(row{7, 3, 1000, 5, nil}).Accepts() // what goes is over no limit
			}},
		{Name: "references that are none", Config: `{"limits":[{"band_bps":100}],"require_reference":false}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 1, 1, 5000, 100.0}, row{1, 1, 1, 5000, "100"}, row{1, 1, 1, 5000, nil}).Only(0, 1).Rejects(0, 6, "the reference price is no integer").Rejects(1, 6, "")
			}},
		{Name: "marks that are none", Config: `{"limits":[{"band_bps":100}],"reference":"mark","require_reference":false}`,
			Lookups: []sdktest.Lookup{{Name: "marks", Columns: 2, Answer: func([]any) ([]row, error) { return []row{{1, 1000.5}, {2, nil}}, nil }}},
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{9, 1, 1, 5000, 5}, row{9, 2, 1, 5000, 5}).Only(0).Rejects(0, 6, "the mark of the instrument is no integer")
			}},
		{Name: "no limits", Config: `{"limits":[]}`, Refuses: "name at least one"},
		{Name: "twice", Config: `{"limits":[{"account":1},{"account":1}]}`, Refuses: "config.limits[1]: there is a limit for this account"},
		{Name: "no order could pass", Config: `{"limits":[{"min_qty":2,"max_qty":1}]}`, Refuses: "no order could pass"},
		{Name: "unknown key", Config: `{"limits":[{"max_quantity":1}]}`, Refuses: "max_quantity: unknown"},
	}})
}

func TestMissingColumns(t *testing.T) {
	t.Parallel()
	_, err := sdktest.Configure(t, orderlimits.New(), sdktest.Setup{Config: `{"limits":[{"account":1}]}`, Hooks: hooks("orders", "qty")})
	for _, part := range []string{`"limit_px" is missing`, "name an account"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
}

// TestMissingInstrument: limits or marks by instrument need to know it.
func TestMissingInstrument(t *testing.T) {
	t.Parallel()
	for _, config := range []string{`{"limits":[{"instrument":1,"max_qty":1}]}`, `{"limits":[{"band_bps":1}],"reference":"mark"}`} {
		_, err := sdktest.Configure(t, orderlimits.New(), sdktest.Setup{Config: config, Hooks: hooks("orders", "qty", "limit_px", "account_id"), Lookups: []sdktest.Lookup{{Name: "marks", Columns: 2}}})
		if err == nil || !strings.Contains(err.Error(), "instruments are told apart") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// TestLimitsBelowNothing: the rule itself refuses what the schema of plugin.yaml refuses, for who loads it without that one.
func TestLimitsBelowNothing(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{`{"max_notional":-1}`, `{"band_bps":-1}`} {
		_, err := sdktest.Configure(t, orderlimits.New(), sdktest.Setup{Config: `{"limits":[` + limit + `]}`, Hooks: hooks("orders", "qty", "limit_px", "account_id", "instrument_id", "arrival_px")})
		if err == nil || !strings.Contains(err.Error(), "are not negative") {
			t.Errorf("%s: %v", limit, err)
		}
	}
}
