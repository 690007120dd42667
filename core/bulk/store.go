package bulk

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// Store is what this package needs of a database; (*engine.DB).Bulk returns it. It must be safe for concurrent use.
type Store interface {
	// Update runs fn as one write transaction. fn may run twice, and only the last run counts.
	Update(ctx context.Context, opt Work, fn func(context.Context, Writer) error) error
	// View runs fn on one snapshot.
	View(ctx context.Context, name string, fn func(context.Context, Reader) error) error
}

// Work says what a write transaction wants.
type Work struct {
	Name    string        // for spans and errors
	Durable bool          // it must survive power loss; else a later durable one makes it so
	Hold    time.Duration // how long it may keep the writer
}

// Writer is a write transaction. Not safe for concurrent use.
type Writer interface {
	// Exec runs a statement and returns how many rows it changed. A constraint that refuses a row undoes that statement alone.
	Exec(ctx context.Context, sql string, args []any) (int64, error)
	// Own runs a statement that writes the engine's own tables and returns how many rows it changed.
	Own(ctx context.Context, sql string, args []any) (int64, error)
	// Err is why nothing more can succeed in this transaction, or nil.
	Err() error
}

// Reader reads one snapshot. Not safe for concurrent use.
type Reader interface {
	Query(ctx context.Context, sql string, args []any) (Cursor, error)
}

// Cursor reads rows one by one. Not safe for concurrent use.
type Cursor interface {
	Columns() []string
	DeclTypes() []string
	// Next is false at the end, and with an error.
	Next() (bool, error)
	// Row is the current row; it is valid until the next call of Next.
	Row() []sqlite.Value
	Close() error
}

// each runs a query and calls f for its rows.
func each(ctx context.Context, r Reader, sql string, args []any, f func([]sqlite.Value) error) error {
	rows, err := r.Query(ctx, sql, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		ok, err := rows.Next()
		if err != nil || !ok {
			return err
		}
		if err := f(rows.Row()); err != nil {
			return err
		}
	}
}
