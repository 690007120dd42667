package orderlimits_test

import "github.com/tidegate/engine/sdk"

func hooks(table string, columns ...string) []sdk.Hook {
	return []sdk.Hook{{Table: table, Columns: columns}}
}
