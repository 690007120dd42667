package hostilesql

import (
	"context"
	"errors"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture"
)

// way is a door through which a statement comes in.
type way struct {
	name string
	call func(ctx context.Context, r *ring, stmt string) error
}

// errUndo ends an Update whose work is not wanted.
var errUndo = errors.New("hostilesql: undo")

// maxRows ends the reading of a result: whoever asks for endless rows gets them, and has only himself to blame.
const maxRows = 100_000

func ways() []way {
	return []way{
		{"Query", func(ctx context.Context, r *ring, stmt string) error { return query(ctx, r, stmt, engine.ClassNormal) }},
		{"Query for analytics", func(ctx context.Context, r *ring, stmt string) error {
			return query(ctx, r, stmt, engine.ClassAnalytics)
		}},
		{"Update", func(ctx context.Context, r *ring, stmt string) error {
			return r.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
				if _, err := tx.Exec(ctx, stmt); err != nil {
					return err
				}
				return errUndo
			})
		}},
		{"Batch", func(ctx context.Context, r *ring, stmt string) error {
			// On the lane's own goroutine. The last statement undoes what the first has done.
			b := engine.NewBatch()
			b.Exec(stmt)
			b.Exec("INSERT INTO probe VALUES (1, 1)")
			_, err := r.db.Batch(ctx, b)
			return err
		}},
		{"database/sql", func(ctx context.Context, r *ring, stmt string) error {
			rows, err := r.sql.QueryContext(ctx, "SELECT * FROM ("+stmt+"\n)")
			if err != nil {
				return err
			}
			defer rows.Close()
			for n := 0; n < maxRows && rows.Next(); n++ {
				continue
			}
			return rows.Err()
		}},
	}
}

// query reads all rows. A statement that writes comes to the writer by this way, and must not leave anything there: it is left out.
func query(ctx context.Context, r *ring, stmt string, class engine.Class) error {
	return r.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		rows, err := tx.Query(ctx, stmt)
		if err != nil {
			return err
		}
		return torture.Take(rows, maxRows)
	}, engine.WithClass(class))
}
