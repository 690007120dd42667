package alert

import "fmt"

// Sizes are what default rules need to know of a database.
type Sizes struct {
	// WALCap is what its log may grow to, WALHard what it is brought back to, both in bytes.
	WALCap, WALHard int64
}

// Defaults are the rules that every database has. docs/alerts.md lists them.
func Defaults(s Sizes) []Definition {
	log := fmt.Sprintf("max(sqlite.wal.used) >= %dB resolve < %dB for 30s", s.WALCap/8*7, min(s.WALHard, s.WALCap/8*7))
	return []Definition{
		{"SignalLatencyHigh", Critical, `p95(db.client.operation.duration{engine.class="signal"}[2m]) > 50ms resolve < 40ms for 1m least 20`,
			"signal queries take {value} at the 95th percentile", "The limit is {limit}. See who else is at work with `engine ps`, and which statements are slow with `engine slow list`."},
		{"AnalyticsSlow", Warning, `p95(db.client.operation.duration{engine.class="analytics"}[10m]) > 2s resolve < 1.6s for 2m least 3`,
			"analytics take {value} at the 95th percentile", "The limit is {limit}. `engine slow list` names the statements with their plans."},
		{"ErrorRate", Warning, `increase(engine.errors{error.type!=("context.Canceled","*change.RejectedError","constraint","expectation","key_reused")}[5m]) / increase(db.client.operation.duration[5m]) > 1% resolve < 0.5% for 2m least 100`,
			"{value} of all statements fail", "The limit is {limit}. The metric engine.errors has the types; `engine slow list` and the traces have single ones."},
		{"PoolQueueTimeouts", Warning, `increase(db.client.connection.timeouts[5m]) by (db.client.connection.pool.name) > 2 resolve < 1`,
			"calls gave up waiting for a turn of the pool {db.client.connection.pool.name}: {value} in five minutes", "Look for rows and Views that are held open with `engine ps`, or raise the pool's connections or slots."},
		{"WriterBusy", Warning, `rate(engine.writer.busy.time[1m]) > 80% resolve < 60% for 5m hold 1m`,
			"the writer is at work {value} of the time", "The limit is {limit}. `engine ps` names who holds it; shorter transactions and bigger groups leave room."},
		{"BreakerOpen", Critical, `max(engine.breaker.state) by (engine.breaker) >= 2 resolve < 1 for 20s`,
			"the circuit breaker {engine.breaker} is open", "Calls are refused at once until a probe succeeds. `engine health` names the cause and the remedy."},
		{"WALOverCap", Critical, log,
			"the write-ahead log holds {value}", "From {limit} the oldest snapshots are ended to keep it within its cap; a reader that the engine cannot end is in the way. `engine ps` lists those of this process; look for other programs that have the file open."},
		{"ReaderPinned", Warning, `max(engine.snapshot.age) > 5m resolve < 2m`,
			"a snapshot is {value} old", "It keeps the write-ahead log from being reset. `engine ps` names who holds it."},
		{"DiskFullIn24h", Warning, `full(engine.disk.free[3h]) < 24h resolve > 36h for 10m hold 10m`,
			"the disk is full in {value} if it goes on like this", "Free space, move the telemetry database elsewhere, or archive old rows. When it is full, writes are refused until there is space."},
		{"IntegrityFailed", Critical, `max(engine.quarantine) > 0`,
			"the database is damaged and in quarantine", "Nothing is written to it. Restore a backup or repair it, then `engine health --reset`."},
		{"MigrationFailed", Critical, `max(engine.migration.failed) > 0`,
			"a change of the schema has failed, and none has gone well since", "`engine migrate status` says which one and why. What it had done was rolled back."},
		{"PluginQuarantined", Critical, `max(plugin.quarantined) > 0 for 20s`,
			"{value} plug-ins are in quarantine after faults", "Writes that they would have to judge are refused. `engine plugin list` names them."},
		{"TelemetryDropping", Info, `increase(telemetry.dropped[2m]) by (telemetry.item) > 0 for 5m hold 5m`,
			"telemetry is being lost: {value} of {telemetry.item} in two minutes", "What comes is more than is exported or stored. Look at the exporter, or sample less."},
		{"ConnectionsLeaked", Warning, `max(engine.connection.leaked) > 0`,
			"connections were fenced and left behind: {value}", "A statement could not be stopped. Restart when convenient: that frees them."},
		{"CommitOutcomeUnknown", Critical, `increase(engine.commit.failed{engine.commit.outcome="unknown"}[15m]) > 0`,
			"of {value} it is not known whether it was committed", "Those calls have got ErrOutcomeUnknown. Look at the disk and the log, then look in the database what is there before anything is sent again; idempotency keys make that safe."},
		{"FileMoved", Critical, `increase(sqlite.file.events{sqlite.file.event="moved"}[15m]) > 0`,
			"the database file was moved or replaced while it was open", "Find out who did that. `engine health` says which file the engine is on now."},
		{"WriterLimits", Warning, `increase(engine.writer.limits[5m]) by (engine.limit) > 2 resolve < 1`,
			"transactions were ended because they took too long ({engine.limit}): {value} in five minutes", "`engine slow list` and the log name the transactions. Do slow work before or after the transaction, or give it HoldFor."},
	}
}
