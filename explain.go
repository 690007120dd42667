package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/slowlog"
	"github.com/tidegate/engine/core/sqlite"
)

// Explain returns the plan that SQLite would follow for a statement with these arguments, without running it. The plan can depend on them, so give
// those that the statement runs with. An [Option] among them is one of the call; the lane is that of [ClassMaintenance] whatever it says.
//
// # Errors
//
// Those of [DB.Query].
func (db *DB) Explain(ctx context.Context, sql string, args ...any) ([]PlanStep, error) {
	opts, plain, err := splitArgs(args)
	if err != nil {
		return nil, err
	}
	if err := db.admit(ctx, "Explain", "tx.Query with EXPLAIN QUERY PLAN"); err != nil {
		return nil, err
	}
	ctx, cancel := opts.bound(ctx)
	defer cancel()
	steps, err := db.planOf(ctx, slowlog.Given{SQL: sql, Args: plain})
	return steps, typed(err, db.queries.describe(sql).Text)
}

// schemaNow reads a table of the schema, by which SQLite looks whether its own notion of the schema is still that of the file, and the schema's
// version. EXPLAIN alone would not look: it would plan for an index that is gone.
const schemaNow = "SELECT schema_version, (SELECT count(*) FROM sqlite_schema WHERE 0) FROM pragma_schema_version"

// planOf asks for a plan on a reader of the engine's own.
func (db *DB) planOf(ctx context.Context, g slowlog.Given) ([]slowlog.PlanStep, error) {
	r, err := db.lanes.Read(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: "explain", Snapshot: true})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	version := int64(0)
	if err := eachRow(ctx, r, schemaNow, nil, func(row []sqlite.Value) { version = row[0].Int }); err != nil {
		return nil, err
	}
	steps := []slowlog.PlanStep{}
	// A compiled EXPLAIN never notices that the schema is another one, so that each schema has its own.
	sql := fmt.Sprintf("EXPLAIN QUERY PLAN /* schema %d */ %s", version, g.SQL)
	err = eachRow(ctx, r, sql, g.Args, func(row []sqlite.Value) {
		steps = append(steps, slowlog.PlanStep{ID: row[0].Int, Parent: row[1].Int, Detail: string(row[3].Bytes)})
	})
	return steps, err
}

// eachRow calls do with the rows of a statement; they are good during the call.
func eachRow(ctx context.Context, r *lane.Reader, sql string, args []any, do func([]sqlite.Value)) error {
	cur, err := r.Open(ctx, sql, args)
	if err != nil {
		return err
	}
	defer cur.Finish()
	for {
		ok, err := cur.Next(ctx)
		if err != nil || !ok {
			return err
		}
		do(cur.Row())
	}
}

// again runs a statement that reads, and counts what it does.
func (db *DB) replay(ctx context.Context, g slowlog.Given) (Replayed, error) {
	var out Replayed
	began := time.Now()
	err := func() error {
		cur, err := db.lanes.Query(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: "replay"}, g.SQL, g.Args)
		if err != nil {
			return err
		}
		for {
			ok, err := cur.Next(ctx)
			if err != nil || !ok {
				res := cur.Finish()
				out.Rows, out.VMSteps = res.Rows, res.Counters.VMSteps
				return err
			}
		}
	}()
	out.Duration = time.Since(began)
	if err == nil {
		out.Plan, err = db.planOf(ctx, g)
	}
	if errors.Is(err, lane.ErrWrites) {
		return out, &readOnlyError{"the statement writes: only what reads is run again"}
	}
	return out, typed(err, db.queries.describe(g.SQL).Text)
}
