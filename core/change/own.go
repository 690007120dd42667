package change

import (
	"context"
	"strings"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// ownRows reads a table of this package's own; one that nobody has needed yet is not there, and has no rows. A row is valid during its call of take only.
func ownRows(ctx context.Context, lanes *lane.Lanes, name, sql string, args []any, take func(row []sqlite.Value)) error {
	c, err := lanes.Query(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: name}, sql, args)
	if err != nil {
		if strings.Contains(err.Error(), "no such table: ") {
			return nil
		}
		return err
	}
	defer c.Finish()
	for {
		ok, err := c.Next(ctx)
		if err != nil || !ok {
			return err
		}
		take(c.Row())
	}
}
