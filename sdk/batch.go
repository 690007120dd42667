package sdk

import (
	"time"

	"github.com/tidegate/engine/sdk/abi"
)

// Names of package abi that authors meet.
type (
	// Cell is one value.
	Cell = abi.Cell
	// Rows is an answer of Lookup.
	Rows = abi.Rows
	// Op says what happened to the rows.
	Op = abi.Op
	// Type is a storage class.
	Type = abi.Type
	// Severity orders messages for people.
	Severity = abi.Severity
)

// What can happen to rows.
const (
	Insert = abi.OpInsert
	Update = abi.OpUpdate
	Delete = abi.OpDelete
	Scan   = abi.OpScan
	Alerts = abi.OpNotify
)

// The storage classes.
const (
	Integer = abi.Integer
	Float   = abi.Float
	Text    = abi.Text
	Blob    = abi.Blob
	Null    = abi.Null
)

// Severities.
const (
	Info     = abi.Info
	Warning  = abi.Warning
	Error    = abi.SeverityError
	Critical = abi.Critical
)

// WholeRow is the column of a verdict about no single column.
const WholeRow = abi.WholeRow

// Batch is what a plug-in is asked about: rows of one table that one statement or transaction inserted, updated or deleted, stored rows, or alerts. It is valid
// during the call and belongs to one goroutine.
type Batch struct {
	rows abi.Rows
	hook *Hook
	in   *Instance
	at   int64
}

// Hook says which hook of the manifest asks; not to be changed.
func (b *Batch) Hook() *Hook { return b.hook }

// Op says what happened to the rows; Scan for stored rows, Alerts for alerts.
func (b *Batch) Op() Op { return b.rows.Op() }

// Len is the number of rows.
func (b *Batch) Len() int { return b.rows.Len() }

// Cell is a value of the row as it is now; of one that is deleted as it was. NULL where there is no such row or column, so that a column -1 reads as NULL.
func (b *Batch) Cell(row, col int) Cell { return b.rows.Cell(row, abi.New, col) }

// Old is a value of an updated row as it was before; NULL for other operations.
func (b *Batch) Old(row, col int) Cell { return b.rows.Cell(row, abi.Old, col) }

// Int is Cell for a column of integers: false where the value is of another type, NULL included. It is the cheaper way to read one.
func (b *Batch) Int(row, col int) (int64, bool) { return b.rows.Int(row, abi.New, col) }

// Alert is one alert.
type Alert struct {
	// ID stays the same for one alert, from firing to resolved.
	ID int64
	// Rule, Title and Body say what is wrong; Firing is false when it is over.
	Rule, Title, Body string
	Firing            bool
	Severity          Severity
	// Value is what was measured; Known is false where nothing was.
	Value float64
	Known bool
	// At is the instant.
	At time.Time
}

// Alert reads a row of a batch of alerts. Its texts are valid during the call.
func (b *Batch) Alert(row int) Alert {
	c := func(col int) Cell { return b.Cell(row, col) }
	return Alert{ID: c(0).Int(), Rule: c(1).Text(), Firing: c(2).Text() == "firing", Severity: Severity(max(0, min(c(3).Int(), int64(Critical)))),
		Title: c(4).Text(), Body: c(5).Text(), Value: c(6).Float(), Known: !c(6).IsNull(), At: time.Unix(0, c(7).Int()).UTC()}
}

// SeverityName is the word for a severity: info, warning, error, critical.
func SeverityName(s Severity) string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "critical"
}
