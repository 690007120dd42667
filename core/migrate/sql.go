package migrate

import (
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// quote makes an SQL string literal. Control statements run unprepared and
// take no arguments; migration texts hold no NUL, which a literal could not.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// own runs one statement of ours with arguments, past the guard and unseen by whoever watches the connection.
func own(conn *sqlite.Conn, sql string, args ...any) error {
	return ownRows(conn, sql, args, func([]sqlite.Value) error { return nil })
}

// ownRows is own for a statement that returns rows.
func ownRows(conn *sqlite.Conn, sql string, args []any, row func([]sqlite.Value) error) error {
	conn.SetGuard(sqlite.Guard{Trusted: true})
	defer conn.SetGuard(sqlite.Guard{})
	s, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.Release()
	var block sqlite.Block
	for more, first := true, true; more; first = false {
		if first {
			more, err = s.Begin(args, &block, 256)
		} else {
			more, err = s.Fetch(&block, 256)
		}
		if err != nil {
			return err
		}
		for i := range block.Len() {
			if err := row(block.Row(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isBusy reports whether another process holds the lock.
func isBusy(err error) bool {
	c := sqlite.ClassOf(err)
	return c == sqlite.Busy || c == sqlite.BusySnapshot
}
