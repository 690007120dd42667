package slowlog

import (
	"time"
)

// The reasons for which a statement is logged.
const (
	// Threshold: it took longer than its class may.
	Threshold = "threshold"
	// Unusual: it took longer than 99 of 100 of its kind, and more than twice their median.
	Unusual = "unusual"
	// Scan: it stepped over more than 10,000 rows without an index, for at most one in a hundred of them.
	Scan = "scan"
	// AutoIndex: SQLite made an index for this run alone.
	AutoIndex = "autoindex"
	// Sort: it sorted without an index, and did more than 100,000 steps. Whether a sort left the memory cannot be asked of SQLite.
	Sort = "sort"
	// Reprepare: statements of its kind were compiled anew more than ten times in a minute.
	Reprepare = "reprepare"
)

// Observation is what is looked at of a statement that has ended. Its owner may use it again when Observe has returned.
type Observation struct {
	Query     Query
	Given     Given
	Run       Run
	Lane      string
	Class     string
	Operation string
}

// Query names a kind of statements. Text and Summary hold no literals.
type Query struct {
	Fingerprint   uint64
	Text, Summary string
}

// Given is what the caller gave. It stays in memory.
type Given struct {
	// SQL is the text as it was written, Args the bindings. Slices of bytes in it are never looked into: they are the caller's.
	SQL  string
	Args []any
	// Name is what the caller called the transaction; it is written down.
	Name string
}

// Run is what one run did.
type Run struct {
	Start                          time.Time
	Duration, QueueWait, SlotWait  time.Duration
	RowsReturned, RowsChanged      int64
	VMSteps, FullScanSteps         int64
	Sorts, AutoIndexes, Reprepares int64
	Retries                        int
	Error                          string // the type of its error
}

// Entry is what the log keeps of a statement.
type Entry struct {
	// ID is its number in the log.
	ID int64 `json:"id"`
	// At is when the statement was called.
	At          time.Time `json:"at"`
	Fingerprint string    `json:"fingerprint"`
	Reasons     []string  `json:"reasons"`
	Text        string    `json:"text"`
	Summary     string    `json:"summary"`
	// Bindings are what the policy lets be known of them, one text for each; nil where nothing is kept.
	Bindings []string   `json:"bindings,omitempty"`
	Plan     []PlanStep `json:"plan,omitempty"`
	// PlanError says why there is no plan.
	PlanError string `json:"plan_error,omitempty"`
	Origin
	Waits
	Work  Work   `json:"work"`
	Error string `json:"error,omitempty"`
	// Skipped is how many of the same kind were left out since the entry before, because there were too many.
	Skipped int `json:"skipped,omitempty"`
}

// Origin is where a statement came from.
type Origin struct {
	Lane  string `json:"lane"`
	Class string `json:"class"`
	// Caller is what the caller called the transaction; "" where it had no name.
	Caller string `json:"caller,omitempty"`
	// Trace is the trace that it belongs to, where that is kept.
	Trace string `json:"trace,omitempty"`
}

// Waits says where the time went.
type Waits struct {
	// Duration is from the call to the last row; Queue and Slot are what of it was waited for a turn, and for a slot or a connection.
	Duration time.Duration `json:"duration_ns"`
	Queue    time.Duration `json:"queue_ns"`
	Slot     time.Duration `json:"slot_ns"`
	// Holder is who held the writer for most of the time that was waited for it.
	Holder string `json:"holder,omitempty"`
}

// Work is what the store counted.
type Work struct {
	RowsReturned  int64 `json:"rows_returned"`
	RowsChanged   int64 `json:"rows_changed"`
	VMSteps       int64 `json:"vm_steps"`
	FullScanSteps int64 `json:"fullscan_steps"`
	Sorts         int64 `json:"sorts"`
	AutoIndexes   int64 `json:"autoindexes"`
	Reprepares    int64 `json:"reprepares"`
	Retries       int   `json:"retries"`
}

// PlanStep is a line of a query plan.
type PlanStep struct {
	ID     int64  `json:"id"`
	Parent int64  `json:"parent"`
	Detail string `json:"detail"`
}

// Kind is what is known of a fingerprint.
type Kind struct {
	Fingerprint string        `json:"fingerprint"`
	Text        string        `json:"text"`
	Summary     string        `json:"summary"`
	Calls       int64         `json:"calls"`
	Total       time.Duration `json:"total_ns"`
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	Last        time.Time     `json:"last"`
	// Bindings is how many sets are in memory.
	Bindings int `json:"binding_sets"`
}
