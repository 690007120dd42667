package change

import (
	"errors"
	"fmt"

	"github.com/tidegate/engine/sdk/abi"
)

// Sentinels. A returned error matches at most one of them.
var (
	// ErrRejected says that a rule refused a row: *[RejectedError] tells which and why.
	ErrRejected = errors.New("change: a rule rejected a row")
	// ErrFault says that a validator failed, so that its rows were refused: *[FaultError].
	ErrFault = errors.New("change: a validator failed")
	// ErrQuarantined says that the validator of a table is out of service, so that the table cannot be written: *[QuarantinedError].
	ErrQuarantined = errors.New("change: the validator of a table is quarantined")
)

// RejectedError is a row that a rule refused. Nothing of its transaction was applied. It matches ErrRejected.
type RejectedError struct {
	// Plugin and Version name the validator; of a declared check Plugin is "check" and Version "".
	Plugin, Version string
	// Rule is the validator's own number of the rule that was broken.
	Rule uint32
	// Op is what the statement did to the row: insert, update or delete.
	Op abi.Op
	// Table and Column say where; Column is "" where the row as a whole is wrong.
	Table, Column string
	// Key is the row: its rowid, or its primary key where the table has no rowid; as much of it as Config.Keys tells.
	Key string
	// Reason is the validator's, for people.
	Reason string
	// Severity is the validator's.
	Severity abi.Severity
	// Rows is how many rows of the same call were rejected, this one included.
	Rows int
	// Receipt allows the decision to be repeated.
	Receipt Receipt
}

// Error names rule, row and reason.
func (e *RejectedError) Error() string {
	who, where := e.Plugin, e.Table
	if e.Version != "" {
		who += " " + e.Version
	}
	if e.Column != "" {
		where += "." + e.Column
	}
	more := ""
	if e.Rows > 1 {
		more = fmt.Sprintf(" (and %d more rows)", e.Rows-1)
	}
	row := ", row " + e.Key + ","
	if e.Key == "" {
		row = ""
	}
	return fmt.Sprintf("%s of %s%s is rejected by %s, rule %d: %s%s", e.Op, where, row, who, e.Rule, e.Reason, more)
}

// Is matches ErrRejected.
func (e *RejectedError) Is(target error) bool { return target == ErrRejected }

// RowFault is what an import says of the row.
func (e *RejectedError) RowFault() string {
	return fmt.Sprintf("%s, rule %d: %s", e.Plugin, e.Rule, e.Reason)
}

// FaultError is a validator that could not judge. Nothing of the transaction was applied. It matches ErrFault.
type FaultError struct {
	// Plugin, Version and Table say who could not judge what.
	Plugin, Version, Table string
	// Reason says what to do where the cause does not.
	Reason string
	// Cause is the host's error; nil where the engine itself could not ask.
	Cause error
}

// Error names the validator and the cause.
func (e *FaultError) Error() string {
	text := e.Reason
	if e.Cause != nil {
		if text != "" {
			text += ": "
		}
		text += e.Cause.Error()
	}
	return fmt.Sprintf("%s is not written, because %s could not judge it: %s", e.Table, e.Plugin, text)
}

// Is matches ErrFault.
func (e *FaultError) Is(target error) bool { return target == ErrFault }

// QuarantinedError is a table whose validator is out of service. It matches ErrQuarantined.
type QuarantinedError struct {
	// Plugin, Version and Table say which.
	Plugin, Version, Table string
	// Cause is the host's error.
	Cause error
}

// Error says what an operator can do.
func (e *QuarantinedError) Error() string {
	return fmt.Sprintf("%s cannot be written: %v; other tables can (engine plugin list shows the state, engine plugin reload and quarantine --lift end it)", e.Table, e.Cause)
}

// Is matches ErrQuarantined.
func (e *QuarantinedError) Is(target error) bool { return target == ErrQuarantined }

// Receipt is what a decision rests on: whoever asks the same module with the same configuration about the same batch at the same instant gets the same answer.
type Receipt struct {
	// Module and Config are SHA-256 in hexadecimal digits; "" where the validator has none.
	Module, Config string
	// Batch is the SHA-256 of the encoded batch.
	Batch string
	// Fuel is what the call burnt.
	Fuel int64
}
