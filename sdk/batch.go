package sdk

import "github.com/tidegate/engine/sdk/abi"

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
