// Package sqldb is a driver of database/sql on the lanes of one open database.
//
// A connection of it is a session that holds nothing between two calls: a query takes a reader for as long as its rows are open, a
// statement that writes joins a commit group, and only a transaction has something of its own. So a *sql.DB may open as many connections
// as it likes; they are cheap and are never broken.
//
// What the driver needs of the engine around it, tracing, arguments and the public form of errors, it asks of a [Host].
package sqldb
