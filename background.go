package engine

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/migrate"
)

// moveRows carries on the background sections of migrations until they find nothing left, the database is closed, or one fails; the
// next start goes on where this one ended.
func (db *DB) moveRows(stop <-chan struct{}) {
	ctx, cancel := until(stop)
	defer cancel()
	moves, err := db.migrator.Moves(ctx)
	for _, m := range moves {
		if err == nil && !m.Done {
			err = db.move(ctx, m)
		}
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, lane.ErrClosed) {
		db.log.Error("a migration's background section stopped; the next start goes on with it", "database", db.store.Location().String(), "error", err)
	}
}

// until is a context that ends when stop is closed. It is to be cancelled.
func until(stop <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// move repeats one statement, a batch and its note in the history in one transaction.
func (db *DB) move(ctx context.Context, m migrate.Move) error {
	var pace migrate.Pace
	for {
		rows := int64(0)
		rep, err := db.lanes.Do(ctx, lane.JobOptions{Class: lane.Maintenance, Name: "migration background", Own: true}, func(tx *lane.Tx) error {
			res, err := tx.Exec(ctx, m.SQL, []any{sql.Named("batch", pace.Rows())})
			if err != nil {
				return err
			}
			rows = res.RowsAffected
			done := 0
			if rows == 0 {
				done = 1
			}
			_, err = tx.ExecOwn(ctx, migrate.MoveProgress, []any{rows, done, m.Component, m.Version})
			return err
		})
		switch {
		case errors.Is(err, lane.ErrOverloaded) || errors.Is(err, lane.ErrNotApplied):
			// The callers come first; the same batch is tried again.
		case err != nil:
			return err
		case rows == 0:
			db.log.Info("a migration's background section is done", "component", m.Component, "version", m.Version)
			return nil
		}
		timer := time.NewTimer(pace.Next(rep.Queue, rep.Hold))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
