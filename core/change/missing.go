package change

import (
	"context"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// Missing lists those of the tables that the main schema does not have. A rule that watches one is no error, as a migration may make it yet; a name that was misspelt
// looks the same, and nothing is judged then.
func Missing(ctx context.Context, lanes *lane.Lanes, tables []string) ([]string, error) {
	if len(tables) == 0 {
		return nil, nil
	}
	missing := slices.Clone(tables)
	err := ownRows(ctx, lanes, "watched tables", "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view')", nil, func(row []sqlite.Value) {
		missing = slices.DeleteFunc(missing, func(t string) bool { return strings.EqualFold(t, string(row[0].Bytes)) })
	})
	if err != nil {
		return nil, err
	}
	return missing, nil
}
