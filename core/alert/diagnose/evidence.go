package diagnose

import (
	"time"

	"github.com/tidegate/engine/core/alert"
)

// Evidence is what there is to know when an alert begins. The zero value of a field says that nothing is known of it. Nothing in it may hold a bound
// value or a literal: what is in it is told.
type Evidence struct {
	// Alert is the alert, without a diagnosis.
	Alert alert.Alert
	// Now is what happened since it began, Usual what happened before: the last hours, or the same hour of an earlier day where that is stored.
	Now, Usual *Digest
	// Sessions are under way at the moment, oldest first.
	Sessions []Session
	Store    Store
	// Breakers are those that are not closed.
	Breakers []Breaker
	// Pools are the lanes that read.
	Pools []Pool
	// Plans are what is known of the plans of statements that changed their cost, by fingerprint.
	Plans map[string]Plan
	// Plugins are those that are out of service.
	Plugins []string
	// Traces are traces of slow or failed operations since it began, the slowest first.
	Traces []Trace
	// Frozen names the copy of the flight recorder.
	Frozen string
}

// Session is a transaction or a query that is under way.
type Session struct {
	// ID is its number, for engine kill; Lane is writer, reader, analytics or maintenance; State is waiting, running or idle.
	ID          uint64
	Lane, State string
	// Name is what its caller called it; Query its statement with ? for every literal.
	Name, Query string
	Age         time.Duration
}

// title names a session for people.
func (s *Session) title() string { return named(s.Name) }

// Store is the state of the database file and of what is beside it.
type Store struct {
	// Quarantine is why the database is in quarantine; "" where it is not. Moved says that the file was moved or replaced.
	Quarantine string
	Moved      bool
	// WALUsed, WALSoft and WALCap are in bytes.
	WALUsed, WALSoft, WALCap float64
	// DiskFree is in bytes; below nothing where it is not known. Files are the sizes of the engine's files, in bytes, by what they are.
	DiskFree float64
	Files    map[string]float64
	// Telemetry is where metrics are stored; "" where they are not.
	Telemetry string
	// Snapshot is the oldest one that is known of.
	Snapshot Snapshot
	// Migration is what the latest migration that failed said, without a value; "" where none has. Unsettled counts those after which none went well.
	Migration string
	Unsettled float64
}

// Snapshot is one that is open.
type Snapshot struct {
	Age time.Duration
	// Lane and Holder say whose it is; of another program they are empty, and Foreign is true.
	Lane, Holder string
	Foreign      bool
}

// Breaker is a circuit breaker that is not closed.
type Breaker struct {
	// Name is storage, write, open, or that of a statement; State is open or half-open; Cause is why, without a value.
	Name, State, Cause string
	Since              time.Time
}

// Pool is a lane that reads.
type Pool struct {
	Name string
	// InUse of Most connections are in use; Starved callers wait for one, Waiting for anything.
	InUse, Most, Starved, Waiting int
}

// Plan is what is known of a statement's plan.
type Plan struct {
	// Was and Is are the plans, a line for each step; "" where one is not known.
	Was, Is string
	// RowsWere and Rows are the sizes of its table, by the highest row number; 0 where that is not known.
	RowsWere, Rows int64
}

// Trace is an operation of a trace.
type Trace struct {
	ID string
	// Name is that of the operation or of the transaction; Fingerprint is that of a statement.
	Name, Fingerprint string
	Took              time.Duration
	Failed            bool
}

// ratio is how many times more a is than b; 0 where one of them is not known.
func ratio(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return a / b
}

// known says whether there is something to compare with.
func (e *Evidence) known() bool { return e.Usual.Intervals > 0 }
