package tradingcalendar_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/tradingcalendar"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

func ns(t testing.TB, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixNano()
}

func venues(args []any) ([]row, error) {
	var ids []int64
	if err := json.Unmarshal([]byte(args[0].(string)), &ids); err != nil {
		return nil, err
	}
	var out []row
	for _, id := range ids {
		if name := map[int64]string{1: "XNYS", 2: "BINANCE", 3: "XLON"}[id]; name != "" {
			out = append(out, row{id, name})
		}
	}
	return out, nil
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	lookups := []sdktest.Lookup{{Name: "venues", Columns: 2, Answer: venues}}
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: tradingcalendar.New, Cases: []plugintest.Case{
		{Name: "New York", Lookups: lookups, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(
				row{1, ns(t, "2026-01-02T14:30:00Z")}, row{1, ns(t, "2026-01-02T20:59:59Z")}, // a Friday in winter
				row{1, ns(t, "2026-07-01T13:30:00Z")}, row{1, ns(t, "2026-07-01T19:59:59Z")}, // in summer
				row{1, ns(t, "2026-03-06T14:30:00Z")}, row{1, ns(t, "2026-03-09T13:30:00Z")}, // around the change
				row{1, ns(t, "2026-11-27T17:59:59Z")}, row{2, ns(t, "2026-12-25T03:00:00Z")},
			).Accepts()
			h.Insert(
				row{1, ns(t, "2026-01-02T14:29:59Z")}, row{1, ns(t, "2026-01-02T21:00:00Z")}, row{1, ns(t, "2026-07-01T13:29:59Z")}, row{1, ns(t, "2026-07-01T20:00:00Z")},
				row{1, ns(t, "2026-03-09T20:30:00Z")}, row{1, ns(t, "2026-01-03T15:00:00Z")}, row{1, ns(t, "2026-12-25T15:00:00Z")}, row{1, ns(t, "2026-11-27T18:00:00Z")},
			).Only(0, 1, 2, 3, 4, 5, 6, 7).Rejects(0, 1, "XNYS is closed").Rejects(5, 1, "local sat 10:00").Rejects(1, 1, "local fri 16:00")
			h.Insert(row{3, ns(t, "2026-01-02T15:00:00Z")}, row{9, 0}, row{nil, 0}, row{2, "noon"}, row{2, nil}).
				Rejects(0, 2, "no calendar is known for 3").Rejects(1, 2, "9").Rejects(2, 2, "NULL").Rejects(3, 3, "no integer").Rejects(4, 3, "")
		}},
		{Name: "overnight and before 1970", Config: `{"unit":"s","columns":{"instant":"ts_created"},"calendars":{"CME":{"zone":[{"offset":"-06:00"}],"week":{"sun":["17:00-16:00"],"mon":["17:00-16:00"]},"holidays":["2026-01-05"]}}}`,
			Test: func(t *testing.T, h *sdktest.Harness) {
				at := func(s string) row { return row{0, ns(t, s) / 1e9} }
				h.Insert(at("2026-01-11T23:00:00Z"), at("2026-01-12T21:59:59Z"), at("2026-01-12T05:00:00Z"), at("1969-12-28T23:00:00Z")).Accepts()
				h.Insert(at("2026-01-11T22:59:59Z"), at("2026-01-12T22:00:00Z"), at("2026-01-05T23:00:00Z"), at("1969-12-28T22:59:59Z")).Only(0, 1, 2, 3)
				h.Insert(at("2026-01-05T15:00:00Z")).Accepts()         // the session of Sunday, which was no holiday
				h.Insert(at("2026-01-06T15:00:00Z")).Rejects(0, 1, "") // that of Monday, which was one
			}},
		{Name: "the instant of the statement", Config: `{"calendars":{"X":{"week":{"fri":["15:00-15:05"]}}}}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(row{1, 0}).Accepts() // 15:04:05 on a Friday
			h.At(time.Date(2026, 1, 2, 15, 5, 0, 0, time.UTC)).Insert(row{1, 0}).Rejects(0, 1, "X is closed")
		}},
		{Name: "days that nobody has said anything about", Lookups: lookups, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(row{1, ns(t, "2026-01-01T05:00:00Z")}, row{1, ns(t, "2027-12-31T15:00:00Z")}, row{1, ns(t, "2028-01-01T04:59:59Z")}, row{2, ns(t, "2031-01-01T00:00:00Z")}, row{1, ns(t, "2028-01-03T15:00:00Z")},
				row{1, ns(t, "2028-01-01T05:00:00Z")}, row{1, ns(t, "2026-01-01T04:59:59Z")}, row{1, ns(t, "2025-12-30T15:00:00Z")}).
				Only(0, 2, 4, 5, 6, 7).Rejects(0, 1, "closed").Rejects(2, 1, "closed").Rejects(4, 2, "the calendar of XNYS does not reach").Rejects(5, 2, "").Rejects(6, 2, "").Rejects(7, 2, "")
		}},
		{Name: "days that are none", Config: `{"calendars":{"X":{"always":true,"until":"2027-02-29"}}}`, Refuses: "config.calendars.X.until: is no date"},
		{Name: "days that end before they begin", Config: `{"calendars":{"X":{"always":true,"since":"2027-02-28","until":"2027-02-27"}}}`, Refuses: "is before since"},
		{Name: "bad data", Config: `{"calendars":{"X":{"zone":[{"from":"soon","offset":"5"}],"week":{"fri":["9-17"]},"holidays":["1.1."],"days":{"x":[]}}}}`, Refuses: "config.calendars.X.zone[0].from: is no instant"},
		{Name: "a clock that is cut short", Config: `{"calendars":{"X":{"week":{"fri":["09:30-16:0"]}}}}`, Refuses: "is no session such as 09:30-16:00"},
		{Name: "a minute that is none", Config: `{"calendars":{"X":{"week":{"fri":["09:30-16:60"]}}}}`, Refuses: "is no session such as 09:30-16:00"},
		{Name: "an hour that is none", Config: `{"calendars":{"X":{"week":{"fri":["09:30-24:01"]}}}}`, Refuses: "is no session such as 09:30-16:00"},
		{Name: "several and none named", Config: `{"calendars":{"X":{"always":true},"Y":{"always":true}}}`, Refuses: "there are several calendars"},
		{Name: "a key that nobody reads", Config: `{"calendars":{"X":{"always":true,"holydays":["2026-12-25"]}}}`, Refuses: "config.calendars.X.holydays: is unknown"},
		{Name: "a weekday that is none", Config: `{"calendars":{"X":{"week":{"monday":["09:30-16:00"]}}}}`, Refuses: "config.calendars.X.week.monday: is no day"},
		{Name: "a zone with a key that nobody reads", Config: `{"calendars":{"X":{"always":true,"zone":[{"offset":"-05:00"},{"form":"2026-03-08T07:00:00Z","offset":"-04:00"}]}}}`, Refuses: "config.calendars.X.zone[1].form: is unknown"},
		{Name: "two columns of which one is read", Config: `{"columns":{"venue":"instrument_id","instrument":"instrument_id"},"calendars":{"X":{"always":true}}}`, Refuses: "config.columns: venue and instrument"},
		{Name: "instants out of reach", Config: `{"unit":"s","columns":{"instant":"ts_created"},"calendars":{"X":{"always":true,"zone":[{"offset":"+01:00"}]}}}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Insert(row{1, int64(math.MaxInt64)}, row{1, int64(math.MinInt64)}, row{1, 253402300800}, row{1, 253402300799}, row{1, -62135596800}, row{1, -62135596801}).Only(0, 1, 2, 5).
				Rejects(0, 3, "no instant of the years 1 to 9999").Rejects(2, 3, "").Rejects(5, 3, "")
		}},
		{Name: "none", Config: `{"calendars":{}}`, Refuses: "name at least one"},
		{Name: "shifts out of order", Config: `{"calendars":{"X":{"zone":[{"from":"2026-03-08T07:00:00Z","offset":"-04:00"},{"offset":"-05:00"}],"always":true}}}`, Refuses: "is not after the one before it"},
	}})
}

