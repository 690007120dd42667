// Package migrations holds the trading schema that the program engine and the
// examples run on: instruments, accounts, signals, orders, executions,
// positions, the cash ledger and market data.
//
// An embedder who wants it passes [FS] as engine.Config.Migrations. An embedder
// with a schema of its own passes its own file system instead and nothing of
// this package reaches its database.
//
// The files follow one format. A header of comment lines names the migration
// and the lowest schema that a program must know to open the database
// afterwards; then come the sections up, down and verify:
//
//	-- migration: trading schema
//	-- compat: 0001
//	-- +up
//	-- +down
//	-- +verify
//
// A query in the verify section that returns a row fails the migration. A file
// that was released never changes: engine.sum holds its checksum, and a
// database refuses a program whose file differs from what was applied to it.
// After adding a file, run the tests of this package with -update.
package migrations

import "embed"

// FS holds the numbered migration files and engine.sum. It is read-only and
// safe for concurrent use.
//
//go:embed *.sql engine.sum
var FS embed.FS
