package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// ErrorClass sorts every failure by what a caller can do about it.
type ErrorClass uint8

// The classes. The comment of each says what it means for the caller.
const (
	SQL          ErrorClass = iota // wrong SQL, missing table, and every other plain refusal
	Busy                           // another connection holds the lock; trying again is safe
	BusySnapshot                   // the snapshot is too old to write from; run the transaction again
	Locked                         // a conflict inside this connection (an open cursor); never retried
	Constraint                     // a UNIQUE, NOT NULL, CHECK, FOREIGN KEY… constraint said no
	ReadOnly                       // the database or the connection may not be written
	Interrupt                      // cancelled by a context or a Kick; Cause says which
	IO                             // the operating system failed a file call
	Fsync                          // a sync failed: what was acknowledged since the last one is in doubt
	Full                           // no space left, or quota used up
	CantOpen                       // the file cannot be opened
	Corrupt                        // the file is damaged
	NotADB                         // the file is no database, or of a newer format
	OutOfMemory                    // the connection's memory limit was reached
	Poisoned                       // a panic inside SQLite; the connection must be discarded
	Fenced                         // the connection was taken away from its holder
	Moved                          // the database file was renamed, replaced or unlinked
	Schema                         // the schema changed while a statement was prepared
	Auth                           // refused by the guard
	TooBig                         // a value, a pattern or a statement beyond the limits
	Mismatch                       // a value does not fit its column, or a setting is not as required
	Args                           // wrong number, name or type of arguments
	Misuse                         // the API was used wrongly
	Protocol                       // the locking protocol gave up; trying once more is safe
)

// String returns the class in lower case, as used for attributes and logs.
func (c ErrorClass) String() string {
	names := [...]string{"sql", "busy", "busy_snapshot", "locked", "constraint", "readonly", "interrupt", "io", "fsync", "full",
		"cantopen", "corrupt", "notadb", "out_of_memory", "poisoned", "fenced", "moved", "schema", "auth", "too_big", "mismatch",
		"args", "misuse", "protocol"}
	if int(c) < len(names) {
		return names[c]
	}
	return "class " + strconv.Itoa(int(c))
}

// Error is what every function of this package returns. It never holds bound values or column contents of its own;
// the message of a constraint names table and column.
type Error struct {
	Class ErrorClass
	Code  int    // SQLite's extended result code; 0 where SQLite was not asked
	Op    string // what was being done: "prepare", "step", "open"…
	Msg   string // what happened and what to do about it
	Cause error  // the operating system's error, the context's cause, the Kick's cause; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("sqlite: ")
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	if e.Msg != "" {
		b.WriteString(e.Msg)
	} else {
		b.WriteString(e.Class.String())
	}
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ClassOf returns the class of the first *Error in err's chain, and SQL when there is none.
func ClassOf(err error) ErrorClass {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return SQL
}

// PanicError is the Cause of a Poisoned or OutOfMemory error, and of a registered function that panicked.
// Its message leaves the recovered value out, because that value may hold data of the user.
type PanicError struct {
	Value any    // what was recovered
	Stack []byte // of the panicking goroutine
}

// Error implements error.
func (*PanicError) Error() string { return "panic" }

func classOfCode(code sqlite3.ExtendedErrorCode) ErrorClass {
	switch code {
	case sqlite3.BUSY_SNAPSHOT:
		return BusySnapshot
	case sqlite3.IOERR_FSYNC, sqlite3.IOERR_DIR_FSYNC:
		return Fsync
	case sqlite3.READONLY_DBMOVED:
		return Moved
	case sqlite3.IOERR_NOMEM:
		return OutOfMemory
	case sqlite3.IOERR_DATA:
		return Corrupt
	}
	switch code.Code() {
	case sqlite3.BUSY:
		return Busy
	case sqlite3.LOCKED:
		return Locked
	case sqlite3.CONSTRAINT:
		return Constraint
	case sqlite3.READONLY:
		return ReadOnly
	case sqlite3.INTERRUPT:
		return Interrupt
	case sqlite3.IOERR:
		return IO
	case sqlite3.FULL:
		return Full
	case sqlite3.CANTOPEN, sqlite3.PERM:
		return CantOpen
	case sqlite3.CORRUPT:
		return Corrupt
	case sqlite3.NOTADB, sqlite3.FORMAT:
		return NotADB
	case sqlite3.NOMEM:
		return OutOfMemory
	case sqlite3.SCHEMA:
		return Schema
	case sqlite3.AUTH:
		return Auth
	case sqlite3.TOOBIG:
		return TooBig
	case sqlite3.MISMATCH:
		return Mismatch
	case sqlite3.RANGE:
		return Args
	case sqlite3.MISUSE:
		return Misuse
	case sqlite3.PROTOCOL:
		return Protocol
	}
	return SQL
}

// driverError turns an error of the driver into ours. It knows nothing of the connection; see Conn.wrap.
func driverError(op string, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var code sqlite3.ExtendedErrorCode
	if !errors.As(err, &code) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return &Error{Class: Interrupt, Op: op, Msg: "cancelled", Cause: err}
		}
		return &Error{Class: SQL, Op: op, Msg: "unexpected failure", Cause: err}
	}
	e := &Error{Class: classOfCode(code), Code: int(code), Op: op}
	var full *sqlite3.Error
	if errors.As(err, &full) {
		e.Cause = full.Unwrap()
	}
	// The message without the system error, which is in Cause.
	e.Msg = strings.TrimPrefix(err.Error(), "sqlite3: ")
	if e.Cause != nil {
		e.Msg = strings.TrimSuffix(e.Msg, ": "+e.Cause.Error())
	}
	// A page of the -shm file that cannot be allocated comes out as IOERR_SHMSIZE: to the caller the disk is full all the same.
	if (e.Class == IO || e.Class == CantOpen) && isDiskFull(e.Cause) {
		e.Class = Full
	}
	if e.Class == IO && isReadOnlyFS(e.Cause) { // mounted read only under an open file
		e.Class = ReadOnly
	}
	if remedy := remedyOf(e); remedy != "" {
		e.Msg += "; " + remedy
	}
	return e
}

func remedyOf(e *Error) string {
	if e.Code == int(sqlite3.READONLY_ROLLBACK) {
		return "another program crashed in a transaction on it: open it once with that program, or adopt it"
	}
	switch e.Class {
	case ReadOnly:
		if isReadOnlyFS(e.Cause) {
			return "the file system was mounted read only: look into the system's log for the reason, and mount it for writing again"
		}
	case Full:
		return "free space on the volume, then try again"
	case Fsync:
		return "the volume may have lost writes: reopen the database and check it before trusting what was written last"
	case Moved:
		return "the file was replaced or unlinked: put it back or reopen the database"
	case Corrupt:
		return "restore a backup, or run an integrity check to see the damage"
	case CantOpen:
		if errors.Is(e.Cause, fs.ErrPermission) {
			return "give this user read and write access to the file and its directory"
		}
	}
	return ""
}
