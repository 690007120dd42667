package convert

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Options of a run. Component and Version name the migration that the conversion belongs to; former values are kept under them.
type Options struct {
	Component string
	Version   int
	Now       time.Time      // written beside what is kept
	Progress  func(Progress) // nil says nothing; called on the caller's goroutine, a few times a second's work
}

// Progress is how far a run has come.
type Progress struct {
	Table, Column string
	Phase         string // analyse, convert, prove or revert
	Done, Total   int64  // rows
}

// Loss is a row whose value does not survive. The value itself is not told.
type Loss struct {
	Key    string // the rowid, or the primary key
	Reason string
}

// Analysis is what a conversion would do.
type Analysis struct {
	Directive  string
	Method     Method
	Why        string // why the table has to be rebuilt
	Rows       int64
	Nulls      int64
	Lossy      int64    // rows whose value does not survive
	Spelled    int64    // rows whose value survives in another spelling; the former bytes are kept
	First      []Loss   // of the lossy ones, at most MaxListed
	Readers    []string // indexes, views and triggers that mention the column and stay as they are
	Unstable   bool     // rows have no lasting key: VACUUM may make Revert miss what is kept
	Statements []string // what Apply runs
}

// MaxListed is how many lossy rows are named one by one; all of them are counted.
const MaxListed = 1000

// ErrLoss matches every [*LossError].
var ErrLoss = errors.New("values do not survive the conversion")

// LossError lists the rows because of which a conversion was given up. The caller rolls back.
type LossError struct {
	Table, Column string
	Lossy, Rows   int64
	First         []Loss // at most MaxListed
}

// Error names the first few rows, and the remedy.
func (e *LossError) Error() string {
	shown := e.First[:min(len(e.First), 5)]
	rows := make([]string, len(shown))
	for i, l := range shown {
		rows[i] = l.Key + " (" + l.Reason + ")"
	}
	more := ""
	if n := e.Lossy - int64(len(shown)); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("convert %s.%s: %d of %d values do not survive the conversion: rows %s%s; correct them, or write on_loss=quarantine to keep them aside",
		e.Table, e.Column, e.Lossy, e.Rows, strings.Join(rows, ", "), more)
}

// Is matches ErrLoss.
func (e *LossError) Is(target error) bool { return target == ErrLoss }

// Result is what a run has done.
type Result struct {
	Method   Method
	Rows     int64
	Lossy    int64 // values that went to quarantine
	Kept     int64 // former values that are kept, lossy ones and NULLs included
	Restored int64 // by Revert: former values that came back from there
	Took     time.Duration
}

// tally counts while rows go by.
type tally struct {
	rows, nulls, lossy, spelled int64
	first                       []Loss
}

func (t *tally) loss(key, reason string) {
	t.lossy++
	if len(t.first) < MaxListed {
		t.first = append(t.first, Loss{key, reason})
	}
}
