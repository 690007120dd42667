// Package sqlite is the engine's view of SQLite: opening a database safely, connections that outlive no mistake, prepared
// statements with a cache, typed errors, and a file layer that counts, limits and can fence.
//
// It is the only package that imports the driver. Everything that can go wrong below it (out of memory, a Wasm stack overflow,
// a full disk, a failed fsync, a database file replaced under the process) comes out as an *Error with an ErrorClass;
// nothing panics out of it.
//
// # Concurrency
//
// A Store is safe for concurrent use. A Conn and its Stmts belong to one goroutine at a time, except Conn.Kick, Conn.Unkick,
// Conn.Fence and Conn.Broken. A second goroutine that enters a Conn at the same time gets an error of class Misuse.
//
// # Poisoned connections
//
// A panic inside SQLite leaves its locks behind. Close rolls such a connection back where SQLite itself had already returned, and
// fences it where it had not: from then on none of its code runs again, its locks are released by closing its files, and the
// object is leaked on purpose. To the database this is the same as a crash of that connection, which SQLite is built to survive.
package sqlite
