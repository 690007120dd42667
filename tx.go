package engine

import (
	"context"
	"sync"
)

// Tx is a transaction: a write transaction inside [DB.Update], one snapshot inside [DB.View]. It is valid until the
// closure returns and is not safe for concurrent use.
type Tx struct {
	db       *DB
	backend  backend
	name     string
	writes   bool
	opts     callOptions
	mu       sync.Mutex
	onCommit []func()
	count    int
	changed  int64
}

// Exec runs one statement that returns no rows (rows of a RETURNING clause are discarded).
//
// # Errors
//
// A constraint violation undoes that statement alone; the transaction goes on, and the closure decides. After an error
// that cost the transaction (disk full, I/O, a statement that ends it, an expired lease) every later call returns that
// same error, and so does Update, whatever the closure returns.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) (Result, error) {
	return tx.exec(ctx, sql, args)
}

// Query runs one statement and returns its rows. The caller closes them; the end of the transaction does so too.
func (tx *Tx) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	return tx.query(ctx, sql, args)
}

// QueryRow runs one statement of which at most one row is wanted. The error, [ErrNoRows] among them, comes with Scan.
func (tx *Tx) QueryRow(ctx context.Context, sql string, args ...any) *Row {
	rows, err := tx.query(ctx, sql, args)
	return &Row{rows: rows, err: err}
}

// OnCommit registers f to be called after the transaction was committed, on the goroutine that called Update, in the
// order of registration. It is not called after a rollback.
func (tx *Tx) OnCommit(f func()) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.onCommit = append(tx.onCommit, f)
}

// ReadOnly reports whether this is a View.
func (tx *Tx) ReadOnly() bool { return !tx.writes }
