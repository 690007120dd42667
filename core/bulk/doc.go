// Package bulk moves tables in and out of a database as CSV, JSON lines or, with its package parquet, as Parquet files.
//
// Both ways stream: memory does not grow with the file. [Import] writes in small transactions, so that others who write
// hardly notice, and records how far it is in the same transactions: killed and started again it goes on where it was, and
// every row is there once. [Export] reads one snapshot.
//
// # Nothing is lost silently
//
// A value goes into a column if, and only if, the column's declared type keeps all of it: an integer column takes integers
// of 64 bits, a REAL column takes a decimal that comes back as the same decimal, a TEXT column takes text that is UTF-8. Any
// other row is refused with its line and the reason; so is one that a constraint of the schema refuses. The others of its
// transaction stay.
package bulk
