package metric

// ID names a metric of the catalogue.
type ID uint8

// The metrics. Those that begin with db are OpenTelemetry's semantic conventions.
const (
	OperationDuration ID = iota
	ReturnedRows
	VMSteps
	Errors
	Transactions
	TransactionRetries
	WriterWait
	WriterHold
	WriterBusyTime
	WriterBusyRatio
	WriterTransactions
	WriterLimits
	CommitDuration
	GroupSize
	CommitLost
	QueueWaiting
	QueueRefused
	QueueShedding
	ConnectionCount
	ConnectionMax
	ConnectionPending
	ConnectionTimeouts
	ConnectionWait
	ConnectionOpened
	ConnectionLeaked
	WALSize
	WALUsed
	WALSyncs
	WALCheckpoints
	WALCheckpointTime
	SnapshotsEnded
	SnapshotAge
	FileSize
	FileFreelist
	FileEvents
	DiskFree
	MigrationVersion
	MigrationFailed
	DatabaseQuarantine
	RetryRuns
	BreakerState
	BreakerOpened
	BreakerRefused
	ValidationCalls
	ValidationRows
	ValidationTime
	ValidationVerdicts
	ValidationRejected
	PluginQuarantined
	PluginCounter
	PluginGauge
	SlowStatements
	FingerprintEvictions
	TelemetryDropped
	TelemetrySize
	AlertsFiring
	AlertsDelivered
	AlertsWaiting
	AlertsDead
	GoGoroutines
	GoMemoryUsed
	GoMemoryAllocated
	GoCollections
	QueryDuration

	ids
)

// Kind says how the values of a metric behave.
type Kind uint8

// The kinds.
const (
	// Counter only grows, from 0 at the start.
	Counter Kind = iota
	// Gauge goes up and down.
	Gauge
	// Distribution is a histogram.
	Distribution
)

// String is the kind's name in the telemetry database.
func (k Kind) String() string {
	switch k {
	case Counter:
		return "counter"
	case Gauge:
		return "gauge"
	}
	return "histogram"
}

// Definition says what a metric is. Unit is UCUM's, as OpenTelemetry has it: s, By, 1, {row}.
type Definition struct {
	Name, Unit string
	Kind       Kind
	// Scale is what a value of a histogram is multiplied with to be in the unit: they are counted in nanoseconds where the unit is s.
	Scale float64
	// Labels are the keys that its series have.
	Labels string
	Help   string
	// Stored is true for what goes to the telemetry database alone, because it has too many series for others.
	Stored bool
}

// Definition is the entry of the catalogue.
func (id ID) Definition() Definition { return catalog[id] }

// All lists the catalogue in order.
func All() []ID {
	out := make([]ID, ids)
	for i := range out {
		out[i] = ID(i)
	}
	return out
}

const (
	nanoseconds = 1e-9
	plain       = 1
)

