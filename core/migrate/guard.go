package migrate

import (
	"fmt"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// liftGuards takes away the engine's own triggers on tables of the user's for the time of a run, and returns them. They are no part of the schema
// that the history tells of, they come and go with the program's rules; and a migration could not rebuild a table that has them, since what is the
// engine's is refused to it.
func liftGuards(conn *sqlite.Conn) (guards []object, err error) {
	err = ownRows(conn, `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'
 AND name LIKE '\_tg\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_tg\_%' ESCAPE '\' ORDER BY name`, nil, func(v []sqlite.Value) error {
		guards = append(guards, object{text(v[0]), text(v[1]), text(v[2]), text(v[3])})
		return nil
	})
	for _, o := range guards {
		if err == nil {
			err = conn.Exec("DROP TRIGGER " + quoteName(o.Name))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: lift the guards of tables: %w", err)
	}
	return guards, nil
}

// putGuards puts them back, on the tables as they are called now: a migration must not open a guarded table to other programs unseen.
func putGuards(conn *sqlite.Conn, guards []object, t *tracker, tables map[string]table) error {
	for _, o := range guards {
		place := t.place(strings.ToLower(o.Table), tables)
		if place == "" {
			continue
		}
		sql := o.SQL
		if now := tables[place].Name; !strings.EqualFold(now, o.Table) {
			sql = strings.ReplaceAll(sql, quoteName(o.Table), quoteName(now))
			sql = strings.ReplaceAll(sql, `"_tg_guard_`+o.Table+"_", `"_tg_guard_`+now+"_")
		}
		if err := conn.Exec(sql); err != nil {
			return fmt.Errorf("migrate: put the guard of %s back: %w", o.Table, err)
		}
	}
	return nil
}
