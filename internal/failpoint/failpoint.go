// Package failpoint names the places where a test ends the process as SIGKILL would, between two steps that one would like to be one. A place
// exists only in programs that were built with the tag failpoints:
//
//	go build -tags failpoints ./cmd/engine
//	TIDEGATE_FAILPOINT=wal-unsynced:40 ./engine demo --db sqlite:///trial.db --ledger trial.ids
//
// ends at the 40th time that the place is passed. Without the tag [Hit] is empty and leaves nothing in the program, not even the names.
package failpoint

// Variable is the environment variable that arms a place: its name, a colon, and which pass of it ends the process, from 1 on.
const Variable = "TIDEGATE_FAILPOINT"

// Point is the name of a place.
type Point string

// The places.
const (
	WALFrame               Point = "wal-frame"                // a page of a transaction is in the log, the rest is not
	WALUnsynced            Point = "wal-unsynced"             // all of it is in the log, and was not synced
	WALSynced              Point = "wal-synced"               // it is on the disk, and SQLite has not been told
	CommitUnacknowledged   Point = "commit-unacknowledged"    // a group is durable, and no member of it knows
	CommitHalfAcknowledged Point = "commit-half-acknowledged" // one member knows
	GroupMember            Point = "group-member"             // one member's savepoint is released, the group is not committed
	CheckpointPage         Point = "checkpoint-page"          // some pages are in the database file, others not
	CheckpointSynced       Point = "checkpoint-synced"        // all are, and the log does not say so
	CheckpointDone         Point = "checkpoint-done"          // the log may begin anew
	LogBegins              Point = "log-begins"               // it has: a new header, with old frames behind it
	LogTruncated           Point = "log-truncated"            // its space was given back
	RecoveryBegun          Point = "recovery-begun"           // the log that somebody left is about to be read
	RecoveryFrame          Point = "recovery-frame"           // some of it was
	OpenPrepared           Point = "open-prepared"            // a database is ready for its first connection
	MigrationStatement     Point = "migration-statement"      // ahead of a statement of a migration
	MigrationUncommitted   Point = "migration-uncommitted"    // a run is complete and not committed
	MigrationCommitted     Point = "migration-committed"      // and not probed
	PurgeUncommitted       Point = "purge-uncommitted"        // old idempotency keys are deleted in an open transaction
	PurgeCommitted         Point = "purge-committed"          // and in a committed one
	QuarantineUnnamed      Point = "quarantine-unnamed"       // the record is written under a name of its own
	QuarantineNamed        Point = "quarantine-named"         // and under the one that counts, which is not synced
)
