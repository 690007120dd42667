package trace

import "go.opentelemetry.io/otel/attribute"

// Documented is an attribute, an event or a name of a span, as docs/observability.md lists it.
type Documented struct {
	// Name is what is sent, Where on which spans, Meaning what it says and in which unit.
	Name, Where, Meaning string
}

// SpanNames lists the spans that the engine makes.
func SpanNames() []Documented {
	return []Documented{
		{"{summary}", "statement", "The operations and tables of the SQL, such as `SELECT orders`; kind CLIENT."},
		{"TRANSACTION {name}", "transaction", "An Update, View, Batch or a transaction of database/sql, by the caller's name for it."},
		{"COMMIT", "commit", "The COMMIT that the transactions of a group share; each of them has a link to it."},
		{"PLUGIN {name}", "plugin", "One call of a plug-in, if it was slow or failed; the others are counted on their transaction or statement."},
		{"{what it does}", "work", "The engine's own work: `migrate up`, `migration main 0003 …`, `probe write`, and what comes later."},
	}
}

// EventNames lists the events on spans.
func EventNames() []Documented {
	return []Documented{
		{"engine.retry", "transaction", "The closure is run once more."},
		{"engine.busy", "transaction", "It waited for the writer, or was turned away; a link leads to the span that held it when the wait began."},
		{"engine.lease", "transaction", "It kept the writer too long and was rolled back."},
		{"engine.breaker", "transaction", "A circuit breaker changed its state."},
		{"validation.{kind}", "transaction", "A rule rejected, warned, failed, allowed or shadowed: which plug-in, version, rule and table."},
	}
}

// Attributes lists all attributes of the engine's spans.
func Attributes() []Documented {
	var out []Documented
	add := func(key attribute.Key, where, meaning string) {
		out = append(out, Documented{string(key), where, meaning})
	}
	add(keySystem, "all but plugin", "sqlite.")
	add(keyNamespace, "all", "The file's name without its folder.")
	add(keyText, "statement", "The SQL with ? for every literal, at most 8 KB.")
	add(keySummary, "statement", "The same as the span's name.")
	add(keyOperation, "statement, commit", "The verb, such as INSERT or CREATE TABLE.")
	add(keyCollection, "statement, plugin", "The table, where there is exactly one.")
	add(keyBatch, "statement", "Parameter sets, where more than one.")
	add(keyRowsReturned, "statement", "Rows that were read.")
	add(keyStatusCode, "all", "The store's result code, of what failed.")
	add(keyErrorType, "all", "The type of the error, of what failed; never its message.")
	add(keyFingerprint, "statement", "The same for statements of one shape; 64 bits in hexadecimal digits.")
	add(keyRowsChanged, "statement", "Rows that the statement itself inserted, updated or deleted.")
	add(keyVMSteps, "statement", "Instructions of SQLite's virtual machine.")
	add(keyFullScan, "statement", "Rows stepped over without an index.")
	add(keySorts, "statement", "Sorts without an index.")
	add(keyAutoIndex, "statement", "Rows put into an index that was made for this run.")
	add(keyReprepares, "statement", "Compilations during the run.")
	add(keyLane, "statement", "writer, reader, analytics or maintenance.")
	add(keyClass, "statement", "The admission class.")
	add(keyQueueWait, "statement, transaction; event engine.busy", "Wait in line, µs.")
	add(keySlotWait, "statement", "Wait for a connection or a slot, µs.")
	add(keyCommitWait, "statement, transaction", "Wait from the end of the work to the acknowledgement, µs; of a statement that is a transaction of its own.")
	add(keyRetries, "statement, transaction; event engine.retry", "Runs before this one.")
	add(keyGroup, "statement, transaction, commit", "The commit group.")
	add(keyGroupSize, "transaction, commit", "Transactions in the group.")
	add(keyTxName, "transaction, work", "The caller's name.")
	add(keyTxKind, "transaction, work", "update, view, batch, session, or which work.")
	add(keyStatements, "transaction, work", "Statements that it ran.")
	add(keyOutcome, "transaction, work", "committed, rolled_back or unknown.")
	add(keyHold, "transaction; event engine.lease", "How long it had its connection, µs.")
	add(keyDurable, "commit", "Whether the log was synced.")
	add(keySync, "commit", "How long COMMIT took, with the sync, µs.")
	add(keyLinkReason, "links", "Why: commit, busy, caller.")
	add(keyPromoted, "all", "slow or failed: a root that is there although the caller's span was not sampled; the link leads to that.")
	add(keyPluginCalls, "statement, transaction", "Calls of plug-ins.")
	add(keyPluginTime, "statement, transaction", "Time in plug-ins, µs.")
	add(keyPluginRows, "plugin", "Rows of the call.")
	add(keyPlugin, "plugin", "The plug-in.")
	add(keyPluginVer, "plugin", "Its version.")
	return out
}

// DropReasons lists why spans are lost, by the fields of [Drops].
func DropReasons() []Documented {
	return []Documented{
		{"Overwritten", "", "The ring went round before the record was looked at."},
		{"Behind", "", "Export was behind; others of the same fingerprint stand for this one."},
		{"Priority", "", "So far behind that slow and failed ones had to go, too: the oldest."},
		{"Rate", "", "More than 200 slow or failed operations in a second below spans that are not sampled."},
		{"Failed", "", "The sink returned an error."},
		{"Closed", "", "Left when the database was closed: it waits two seconds for them."},
	}
}
