package main

import (
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/internal/desk/market"
)

// demoRules are the engine's own policies on the trading schema, as an operator would have them. The simulated market trades around the clock.
func demoRules() []config.Builtin {
	type object = map[string]any
	type list = []any
	everyDay := object{}
	for _, day := range []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} {
		everyDay[day] = list{"00:00-24:00"}
	}
	hours := object{"week": everyDay, "holidays": list{"2000-01-01"}}
	return []config.Builtin{
		{"policy": "orderlimits", "config": object{"limits": list{object{"min_qty": 1, "band_bps": 5000}}}},
		{"policy": "reference", "config": object{"references": list{
			object{"columns": list{"account_id"}, "lookup": "account-active", "message": "the account does not exist or is not active"},
			object{"columns": list{"instrument_id"}, "lookup": "instrument-active", "message": "the instrument does not exist or is not traded"},
			object{"columns": list{"strategy_id"}, "lookup": "strategy-known", "message": "the strategy does not exist or is stopped"},
		}}},
		{"policy": "tradingcalendar", "config": object{"columns": object{"instant": "ts_created", "instrument": "instrument_id"},
			"calendars": object{market.Nasdaq: hours, market.Xetra: hours, market.Crypto: object{"always": true}, market.Forex: hours}}},
		{"policy": "dailylimits", "config": object{"max_rows": 1_000_000}},
	}
}

// printRules says what the rules of a run did.
func printRules(w io.Writer, st engine.RulesStats) {
	per := time.Duration(0)
	if st.Rows > 0 {
		per = st.Time / time.Duration(st.Rows)
	}
	fmt.Fprintf(w, "rules: %s about %s, %v a row; %d rejected, %d failed\n", count(int64(st.Calls), "call"), count(int64(st.Rows), "row"), per, st.Rejected, st.Failed)
}
