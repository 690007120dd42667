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
// with a transaction of its own. [DB.Batch] runs recorded statements, with the row counts that are expected of them, as one
// transaction that never waits for its caller.
//
// # Values
//
// [Get], [All] and [Each] scan rows into values of a type of the caller's; [DB.Prepare] is for statements that run often.
// [Decimal] is exact, and [Scaled] stores it as an integer that SQL can sum and compare.
//
// # Other doors
//
// [DB.SQL] is the same lanes as a *sql.DB, [DB.Bulk] is for package core/bulk, which imports and exports files. Package config
// reads a [Config] from a file, the environment and flags; package enginetest opens databases for tests.
//
// # Concurrency
//
// A [DB] is for any number of goroutines. Sessions that hold nothing cost nothing; rows that are open hold a
// connection, not a turn at the processor. A [Tx], a [Rows] and a [Row] belong to one goroutine. [DB.Sessions] lists what is
// under way, and [DB.Kill] ends one of them.
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
