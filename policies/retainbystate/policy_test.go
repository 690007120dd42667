package retainbystate_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/retainbystate"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

func states(args []any) ([]row, error) {
	var ids []int64
	if err := json.Unmarshal([]byte(args[0].(string)), &ids); err != nil {
		return nil, err
	}
	var out []row
	for _, id := range ids {
		if s := map[int64]string{1: "active", 2: "closed", 3: "liquidate_only", 4: "closed", 5: "strange"}[id]; s != "" {
			out = append(out, row{id, s})
		}
	}
	return out, nil
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	lookups := []sdktest.Lookup{{Name: "states", Columns: 2, Answer: states}}
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: retainbystate.New, Cases: []plugintest.Case{
		{Name: "states", Lookups: lookups, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(row{1, 1}, row{2, 2}, row{3, 3}, row{4, 4}, row{5, 5}, row{6, 6}, row{7, nil}, row{8, "2"}, row{9, 2}).
				Only(1, 2, 3, 8).Says(1, abi.Archive, 1, "").Says(2, abi.Hold, 2, "state liquidate_only").Says(8, abi.Archive, 1, "")
			if h.Lookups() != 1 {
				t.Errorf("%d queries for a batch", h.Lookups())
			}
			h.Scan(row{1, nil}).Accepts() // no keys, no question
			if h.Lookups() != 1 {
				t.Errorf("%d queries", h.Lookups())
			}
		}},
		{Name: "delete and keep", Config: `{"states":{"closed":"delete","active":"keep"}}`, Lookups: lookups, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(row{1, 1}, row{2, 2}, row{3, 3}).Only(1).Says(1, abi.Delete, 2, "")
		}},
		{Name: "more keys than are asked about at once", Lookups: []sdktest.Lookup{{Name: "states", Columns: 2, MaxRows: 1024, Answer: func(args []any) ([]row, error) {
			var ids []int64
			if err := json.Unmarshal([]byte(args[0].(string)), &ids); err != nil {
				return nil, err
			}
			out := make([]row, len(ids))
			for i, id := range ids {
				if out[i] = (row{id, "active"}); id >= 1998 {
					out[i] = row{id, "liquidate_only"}
				}
			}
			return out, nil
		}}}, Test: func(t *testing.T, h *sdktest.Harness) {
			rows := make([]row, 2000)
			for i := range rows {
				rows[i] = row{i, i}
			}
			h.Scan(rows...).Only(1998, 1999)
			if h.Lookups() != 2 {
				t.Errorf("%d queries, want 2", h.Lookups())
			}
		}},
		{Name: "a question of several that fails", Lookups: []sdktest.Lookup{{Name: "states", Columns: 2, Answer: func(args []any) ([]row, error) {
			var ids []int64
			if err := json.Unmarshal([]byte(args[0].(string)), &ids); err != nil {
				return nil, err
			}
			if len(ids) == 1024 {
				return nil, errors.New("out of reach")
			}
			return []row{{ids[0], "closed"}}, nil
		}}}, Test: func(t *testing.T, h *sdktest.Harness) {
			rows := make([]row, 1030)
			for i := range rows {
				rows[i] = row{i, i}
			}
			h.Scan(rows...).Fails("") // nothing is known of the first ones, and some may be held
		}},
		{Name: "an answer in part", Lookups: []sdktest.Lookup{{Name: "states", Columns: 2, MaxRows: 1, Answer: states}}, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(row{1, 2}, row{2, 3}).Fails("more rows than its max_rows") // 3 may be one that is held
		}},
		{Name: "two states for a key", Lookups: []sdktest.Lookup{{Name: "states", Columns: 2, Answer: func([]any) ([]row, error) {
			return []row{{1, "closed"}, {1, "closed"}, {2, "liquidate_only"}, {2, "closed"}}, nil
		}}}, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Scan(row{1, 1}).Fails("two states for the key 2") // which of them holds is for the query to say
		}},
		{Name: "no action", Config: `{"states":{"closed":"burn"}}`, Refuses: "none of keep, archive, delete, hold"},
		{Name: "no states", Config: `{"states":{}}`, Refuses: "name at least one"},
	}})
}

func TestWithoutItsQuery(t *testing.T) {
	t.Parallel()
	_, err := sdktest.Configure(t, retainbystate.New(), sdktest.Setup{Config: `{"states":{"closed":"archive"}}`, Hooks: []sdk.Hook{{On: "retain", Table: "orders", Columns: []string{"account_id"}}}})
	if err == nil || !strings.Contains(err.Error(), "the query states is missing") {
		t.Error(err)
	}
}
