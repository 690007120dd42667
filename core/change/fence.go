package change

import (
	"context"

	"github.com/tidegate/engine/core/lane"
)

// PassName is the name of the SQL function that the triggers of Guard call. It exists on the connections of this engine only.
const PassName = "_tg_pass"

// guardVerbs are the operations that a guarded table refuses to others.
func guardVerbs() []string { return []string{"INSERT", "UPDATE", "DELETE"} }

// Guard puts triggers on a table that call a function which only this engine's connections have: another program that writes to the table, past every
// rule, fails with "no such function". It costs each row a call of that function. The engine's own connections pass.
func Guard(ctx context.Context, lanes *lane.Lanes, table string) error {
	return guard(ctx, lanes, table, func(name, verb string) string {
		return "CREATE TRIGGER IF NOT EXISTS " + quoted(name) + " BEFORE " + verb + " ON main." + quoted(table) + " BEGIN SELECT " + PassName + "(); END"
	})
}

// Unguard takes the triggers away.
func Unguard(ctx context.Context, lanes *lane.Lanes, table string) error {
	return guard(ctx, lanes, table, func(name, _ string) string { return "DROP TRIGGER IF EXISTS " + quoted(name) })
}

func guard(ctx context.Context, lanes *lane.Lanes, table string, sql func(name, verb string) string) error {
	_, err := lanes.Do(ctx, lane.JobOptions{Name: "guard of " + table, Own: true}, func(tx *lane.Tx) error {
		for _, verb := range guardVerbs() {
			if _, err := tx.ExecOwn(ctx, sql("_tg_guard_"+table+"_"+verb, verb), nil); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// Guarded reports whether all triggers of Guard are on a table.
func Guarded(ctx context.Context, lanes *lane.Lanes, table string) (bool, error) {
	c, err := lanes.Query(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: "guard of " + table},
		"SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name LIKE '\\_tg\\_guard\\_%' ESCAPE '\\'", []any{table})
	if err != nil {
		return false, err
	}
	defer c.Finish()
	ok, err := c.Next(ctx)
	if err != nil || !ok {
		return false, err
	}
	return c.Row()[0].Int == int64(len(guardVerbs())), nil
}