// catalog is in the order of the constants.
var catalog = [ids]Definition{
	OperationDuration: {Name: "db.client.operation.duration", Unit: "s", Kind: Distribution, Scale: nanoseconds, Labels: "db.operation.name, db.system.name, engine.class",
		Help: "How long statements took, from the call to the last row, waits included."},
	ReturnedRows: {Name: "db.client.response.returned_rows", Unit: "{row}", Kind: Distribution, Scale: plain, Labels: "db.system.name, engine.class",
		Help: "Rows that callers read from a statement."},
	VMSteps: {Name: "sqlite.vm_steps", Unit: "{step}", Kind: Distribution, Scale: plain, Labels: "engine.class",
		Help: "Instructions of SQLite's virtual machine in a statement: the same over the same data, however busy the machine is."},
	Errors: {Name: "engine.errors", Unit: "{error}", Kind: Counter, Labels: "error.type", Help: "Statements that failed."},
	Transactions: {Name: "engine.tx.count", Unit: "{transaction}", Kind: Counter, Labels: "engine.tx.kind, engine.tx.outcome",
		Help: "Transactions of callers that have ended; a statement by itself is none."},
	TransactionRetries: {Name: "engine.tx.retries", Unit: "{run}", Kind: Counter, Help: "Further runs of transactions of callers."},
	WriterWait: {Name: "engine.writer.wait", Unit: "s", Kind: Distribution, Scale: nanoseconds,
		Help: "How long a transaction or a statement by itself waited for the writer."},
	WriterHold: {Name: "engine.writer.hold", Unit: "s", Kind: Distribution, Scale: nanoseconds,
		Help: "How long a transaction of a caller held the writer."},
	WriterBusyTime: {Name: "engine.writer.busy.time", Unit: "s", Kind: Counter, Help: "How long the writer was at work on groups of transactions, COMMIT included."},
	WriterBusyRatio: {Name: "engine.writer.busy_ratio", Unit: "1", Kind: Gauge,
		Help: "The share of the latest interval in which the writer was at work."},
	WriterTransactions: {Name: "engine.writer.transactions", Unit: "{transaction}", Kind: Counter, Labels: "engine.writer.outcome",
		Help: "Transactions of the writer, those of the engine itself included: committed, failed, replayed, isolated."},
	WriterLimits: {Name: "engine.writer.limits", Unit: "{event}", Kind: Counter, Labels: "engine.limit",
		Help: "What was ended because it took too long: leases expired, statements interrupted, connections fenced."},
	CommitDuration: {Name: "engine.commit.duration", Unit: "s", Kind: Distribution, Scale: nanoseconds, Labels: "engine.durable",
		Help: "How long the COMMIT of a group took, fsync included."},
	GroupSize:  {Name: "engine.group.size", Unit: "{transaction}", Kind: Distribution, Scale: plain, Help: "Transactions that shared a COMMIT."},
	CommitLost: {Name: "engine.commit.failed", Unit: "{group}", Kind: Counter, Labels: "engine.commit.outcome", Help: "Groups whose COMMIT failed, by what was found out about them."},
	QueueWaiting: {Name: "engine.queue.waiting", Unit: "{call}", Kind: Gauge, Labels: "engine.class, engine.lane",
		Help: "Calls that wait for their turn."},
	QueueRefused: {Name: "engine.queue.refused", Unit: "{call}", Kind: Counter, Labels: "engine.class, engine.lane, engine.reason",
		Help: "Calls that were turned away, by reason."},
	QueueShedding: {Name: "engine.queue.shedding", Unit: "1", Kind: Gauge, Labels: "engine.class, engine.lane",
		Help: "1 while more comes than is served and the line is kept short."},
	ConnectionCount: {Name: "db.client.connection.count", Unit: "{connection}", Kind: Gauge, Labels: "db.client.connection.pool.name, db.client.connection.state",
		Help: "Open connections of a pool."},
	ConnectionMax: {Name: "db.client.connection.max", Unit: "{connection}", Kind: Gauge, Labels: "db.client.connection.pool.name",
		Help: "How many connections a pool may open."},
	ConnectionPending: {Name: "db.client.connection.pending_requests", Unit: "{request}", Kind: Gauge, Labels: "db.client.connection.pool.name",
		Help: "Callers that wait for a turn or a connection."},
	ConnectionTimeouts: {Name: "db.client.connection.timeouts", Unit: "{timeout}", Kind: Counter, Labels: "db.client.connection.pool.name",
		Help: "Callers that waited for a turn or a connection for too long."},
	ConnectionWait: {Name: "db.client.connection.wait_time", Unit: "s", Kind: Distribution, Scale: nanoseconds, Labels: "db.client.connection.pool.name",
		Help: "How long reads waited for a turn or a connection: those that had to."},
	ConnectionOpened: {Name: "engine.connection.opened", Unit: "{connection}", Kind: Counter, Labels: "db.client.connection.pool.name", Help: "Connections that were opened."},
	ConnectionLeaked: {Name: "engine.connection.leaked", Unit: "{connection}", Kind: Gauge, Help: "Connections that were fenced and left behind; a restart frees them."},
	WALSize:          {Name: "sqlite.wal.size", Unit: "By", Kind: Gauge, Help: "Size of the write-ahead log's file."},
	WALUsed:          {Name: "sqlite.wal.used", Unit: "By", Kind: Gauge, Help: "The part of the log that holds commits since its last reset."},
	WALSyncs:         {Name: "sqlite.wal.syncs", Unit: "{sync}", Kind: Counter, Help: "Fsyncs of the log."},
	WALCheckpoints: {Name: "sqlite.wal.checkpoints", Unit: "{checkpoint}", Kind: Counter, Labels: "sqlite.checkpoint.complete",
		Help: "Checkpoints; one is incomplete when a reader was in the way."},
	WALCheckpointTime: {Name: "sqlite.wal.checkpoint.time", Unit: "s", Kind: Counter, Help: "How long checkpoints took."},
	SnapshotsEnded:    {Name: "engine.snapshots.ended", Unit: "{snapshot}", Kind: Counter, Help: "Snapshots that were ended because the log grew."},
	SnapshotAge: {Name: "engine.snapshot.age", Unit: "s", Kind: Gauge,
		Help: "Age of the oldest snapshot or transaction that is open, another program's included, which is known by the checkpoints that it holds up; 0 when there is none."},
	FileSize:         {Name: "sqlite.file.size", Unit: "By", Kind: Gauge, Help: "Size of the database file."},
	FileFreelist:     {Name: "sqlite.file.freelist", Unit: "By", Kind: Gauge, Help: "The part of the file that holds nothing."},
	FileEvents:       {Name: "sqlite.file.events", Unit: "{event}", Kind: Counter, Labels: "sqlite.file.event", Help: "What happened to the file from outside: busy, foreign, moved, reconnect, yield."},
	DiskFree:         {Name: "engine.disk.free", Unit: "By", Kind: Gauge, Help: "What this user can still write to the database's file system; missing where the system does not tell, and in memory."},
	MigrationVersion: {Name: "engine.migration.version", Unit: "1", Kind: Gauge, Help: "The latest migration that this start has applied; 0 when it applied none."},
	MigrationFailed: {Name: "engine.migration.failed", Unit: "{run}", Kind: Gauge,
		Help: "Changes of the schema that failed and after which none went well: the latest of this process, and those that the database tells of."},
	DatabaseQuarantine: {Name: "engine.quarantine", Unit: "1", Kind: Gauge, Help: "1 while the database is in quarantine, because a statement has found it damaged."},
	RetryRuns:          {Name: "engine.retry.runs", Unit: "{run}", Kind: Counter, Labels: "engine.retry.decision", Help: "Further runs that the budget of retries has granted and denied."},
	BreakerState:       {Name: "engine.breaker.state", Unit: "1", Kind: Gauge, Labels: "engine.breaker", Help: "0 closed, 1 half open, 2 open."},
	BreakerOpened:      {Name: "engine.breaker.opened", Unit: "{event}", Kind: Counter, Labels: "engine.breaker", Help: "How often a breaker opened."},
	BreakerRefused:     {Name: "engine.breaker.refused", Unit: "{call}", Kind: Counter, Labels: "engine.breaker", Help: "Calls that an open breaker refused."},
	ValidationCalls:    {Name: "validation.calls", Unit: "{call}", Kind: Counter, Help: "Calls of validators."},
	ValidationRows:     {Name: "validation.rows", Unit: "{row}", Kind: Counter, Help: "Rows that validators were asked about."},
	ValidationTime:     {Name: "validation.time", Unit: "s", Kind: Counter, Help: "How long validators took."},
	ValidationVerdicts: {Name: "validation.verdicts", Unit: "{verdict}", Kind: Counter, Labels: "validation.verdict",
		Help: "What validators said beside yes."},
	ValidationRejected: {Name: "validation.rejected", Unit: "{row}", Kind: Counter, Labels: "engine.plugin.name, engine.rule", Help: "Rows that a rule refused."},
	PluginQuarantined:  {Name: "plugin.quarantined", Unit: "{plugin}", Kind: Gauge, Help: "Plug-ins that are out of service after faults."},
	PluginCounter:      {Name: "plugin.counter", Unit: "1", Kind: Counter, Labels: "engine.plugin.metric, engine.plugin.name", Help: "What a plug-in counts, under the names that its manifest declares."},
	PluginGauge:        {Name: "plugin.gauge", Unit: "1", Kind: Gauge, Labels: "engine.plugin.metric, engine.plugin.name", Help: "What a plug-in measures, under the names that its manifest declares."},
	SlowStatements:     {Name: "engine.slow.statements", Unit: "{statement}", Kind: Counter, Labels: "engine.slow.reason", Help: "Statements that were slow, or inefficient though still fast."},
	FingerprintEvictions: {Name: "engine.slow.evictions", Unit: "{fingerprint}", Kind: Counter,
		Help: "Fingerprints that were forgotten to make room."},
	TelemetryDropped: {Name: "telemetry.dropped", Unit: "{item}", Kind: Counter, Labels: "telemetry.item", Help: "Telemetry that was lost, by what it was."},
	TelemetrySize:    {Name: "telemetry.size", Unit: "By", Kind: Gauge, Help: "What the telemetry database holds."},
	AlertsFiring:     {Name: "engine.alerts.firing", Unit: "{alert}", Kind: Gauge, Labels: "engine.alert.severity", Help: "Alerts that go on, silenced ones included."},
	AlertsDelivered: {Name: "engine.alerts.delivered", Unit: "{attempt}", Kind: Counter, Labels: "engine.alert.outcome, engine.alert.sink",
		Help: "Attempts to tell sinks of alerts, by outcome: delivered, failed (and tried again), dead, repeated, heartbeat, heartbeat_failed."},
	AlertsWaiting: {Name: "engine.alerts.waiting", Unit: "{alert}", Kind: Gauge, Labels: "engine.alert.sink", Help: "Alerts that wait to be delivered to a sink."},
	AlertsDead:    {Name: "engine.alerts.dead", Unit: "{alert}", Kind: Gauge, Labels: "engine.alert.sink", Help: "Alerts that could not be delivered to a sink, and are kept."},
	GoGoroutines:  {Name: "go.goroutine.count", Unit: "{goroutine}", Kind: Gauge, Help: "Goroutines of the process."},
	GoMemoryUsed:  {Name: "go.memory.used", Unit: "By", Kind: Gauge, Help: "Memory that the Go runtime holds; that of SQLite, which lies outside of its heap, is in the process alone."},
	GoMemoryAllocated: {Name: "go.memory.allocated", Unit: "By", Kind: Counter,
		Help: "What was allocated on the heap."},
	GoCollections: {Name: "go.gc.count", Unit: "{collection}", Kind: Counter, Help: "Garbage collections."},
	QueryDuration: {Name: "engine.query.duration", Unit: "s", Kind: Distribution, Scale: nanoseconds, Labels: "sqlite.fingerprint", Stored: true,
		Help: "How long the statements of a fingerprint took: the hundred that took most time in a minute."},
}
