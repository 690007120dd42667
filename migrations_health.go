package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidegate/engine/core/health"
	"github.com/tidegate/engine/core/lane"
)

// unsettledRuns asks for runs that have not come to a good end; a database without migrations has no such table.
const unsettledRuns = `SELECT run, state, kind FROM _tg_migration_run WHERE state IN ('committed', 'restoring', 'failed') ORDER BY started_ns`

// failedRuns counts those that failed and after which none went well. One whose copy was put back has failed too, as long as it is the latest.
const failedRuns = `SELECT count(*) FROM _tg_migration_run AS r WHERE state = 'failed'
 OR state = 'restored' AND NOT EXISTS (SELECT 1 FROM _tg_migration_run AS later WHERE later.started_ns > r.started_ns AND later.state = 'done')`

// checkMigration is red while a change of the schema has not passed its probes, or failed them and could not be taken back: here it cannot
// happen, since Open would have refused, but another process may have died in the middle of it.
func (db *DB) checkMigration(ctx context.Context) Check {
	c, err := db.lanes.Query(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: "health"}, unsettledRuns, nil)
	if err != nil {
		if strings.Contains(err.Error(), "no such table") {
			return health.Good("migration", "no migrations")
		}
		return health.Failure("migration", typed(err, "").Error(), "see the error")
	}
	defer c.Finish()
	var found []string
	remedy := ""
	for {
		ok, err := c.Next(ctx)
		if err != nil {
			return health.Failure("migration", typed(err, "").Error(), "see the error")
		}
		if !ok {
			break
		}
		row := c.Row()
		run, state, kind := string(row[0].Bytes), string(row[1].Bytes), string(row[2].Bytes)
		found = append(found, fmt.Sprintf("%s of run %s is %s", kind, run, state))
		remedy = "its process is at it, or has died: the next start with the same migrations brings it to its end"
		if state == "failed" {
			remedy = "engine migrate restore --run " + run + " puts the copy back; engine migrate repair --keep-run " + run + " keeps the schema as it is"
		}
	}
	if found == nil {
		return health.Good("migration", "every change of the schema has come to its end")
	}
	return health.Failure("migration", strings.Join(found, "; "), remedy)
}
