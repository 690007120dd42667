package retainbyage_test

import (
	"math"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/retainbyage"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

func TestPolicy(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) int64 { return now.Add(-d).UnixNano() }
	const day = 24 * time.Hour
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: retainbyage.New, Cases: []plugintest.Case{
		{Name: "ages", Config: `{"archive_after":"90d","delete_after":"365d"}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.At(now).Scan(row{1, ago(90 * day), ""}, row{2, ago(90*day + 1), ""}, row{3, ago(365 * day), ""}, row{4, ago(365*day + 1), ""}, row{5, ago(-day), ""},
				row{6, nil, ""}, row{7, "2020-01-01", ""}, row{8, 1.5, ""}, row{9, int64(math.MinInt64), ""}, row{10, int64(math.MaxInt64), ""}, row{11, ago(0), ""}, row{12, ago(-1), ""}).
				Only(1, 2, 3, 8).Says(1, abi.Archive, 1, "").Says(2, abi.Archive, 1, "").Says(3, abi.Delete, 2, "").Says(8, abi.Delete, 2, "").Within(20_000)
		}},
		{Name: "units that cannot be", Config: `{"archive_after":"1d","unit":"s"}`, Test: func(t *testing.T, h *sdktest.Harness) {
			s := now.Unix()
			h.At(now).Scan(row{1, s - 86400, ""}, row{2, s - 86401, ""}, row{3, ago(1000 * day), ""}, row{4, -ago(1000 * day), ""}).Only(1) // nanoseconds taken for seconds are far away, and are kept
		}},
		{Name: "open rows", Test: func(t *testing.T, h *sdktest.Harness) {
			h.At(now).Scan(row{1, ago(900 * day), "new"}, row{2, ago(900 * day), "filled"}, row{3, ago(900 * day), nil}, row{4, ago(900 * day), "expired"}).Only(1, 3)
		}},
		{Name: "nothing to do", Config: `{}`, Refuses: "set archive_after or delete_after"},
		{Name: "everything", Config: `{"archive_after":"0d"}`, Refuses: "would take every row"},
		{Name: "deleted before it is archived", Config: `{"archive_after":"2d","delete_after":"1d"}`, Refuses: "is not longer than archive_after"},
		{Name: "half a condition", Config: `{"archive_after":"2d","only":{"column":"state"}}`, Refuses: "column and values go together"},
		{Name: "no duration", Config: `{"archive_after":"90 days"}`, Refuses: "no duration such as 90d"},
	}})
}

// TestWhereverTheStateIs: rows in other states are kept, whichever column of the hook has the state.
func TestWhereverTheStateIs(t *testing.T) {
	t.Parallel()
	for _, columns := range [][]string{{"state", "ts_event"}, {"ts_event", "state"}} {
		h := sdktest.New(t, retainbyage.New(), sdktest.Setup{Config: `{"delete_after":"1d","only":{"column":"state","values":["done"]}}`, Hooks: []sdk.Hook{{On: "retain", Table: "orders", Columns: columns}}})
		rows := []row{{"open", int64(1)}, {"done", int64(1)}, {nil, int64(1)}}
		if columns[0] != "state" {
			for _, r := range rows {
				r[0], r[1] = r[1], r[0]
			}
		}
		h.Scan(rows...).Only(1).Says(1, abi.Delete, 2, "")
	}
}
