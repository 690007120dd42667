// Package migrate brings a database to the schema that a program was built
// with, and refuses to start where the two disagree. No row is lost on the way: what a migration does not say it changes is shown to be
// the same afterwards, or nothing of the run is kept.
//
// A [Set] is a folder of numbered SQL files with a checksum each. A [Migrator] works on one database:
//
//   - [Migrator.Status] says where the database stands, with every conflict and its remedy; it reads only.
//   - [Migrator.Plan] says what Up would do, from a run on an empty copy of the schema in memory.
//   - [Migrator.Rehearse] runs Up, Down and Up on a copy of the database and says how long each took and what Down would drop.
//   - [Migrator.Up] applies what is pending, in one transaction, and proves it right before and after COMMIT.
//   - [Migrator.Down] takes migrations back with the scripts that are stored in the database.
//   - [Migrator.Verify] checks a database that is in use; [Migrator.Diff] lists what differs from the history and the files.
//   - [Migrator.Repair] accepts an edited file, a schema changed by hand, or a broken history.
//   - [Migrator.Baseline] gives a database that another program made a history.
//   - [Migrator.History], [Migrator.Runs], [Migrator.Snapshots] tell what happened; [Migrator.Restore] puts a snapshot back.
//   - [Migrator.Fence] stops a program that still runs when another process has changed the schema.
//
// # A run
//
// Up takes the write lock first, reads the history again under it, copies the database, and runs everything that is pending in one
// transaction: with several processes starting at the same instant each migration is applied exactly once, and
// after a crash or an error the database has the version it had before. After COMMIT the file is checked and the probes are asked; where
// one says no the copy is put back and the start is refused. A crash in between is taken up there by the next start.
//
// What the two sides disagree on is reported as conflicts, all at once, each
// with its remedy as it is typed, before anything is written.
package migrate
