package bulk

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels. Each typed error of this package matches exactly one of them.
var (
	// ErrTable says that the table is missing, or does not fit what is asked.
	ErrTable = errors.New("bulk: the table does not fit")
	// ErrFormat says that the file is not of its format, in a way that leaves no way to go on.
	ErrFormat = errors.New("bulk: the file is not of its format")
	// ErrRow says that a row was refused, and that no row may be.
	ErrRow = errors.New("bulk: a row was refused")
	// ErrProgress says that what is recorded of an earlier import does not allow this one.
	ErrProgress = errors.New("bulk: an earlier import stands in the way")
	// ErrValue says that a value cannot be written in the format without loss.
	ErrValue = errors.New("bulk: a value does not fit the format")
	// ErrOptions says that the options contradict each other.
	ErrOptions = errors.New("bulk: wrong options")
)

// TableError tells what is wrong with the table, and what to do.
type TableError struct {
	Table string
	Why   string
}

func (e *TableError) Error() string { return fmt.Sprintf("bulk: table %q: %s", e.Table, e.Why) }

// Is matches ErrTable.
func (e *TableError) Is(target error) bool { return target == ErrTable }

// FormatError tells where the file breaks its format.
type FormatError struct {
	Format string
	Line   int64 // 0: the file as a whole
	Why    string
	Cause  error
}

func (e *FormatError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bulk: %s: ", e.Format)
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	b.WriteString(e.Why)
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Is matches ErrFormat.
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Cause }

// RowError tells which row was refused and why. The rows before it are imported.
type RowError struct {
	Reject Reject
	// Limit is how many refused rows were allowed.
	Limit int64
	// Resumable says that the same import, with more allowed, goes on from this row.
	Resumable bool
}

func (e *RowError) Error() string {
	at := fmt.Sprintf("row %d", e.Reject.Row)
	if e.Reject.Line > 0 {
		at = fmt.Sprintf("line %d", e.Reject.Line)
	}
	if e.Reject.Column != "" {
		at += fmt.Sprintf(", column %q", e.Reject.Column)
	}
	msg := fmt.Sprintf("bulk: %s: %s; ", at, e.Reject.Reason)
	if e.Limit > 0 {
		msg += fmt.Sprintf("that is one more than the %d rows that may be refused; ", e.Limit)
	}
	msg += "the rows before it are imported"
	if e.Resumable {
		msg += ", and the same import goes on from here when refused rows may be skipped"
	}
	return msg
}

// Is matches ErrRow.
func (e *RowError) Is(target error) bool { return target == ErrRow }

// ProgressError tells what stands in the way, and what to do.
type ProgressError struct {
	Table string
	Why   string
}

func (e *ProgressError) Error() string {
	return fmt.Sprintf("bulk: import into %q: %s", e.Table, e.Why)
}

// Is matches ErrProgress.
func (e *ProgressError) Is(target error) bool { return target == ErrProgress }

// ValueError names a value that cannot be written without loss by its place.
type ValueError struct {
	Column string
	Row    int64 // from 1
	Why    string
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("bulk: row %d, column %q: %s", e.Row, e.Column, e.Why)
}

// Is matches ErrValue.
func (e *ValueError) Is(target error) bool { return target == ErrValue }

// OptionsError tells what is wrong with the options.
type OptionsError struct{ Why string }

func (e *OptionsError) Error() string { return "bulk: " + e.Why }

// Is matches ErrOptions.
func (e *OptionsError) Is(target error) bool { return target == ErrOptions }

func optionsf(format string, args ...any) error { return &OptionsError{fmt.Sprintf(format, args...)} }
