// Package lane multiplexes any number of callers over a handful of SQLite connections.
//
// # Lanes
//
// The writer lane owns one connection. It runs transactions one after the other, each inside a savepoint, and commits
// them in groups: one fsync acknowledges many callers. Readers, analytics and maintenance are pools: a statement that
// steps holds a run slot, and a session between two rows keeps its connection and gives its slot back.
//
// # Whose goroutine
//
// A closure runs on its caller's goroutine: the lane lends it the connection (a lease) and takes it back at the end, on
// panic, on Goexit, and when the lease has lasted too long. A closure on the lane's own goroutine could stop the engine
// for ever. A single statement needs no closure and runs on the lane itself; one without an fsync runs on its caller's goroutine, too,
// where the lane is at rest (carry.go).
//
// # Taking back
//
// Every use of a lent connection passes a turn: a three-state word that says whether the holder is inside a statement.
// Whoever wants the connection back flips it from idle to taken; inside a statement it is the holder who hands over at
// the statement's end. A statement that never ends is interrupted, then its connection is fenced (core/sqlite) and a new
// writer takes over; the stuck goroutine, should it wake, can do no harm.
package lane
