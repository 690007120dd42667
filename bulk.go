package engine

import (
	"context"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// Bulk is the database as package core/bulk sees it, for [bulk.Import] and [bulk.Export]. Rows go in with [ClassMaintenance],
// in transactions of some milliseconds, and out with [ClassAnalytics] from one snapshot. Safe for concurrent use.
func (db *DB) Bulk() bulk.Store { return bulkStore{db} }

type bulkStore struct{ db *DB }

// Update implements bulk.Store.
func (s bulkStore) Update(ctx context.Context, opt bulk.Work, fn func(context.Context, bulk.Writer) error) error {
	durability := Relaxed
	if opt.Durable {
		durability = Durable
	}
	return s.db.Update(ctx, func(ctx context.Context, tx *Tx) error { return fn(ctx, bulkWriter{tx}) },
		WithClass(ClassMaintenance), WithDurability(durability), WithName(opt.Name), HoldFor(opt.Hold), Replayable())
}

// View implements bulk.Store.
func (s bulkStore) View(ctx context.Context, name string, fn func(context.Context, bulk.Reader) error) error {
	return s.db.View(ctx, func(ctx context.Context, tx *Tx) error { return fn(ctx, bulkReader{tx}) },
		WithClass(ClassAnalytics), WithName(name))
}

type bulkWriter struct{ tx *Tx }

// Exec implements bulk.Writer.
func (w bulkWriter) Exec(ctx context.Context, sql string, args []any) (int64, error) {
	res, err := w.tx.exec(ctx, sql, args)
	return res.RowsAffected, err
}

// Own implements bulk.Writer.
func (w bulkWriter) Own(ctx context.Context, sql string, args []any) (int64, error) {
	if w.tx.over.Load() {
		return 0, w.tx.ended()
	}
	w.tx.count++
	var st trace.Statement
	w.tx.db.begin(&st, sql, sqlite.Writer.String(), w.tx.opts)
	res, err := w.tx.write.ExecOwn(ctx, sql, args)
	return res.RowsAffected, w.tx.db.record(ctx, &st, res, err)
}

// Err implements bulk.Writer.
func (w bulkWriter) Err() error { return w.tx.write.Err() }

type bulkReader struct{ tx *Tx }

// Query implements bulk.Reader.
func (r bulkReader) Query(ctx context.Context, sql string, args []any) (bulk.Cursor, error) {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return bulkCursor{rows}, nil
}

type bulkCursor struct{ *Rows }

// Next implements bulk.Cursor.
func (c bulkCursor) Next() (bool, error) { return c.Rows.Next(), c.Rows.Err() }

// Row implements bulk.Cursor. Unlike Values it copies nothing.
func (c bulkCursor) Row() []sqlite.Value { return c.Rows.cur.Row() }
