package trace

import "time"

// Statement is the record of one execution. It holds no bound value and no pointer to one but in Given. The zero value of every field but Query and
// Start means "none" or "unknown". Its owner may use it again as soon as [Recorder.Statement] has returned.
type Statement struct {
	// Query describes the SQL; never nil.
	Query *Query
	// Start is when the caller asked; Duration runs until the last row was read or the statement failed, waits included.
	Start    time.Time
	Duration time.Duration
	// Lane is where it ran: writer, reader, analytics or maintenance. Class is its admission class.
	Lane, Class string
	// Waits are the parts of Duration in which it waited.
	Waits
	// RowsReturned and RowsChanged count rows that the caller read and rows that the statement itself changed.
	RowsReturned, RowsChanged int64
	// Batch is the number of parameter sets it ran with, when more than one.
	Batch int
	// Group is the commit group that it was part of; 0 outside one. Tx is the serial number of its transaction, see [TxSpan]; 0 outside one.
	Group, Tx uint64
	// Retries counts the runs that came before this one.
	Retries int
	// Work is what the store counted while it ran.
	Work Work
	// Err is how it failed; nil when it did not.
	Err error
	// Given is what the caller gave: for what looks into a statement in this process, never for what leaves it.
	Given Given
}

// Given is what a caller gave for a statement. It holds literals and bound values, so it must not be exported, stored or logged.
type Given struct {
	// SQL is the text as it was written; Name is what the caller called the transaction, and is the one field that may be shown.
	SQL, Name string
	// Args are the bindings; nil where they are not known. The slice is good during the call, and slices of bytes in it are the caller's: look
	// at their length alone.
	Args []any
}

// Waits are times in which a statement waited.
type Waits struct {
	// QueueWait is the time in the admission queue, SlotWait that for a run slot or connection after it, CommitWait that for the COMMIT that
	// it shared, where it was a transaction of its own.
	QueueWait, SlotWait, CommitWait time.Duration
}

// Work is what the store counted while a statement ran.
type Work struct {
	// VMSteps is the number of instructions of SQLite's virtual machine, the same on every run over the same data.
	VMSteps int64
	// FullScanSteps is the number of rows stepped over without an index.
	FullScanSteps int64
	// Sorts, AutoIndexes and Reprepares count sorts without an index, rows put into an index made for this run alone, and re-compilations.
	Sorts, AutoIndexes, Reprepares int64
	// PluginCalls counts the calls of plug-ins about rows of a statement outside a transaction, PluginTime is the time in them.
	PluginCalls int64
	PluginTime  time.Duration
}
