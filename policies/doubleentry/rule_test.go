package doubleentry_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/doubleentry"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

// balances answers as the table would where these bookings stand as given, by "[booking,currency]".
func balances(t *testing.T, stand map[string]int64) sdktest.Lookup {
	return sdktest.Lookup{Name: "unbalanced", Columns: 2, Answer: func(args []any) ([]row, error) {
		var keys []json.RawMessage
		if err := json.Unmarshal([]byte(args[0].(string)), &keys); err != nil {
			t.Errorf("the keys are no JSON: %v", err)
		}
		var out []row
		for i, k := range keys {
			if sum := stand[string(k)]; sum != 0 {
				out = append(out, row{i, sum})
			}
		}
		return out, nil
	}}
}

func TestRule(t *testing.T) {
	t.Parallel()
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: doubleentry.New, Cases: []plugintest.Case{
		{Name: "without a question", Lookups: []sdktest.Lookup{balances(t, nil)}, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(row{1, "EUR", 100}, row{2, "EUR", -5}, row{1, "EUR", -100}, row{2, "EUR", 5}).Accepts()
			h.Update(row{1, "EUR", 7, 1, "EUR", 5}, row{1, "EUR", -7, 1, "EUR", -5}).Accepts()
			h.Delete(row{1, "EUR", 7}, row{1, "EUR", -7}).Accepts()
			if h.Lookups() != 0 {
				t.Errorf("%d queries about batches that balance by themselves", h.Lookups())
			}
			h.Insert(row{1, "EUR", 7}).Accepts() // the table says that another call of this transaction has made up for it
			if h.Lookups() != 1 {
				t.Errorf("%d queries about a batch that does not", h.Lookups())
			}
		}},
		{Name: "unbalanced", Lookups: []sdktest.Lookup{balances(t, map[string]int64{`[1,"EUR"]`: 1, `["b","USD"]`: -7})}, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(row{3, "EUR", 1}, row{1, "EUR", 100}, row{1, "EUR", -99}).Only(2).Rejects(2, 1, "booking 1 in EUR does not balance: the amounts add up to 1")
			h.Insert(row{"b", "USD", -7}).Rejects(0, 1, "booking b in USD")
			h.Insert(row{1, "EUR", 5}, row{1, "USD", -5}).Rejects(0, 1, "in EUR") // currencies do not make up for each other
			h.Update(row{3, "EUR", 5, 1, "EUR", 5}).Rejects(0, 1, "booking 1")    // moved to another booking
			h.Delete(row{1, "EUR", 1}).Rejects(0, 1, "booking 1")
			h.Update(row{1, "EUR", -5, 1, "EUR", 5}).Rejects(0, 1, "booking 1") // what was there counts against it
		}},
		{Name: "sums that wrap around", Lookups: []sdktest.Lookup{balances(t, map[string]int64{`[1,"EUR"]`: 42})}, Test: func(t *testing.T, h *sdktest.Harness) {
			const big = int64(math.MinInt64)
			h.Insert(row{1, "EUR", big}, row{1, "EUR", big}).Rejects(1, 1, "add up to 42") // 2 × -2^63 is 0 in 64 bits
			h.Insert(row{2, "EUR", big}, row{2, "EUR", int64(math.MaxInt64)}, row{2, "EUR", 1}).Accepts()
		}},
		{Name: "values that cannot be booked", Lookups: []sdktest.Lookup{balances(t, nil)}, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(row{1, "EUR", 1.0}, row{1, "EUR", "1"}, row{1, "EUR", nil}, row{nil, "EUR", 1}, row{1, nil, 1}, row{1.5, "EUR", 1}).Only(0, 1, 2, 3, 4, 5).Rejects(5, 2, "no key")
			h.Update(row{1, "EUR", 1, 1, "EUR", 1.5}).Rejects(0, 2, "by hand")
			// A text that is no UTF-8 cannot be written as JSON, so the query would be asked about another booking; no currency is that of a table without one.
			h.Insert(row{"\xff", "EUR", 1}, row{1, "\xfe", 1}, row{1, "", 1}).Only(0, 1, 2).Rejects(0, 2, "no key").Rejects(1, 2, "").Rejects(2, 2, "")
		}},
		{Name: "a query that answers nonsense", Lookups: []sdktest.Lookup{{Name: "unbalanced", Answer: func([]any) ([]row, error) { return []row{{"x"}}, nil }}},
			Test: func(t *testing.T, h *sdktest.Harness) { h.Insert(row{1, "EUR", 1}).Fails("no number of a booking") }},
		{Name: "unknown column", Config: `{"columns":{"amount":"money"}}`, Refuses: `"money" is missing`},
	}})
}

func TestOneCurrency(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, doubleentry.New(), sdktest.Setup{Hooks: []sdk.Hook{{Table: "journal", When: "commit", Columns: []string{"booking_id", "amount"}}},
		Lookups: []sdktest.Lookup{balances(t, map[string]int64{`[1,""]`: 2})}})
	h.Insert(row{1, 4}, row{1, -2}).Rejects(1, 1, "booking 1 does not balance: the amounts add up to 2")
	h.Insert(row{1, 4}, row{1, -4}).Accepts()
}

func TestStatementIsNoMomentToBalance(t *testing.T) {
	t.Parallel()
	_, err := sdktest.Configure(t, doubleentry.New(), sdktest.Setup{Hooks: []sdk.Hook{{Table: "journal", Columns: []string{"booking_id", "amount"}}}})
	if err == nil {
		t.Error("a hook at the statement was taken")
	}
}

// TestOneTable: the query asks one table, so that bookings of another would be judged by it.
func TestOneTable(t *testing.T) {
	t.Parallel()
	hook := sdk.Hook{Table: "journal", When: "commit", Columns: []string{"booking_id", "amount"}}
	other := hook
	other.Table = "more"
	for want, s := range map[string]sdktest.Setup{
		"serves one hook":                 {Hooks: []sdk.Hook{hook, other}, Lookups: []sdktest.Lookup{balances(t, nil)}},
		"the query unbalanced is missing": {Hooks: []sdk.Hook{hook}},
	} {
		if _, err := sdktest.Configure(t, doubleentry.New(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
