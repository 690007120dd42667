// Package engine is an embedded data engine: SQLite in the process, behind one writer that commits in groups and a few
// readers, with every statement traced.
//
//	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite:///production_trading.db"))
//	if err != nil { … }
//	defer db.Close()
//
//	err = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
//		_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance - ? WHERE id = ?", 100, 7)
//		return err
//	})
//
// # Transactions
//
// [DB.Update] runs a closure as one write transaction, on the caller's goroutine: nil commits, an error or a panic rolls
// back. When it returns nil, the commit survives power loss (see [Durability]). Many callers share one fsync; the failure of
// one never touches the others. [DB.View] runs a closure on one snapshot. [DB.Exec] and [DB.Query] are one statement
// with a transaction of its own.
//
// # Concurrency
//
// A [DB] is for any number of goroutines. Sessions that hold nothing cost nothing; rows that are open hold a
// connection, not a turn at the processor. A [Tx], a [Rows] and a [Row] belong to one goroutine.
//
// # Errors
//
// Every error matches at most one of the sentinels in errors.go, says what to do, and holds no bound value.
// [Retryable] tells whether a call may simply be repeated.
//
// # Limits
//
// A write transaction may keep the writer for [WriterConfig].Hold; slow work belongs before it. Statements that have no
// meaning on shared connections (BEGIN, ATTACH, TEMP objects, PRAGMA writes, last_insert_rowid() outside a transaction) are
// refused with [ErrForbidden].
package engine
