// Package migrate brings a database to the schema that a program was built
// with, and refuses to start where the two disagree.
//
// A [Set] is a folder of numbered SQL files with a checksum each. [Set.Apply]
// takes the write lock first, reads the history again under it, and runs
// everything that is pending in one transaction: with several processes
// starting at the same instant each migration is applied exactly once, and
// after a crash or an error the database has the version it had before.
//
// What the two sides disagree on is reported as conflicts, all at once, each
// with its remedy, before anything is written.
package migrate
