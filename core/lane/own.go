package lane

import (
	"context"

	"github.com/tidegate/engine/core/sqlite"
)

// ExecOwn is Exec for a statement of the engine's own, which may write what belongs to the engine (_tg_*): a record that must be
// committed with the caller's rows, or not at all. Never pass SQL of a user.
func (t *Tx) ExecOwn(ctx context.Context, sql string, args []any) (Result, error) {
	if err := t.enter(); err != nil {
		return Result{}, err
	}
	conn, before := t.conn, len(t.journal.entries)
	conn.SetGuard(sqlite.Guard{Trusted: true})
	res, err := t.exec(ctx, sql, args, nil)
	conn.SetGuard(sqlite.Guard{})
	for i := before; i < len(t.journal.entries); i++ {
		t.journal.entries[i].own = true
	}
	return res, t.exit(err)
}
