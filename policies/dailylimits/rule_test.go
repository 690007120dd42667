package dailylimits_test

import (
	"math"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/dailylimits"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

func TestRule(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: dailylimits.New, Cases: []plugintest.Case{
		{Name: "rows of a day", Config: `{"max_rows":3}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.At(noon).Insert(row{1, 5}, row{2, 5}).Accepts()
			h.At(noon.Add(time.Hour)).Insert(row{1, 5}, row{1, 5}).Accepts()
			h.At(noon.Add(2*time.Hour)).Insert(row{1, 5}).Only(0).Rejects(0, 1, "row 4 of the account today is over the limit of 3")
			h.At(noon.Add(13 * time.Hour)).Insert(row{1, 5}).Accepts() // tomorrow
			h.At(noon).Insert(row{1, 5}, row{1, 5}, row{1, 5}).Only(2).Rejects(2, 1, "row 4")
			if got := h.Counter("rows"); got != 9 {
				t.Errorf("%v rows are counted", got)
			}
		}},
		{Name: "quantity", Config: `{"max_qty":100,"day_begins_minutes":720}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.At(noon.Add(-time.Minute)).Insert(row{1, 100}).Accepts()
			h.At(noon).Insert(row{1, -60}, row{1, 40}).Accepts()
			h.At(noon).Insert(row{1, 1}, row{2, 1}).Only(0).Rejects(0, 2, "with it the account has 101 today")
			h.At(noon.Add(24*time.Hour)).Insert(row{1, int64(math.MaxInt64)}, row{1, int64(math.MinInt64)}).Rejects(0, 2, "").Rejects(1, 2, "9223372036854775807")
			h.At(time.Unix(0, -1)).Insert(row{3, 1}).Accepts()
		}},
		{Name: "the begin of a day", Config: `{"max_rows":1,"day_begins_minutes":60}`, Test: func(t *testing.T, h *sdktest.Harness) {
			one := time.Date(2026, 1, 2, 1, 0, 0, 0, time.UTC)
			h.At(one.Add(-1)).Insert(row{1, 5}).Accepts()
			h.At(one).Insert(row{1, 5}).Accepts()
			h.At(one.Add(24*time.Hour-1)).Insert(row{1, 5}).Rejects(0, 1, "row 2")
			h.At(one.Add(24 * time.Hour)).Insert(row{1, 5}).Accepts()
			h.At(one.Add(22 * time.Hour)).Insert(row{2, 5}).Accepts()            // 23:00
			h.At(one.Add(23*time.Hour)).Insert(row{2, 5}).Rejects(0, 1, "row 2") // midnight begins nothing
			old := time.Date(1969, 12, 31, 1, 0, 0, 0, time.UTC)
			h.At(old.Add(-1)).Insert(row{3, 5}).Accepts()
			h.At(old).Insert(row{3, 5}).Accepts()
			h.At(old.Add(24*time.Hour-1)).Insert(row{3, 5}).Rejects(0, 1, "row 2")
			h.At(old.Add(24 * time.Hour)).Insert(row{3, 5}).Accepts()
			h.At(old.Add(48 * time.Hour)).Insert(row{3, 5}).Accepts()
		}},
		{Name: "changes", Config: `{"max_rows":2,"max_qty":100}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.At(noon).Insert(row{1, 60}).Accepts()
			h.At(noon).Update(row{1, 40, 1, 60}, row{1, -40, 1, 40}, row{1, 60, 1, 60}).Accepts() // adds nothing, and gives nothing back
			h.At(noon).Update(row{1, 100, 1, 60}).Accepts()
			h.At(noon).Update(row{1, 101, 1, 100}).Rejects(0, 2, "with it the account has 101 today")
			h.At(noon).Update(row{2, 1, 1, 50}, row{2, 1, nil, nil}, row{2, 1, 3, 1}).Only(2).Rejects(2, 1, "row 3") // to another account: a row of that one
			h.At(noon).Update(row{3, int64(math.MaxInt64), 3, int64(math.MinInt64)}).Accepts()
			h.At(noon).Delete(row{1, 50}, row{1, 50}).Accepts()
		}},
		{Name: "more accounts than a call has services", Config: `{"max_rows":1}`, Test: func(t *testing.T, h *sdktest.Harness) {
			rows := make([]row, 4096) // as many as a call has
			for i := range rows {
				rows[i] = row{i, 1}
			}
			h.At(noon).Insert(rows...).Accepts()
			h.At(noon).Insert(rows[4095]).Rejects(0, 1, "row 2")
		}},
		{Name: "no integers", Config: `{"max_rows":1}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(row{"x", 1}, row{nil, 1}, row{1, nil}, row{1, 1.5}, row{1, 1}).Only(0, 1, 2, 3).Rejects(0, 3, "").Rejects(2, 4, "")
		}},
		{Name: "no limit", Config: `{}`, Refuses: "there is no limit"},
		{Name: "other columns", Config: `{"max_rows":1,"columns":{"account":"desk"}}`, Refuses: `"desk" is missing`},
	}})
}
