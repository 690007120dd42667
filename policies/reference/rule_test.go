package reference_test

import (
	"encoding/json"
	"testing"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/reference"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

// missing answers as the queries of plugin.yaml do: the numbers of the keys that are not among known.
func missing(t *testing.T, name string, known ...any) sdktest.Lookup {
	return sdktest.Lookup{Name: name, Answer: func(args []any) ([]row, error) {
		var keys []any
		if err := json.Unmarshal([]byte(args[0].(string)), &keys); err != nil {
			t.Errorf("the keys are no JSON: %v: %v", args[0], err)
		}
		var out []row
	next:
		for i, k := range keys {
			b, _ := json.Marshal(k)
			for _, have := range known {
				if h, _ := json.Marshal(have); string(h) == string(b) {
					continue next
				}
			}
			out = append(out, row{i})
		}
		return out, nil
	}}
}

func TestRule(t *testing.T) {
	t.Parallel()
	broken := sdktest.Lookup{Name: "account-active", Answer: func([]any) ([]row, error) { return []row{{99}}, nil }}
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: reference.New, Cases: []plugintest.Case{
		{Name: "keys", Lookups: []sdktest.Lookup{missing(t, "account-active", 1, 2), missing(t, "instrument-active", 10), missing(t, "strategy-known", 5)},
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, 10, 5}, row{2, 10, 5}, row{1, nil, 5}).Accepts()
				if h.Lookups() != 3 {
					t.Errorf("%d queries for three references", h.Lookups())
				}
				h.Insert(row{1, 10, 5}, row{3, 10, 5}, row{2, 11, 5}, row{1, 10, 6}).Only(1, 2, 3).
					Rejects(1, 1, "the account does not exist").Rejects(2, 2, "the instrument").Rejects(3, 3, "the strategy")
				h.Insert(row{3, 11, 6}).Rejects(0, 1, "account") // the first of its faults
				h.Insert(row{1.5, 10, 5}, row{[]byte{1}, 10, 5}).Rejects(0, 1000, "neither").Rejects(1, 1000, "a blob of 1 bytes")
				h.Insert(row{nil, nil, nil}).Accepts()
				h.Insert(row{"a\xff", 10, 5}).Rejects(0, 1000, "no UTF-8") // as JSON it would be the key of another row
			}},
		{Name: "keys of several columns and of text", Config: `{"references":[{"columns":["account_id","instrument_id"],"lookup":"account-active","message":"no such pair","code":9,"action":"warn","null":"reject"}]}`,
			Lookups: []sdktest.Lookup{missing(t, "account-active", []any{1, "a\"b"})},
			Test: func(t *testing.T, h *sdktest.Harness) {
				h.Insert(row{1, `a"b`, 0}).Accepts()
				h.Insert(row{1, "c", 0}, row{2, `a"b`, 0}, row{1, nil, 0}).Warns(0, 9, "no such pair").Warns(1, 9, "").Rejects(2, 9, "the key is NULL")
			}},
		{Name: "thousands of keys take one query", Lookups: []sdktest.Lookup{missing(t, "account-active"), missing(t, "instrument-active", 10), missing(t, "strategy-known", 5)},
			Test: func(t *testing.T, h *sdktest.Harness) {
				var rows []row
				for i := range 2000 {
					rows = append(rows, row{i, 10, 5})
				}
				h.Insert(rows...).Rejects(0, 1, "").Within(20_000)
				if h.Lookups() != 3 {
					t.Errorf("%d queries", h.Lookups())
				}
			}},
		{Name: "a query that answers nonsense", Lookups: []sdktest.Lookup{broken, missing(t, "instrument-active"), missing(t, "strategy-known")},
			Test: func(t *testing.T, h *sdktest.Harness) { h.Insert(row{1, 2, 3}).Fails("no number of a key") }},
		{Name: "unknown query", Config: `{"references":[{"columns":["account_id"],"lookup":"none","message":"m"}]}`, Refuses: "config.references[0].lookup: no query"},
		{Name: "unknown column", Config: `{"references":[{"columns":["nobody"],"lookup":"account-active","message":"m"}]}`, Refuses: "no hook has them all"},
		{Name: "nothing", Config: `{"references":[]}`, Refuses: "name at least one"},
	}})
}