// The data of plugin.yaml says for each half hour of two years what the zone files say.
func TestZoneAgainstTheZoneFiles(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skipf("this machine has no zone files: %v", err)
	}
	m := plugintest.Manifest(t, ".", "calendar", nil)
	config, err := json.Marshal(map[string]any{"unit": "s", "columns": map[string]any{"instant": "ts"}, "calendars": map[string]any{"XNYS": m.Config["calendars"].(map[string]any)["XNYS"]}})
	if err != nil {
		t.Fatal(err)
	}
	h := sdktest.New(t, tradingcalendar.New(), sdktest.Setup{Config: string(config), Hooks: []sdk.Hook{{Table: "t", Columns: []string{"ts"}}}})
	for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2028; at = at.AddDate(0, 0, 7) {
		var rows []row
		var want []int
		for i := range 7 * 48 {
			instant := at.Add(time.Duration(i) * 30 * time.Minute)
			rows = append(rows, row{instant.Unix()})
			local := instant.In(zone)
			minute, close := local.Hour()*60+local.Minute(), 16*60
			switch local.Format(time.DateOnly) {
			case "2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19", "2026-07-03", "2026-09-07", "2026-11-26", "2026-12-25",
				"2027-01-01", "2027-01-18", "2027-02-15", "2027-03-26", "2027-05-31", "2027-06-18", "2027-07-05", "2027-09-06", "2027-11-25", "2027-12-24":
				close = 0
			case "2026-11-27", "2026-12-24", "2027-11-26":
				close = 13 * 60
			}
			if local.Year() > 2027 {
				close = 0 // the calendar does not reach that far
			}
			if local.Weekday() == time.Saturday || local.Weekday() == time.Sunday || minute < 9*60+30 || minute >= close {
				want = append(want, i)
			}
		}
		h.Insert(rows...).Only(want...)
	}
}
