package engine

import (
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/migrate"
)

// Stats are the figures of an open database since Open. The zero value means "nothing yet".
type Stats struct {
	// Writer is the lane that writes; all zero when the database is read only.
	Writer WriterStats
	// Readers, Analytics and Maintenance are the lanes that read.
	Readers, Analytics, Maintenance PoolStats
	// WAL is the write-ahead log.
	WAL WALStats
	// Oldest is the oldest snapshot or transaction that is open, which is what keeps the log from being reset.
	Oldest OldestSnapshot
	// Syncs counts the fsyncs of the write-ahead log: Writer.Jobs / Syncs is what group commit saves.
	Syncs int64
	// Leaked counts connections that were fenced and left behind; restart when convenient if it is not 0.
	Leaked int
	// SchemaVersion is the latest migration applied by this Open, 0 when it applied none.
	SchemaVersion int
	// Migrations are the changes of the schema that this DB has begun, by Open and by Migrations.
	Migrations MigrationStats
	// Breakers are the circuit breakers: those of storage, write and open always, then those of statements that are not closed.
	Breakers []BreakerStats
	// Retry is what the engine has run again by itself, and what its budget refused.
	Retry RetryStats
	// Trace counts what the flight recorder has kept, exported and dropped; all zero where tracing is off.
	Trace TraceStats
}

// WriterStats, PoolStats, QueueStats, Refusals, WALStats and OldestSnapshot are documented field by field in package lane, MigrationStats in package migrate.
type (
	// WriterStats is what the writer lane has done.
	WriterStats = lane.WriterStats
	// PoolStats is the state of a lane of readers.
	PoolStats = lane.PoolStats
	// QueueStats is the line of one class in one lane.
	QueueStats = lane.QueueStats
	// Refusals counts calls that were turned away, by reason.
	Refusals = lane.Refusals
	// WALStats is the state of the write-ahead log.
	WALStats = lane.WALStats
	// OldestSnapshot is what has been open for longest. Its zero value says that nothing is.
	OldestSnapshot = lane.Oldest
	// MigrationStats is what a migrator has done.
	MigrationStats = migrate.Metrics
)

// Stats returns the present figures. It takes no lock that a transaction holds.
func (db *DB) Stats() Stats {
	s := db.lanes.Stats()
	return Stats{Writer: s.Writer, Readers: s.Readers, Analytics: s.Analytics, Maintenance: s.Maintenance, WAL: s.WAL, Oldest: db.lanes.Oldest(),
		Syncs: s.Syncs, Leaked: s.Leaked, SchemaVersion: db.applied.To, Migrations: db.migrator.Metrics(),
		Breakers: db.guard.breakers(), Retry: db.guard.pacer.Stats(), Trace: db.rec.flight.Stats()}
}
