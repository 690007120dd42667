package signals

import (
	"context"
	"time"

	"github.com/tidegate/engine"
)

// tidegate is the engine.
type tidegate struct {
	db         *engine.DB
	durability engine.Durability
}

func (s *tidegate) write(ctx context.Context, e entry) error {
	return s.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, insertSignal, e.id, e.strategy, e.instrument, e.side, e.strength, e.refPx, e.ts, e.ts+int64(life)); err != nil {
			return err
		}
		if e.last == 0 {
			return nil
		}
		res, err := tx.Exec(ctx, markSignal, e.last, "acted")
		if err == nil && res.RowsAffected != 1 {
			err = errLost{e.last}
		}
		return err
	}, engine.WithClass(engine.ClassSignal), engine.WithDurability(s.durability), engine.WithName("signal"), engine.Replayable())
}

func (s *tidegate) rows(ctx context.Context, sql string, args ...any) (int, error) {
	rows, err := s.db.Query(ctx, sql, append(args, engine.WithClass(engine.ClassSignal))...)
	if err != nil {
		return 0, err
	}
	row := newRow(len(rows.Columns()))
	n := 0
	for r, err := range rows.All() {
		if err != nil {
			return n, err
		}
		if err := r.Scan(row.into...); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s *tidegate) numbers(ctx context.Context, sql string) (out []int64, err error) {
	rows, err := s.db.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	for r, err := range rows.All() {
		if err != nil {
			return nil, err
		}
		var n int64
		if err := r.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (s *tidegate) setup(ctx context.Context, fn func(exec func(sql string, args ...any) error) error) error {
	return s.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		return fn(func(sql string, args ...any) error {
			_, err := tx.Exec(ctx, sql, args...)
			return err
		})
	}, engine.HoldFor(time.Minute), engine.WithName("reference data"))
}

// row takes the values of a row of any width.
type row struct {
	values [8]any
	into   []any
}

func newRow(columns int) *row {
	r := new(row)
	for i := range r.values[:columns] {
		r.into = append(r.into, &r.values[i])
	}
	return r
}
