package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/ledger"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// The catalogue of errors. A returned error matches at most one of them (errors.Is); the context's own errors pass
// through as they are.
var (
	// ErrNoRows is what [Row.Scan] returns when the query found nothing.
	ErrNoRows = errors.New("engine: no rows in the result")
	// ErrClosed is returned by every call after Close or Shutdown.
	ErrClosed = lane.ErrClosed
	// ErrConfig says that a Config cannot work; *[ConfigError] lists every mistake.
	ErrConfig = errors.New("engine: invalid configuration")
	// ErrReadOnly is returned for a write to a database that was opened read only, or inside a View.
	ErrReadOnly = lane.ErrReadOnly
	// ErrNotAdopted is returned for a write to a database that another program made (see Config.Adopt).
	ErrNotAdopted = errors.New("engine: the database was made by another program and has not been adopted")
	// ErrMigration says that the schema could not be brought up to date; nothing was changed.
	ErrMigration = errors.New("engine: migration refused or failed")
	// ErrSchemaFenced is returned for a write after another process has changed the schema in a way that this program does not know:
	// nothing was written, restart the program.
	ErrSchemaFenced = migrate.ErrSchemaFenced

	// ErrOverloaded says that the call was turned away before it did anything; *[OverloadError] says when to retry.
	ErrOverloaded = lane.ErrOverloaded
	// ErrUnavailable says that a circuit breaker refused the call before it did anything; *[BreakerError] says which and when to retry.
	ErrUnavailable = breaker.ErrOpen
	// ErrQuarantined says that the database was found damaged and nothing may be written to it until an operator has looked;
	// *[QuarantineError] says why.
	ErrQuarantined = errors.New("engine: the database is in quarantine")
	// ErrLeaseExpired says that the transaction kept the writer too long and was rolled back; *[LeaseError] names it.
	ErrLeaseExpired = lane.ErrLeaseExpired
	// ErrNotApplied says that the transaction was rolled back through no fault of its own; repeating it is safe.
	ErrNotApplied = lane.ErrNotApplied
	// ErrOutcomeUnknown says that COMMIT was under way when the store failed or the deadline passed.
	ErrOutcomeUnknown = lane.ErrOutcomeUnknown
	// ErrSnapshotExpired says that a reader was ended to keep the write-ahead log bounded; *[SnapshotError] says why.
	ErrSnapshotExpired = lane.ErrSnapshotExpired
	// ErrStuck says that a statement that reads went on although its context was done, because a Go function that it calls did not
	// return; *[StuckError] names it.
	ErrStuck = lane.ErrStuck
	// ErrKilled says that an operator ended the transaction or the query; *[KilledError] tells which.
	ErrKilled = lane.ErrKilled
	// ErrExpectation says that a statement of a batch touched another number of rows than was expected; *[ExpectError]
	// says which.
	ErrExpectation = errors.New("engine: another number of rows than expected")
	// ErrKeyReused says that the key of a call was used before for another call; *[KeyReusedError] says when.
	ErrKeyReused = ledger.ErrKeyReused
	// ErrAlreadyApplied says that a transaction of [DB.SQL] was committed before with the key of its context: there is nothing left to do;
	// *[AlreadyAppliedError] names the key.
	ErrAlreadyApplied = errors.New("engine: already applied")
	// ErrDecimal says that a [Decimal] cannot hold the result of a calculation or a conversion; *[DecimalError] says why.
	ErrDecimal = errors.New("engine: decimal")
	// ErrReentrant says that a call was made with the context of an open Update, which would wait for itself for ever.
	ErrReentrant = errors.New("engine: called with the context of an open Update")
	// ErrTxDone says that a Tx was used after its end, or by two goroutines at once.
	ErrTxDone = lane.ErrTxDone

	// ErrRejected says that a rule refused a row, and its transaction with it; *[RejectedError] says which rule, row and column, and why.
	ErrRejected = change.ErrRejected
	// ErrRuleFault says that a rule could not be asked, so that its rows were refused; *[RuleFaultError] says why.
	ErrRuleFault = change.ErrFault
	// ErrPluginQuarantined says that the plug-in that judges a table is out of service, so that the table cannot be written;
	// *[PluginQuarantinedError] names both.
	ErrPluginQuarantined = change.ErrQuarantined
	// ErrPluginInService says that something cannot be done to a plug-in while its rules are in force.
	ErrPluginInService = errors.New("engine: the plug-in is in service")

	// ErrConstraint says that a constraint of the schema refused the row.
	ErrConstraint = errors.New("engine: constraint violated")
	// ErrBusy says that another program kept the database locked for longer than the configured time.
	ErrBusy = errors.New("engine: the database is locked by another program")
	// ErrFull says that the disk or the quota is full.
	ErrFull = errors.New("engine: no space left")
	// ErrIO says that the operating system failed a file operation.
	ErrIO = errors.New("engine: input or output failed")
	// ErrCorrupt says that the file is damaged.
	ErrCorrupt = errors.New("engine: the database is damaged")
	// ErrNotDatabase says that the file is not a database this program can read.
	ErrNotDatabase = errors.New("engine: not a database")
	// ErrCannotOpen says that the file cannot be opened.
	ErrCannotOpen = errors.New("engine: cannot open the database")
	// ErrMoved says that the database file was renamed, replaced or removed while it was open.
	ErrMoved = errors.New("engine: the database file was moved or replaced")
	// ErrInterrupted says that a statement was interrupted.
	ErrInterrupted = errors.New("engine: interrupted")
	// ErrOutOfMemory says that a statement needed more memory than its connection may use, or broke its connection.
	ErrOutOfMemory = errors.New("engine: out of memory")
	// ErrTooBig says that a value, a pattern or a statement is larger than the limit.
	ErrTooBig = errors.New("engine: too big")
	// ErrArgs says that the arguments do not fit the statement, or the destinations the row.
	ErrArgs = errors.New("engine: wrong arguments")
	// ErrSQL says that the statement is wrong or names what does not exist.
	ErrSQL = errors.New("engine: wrong SQL")
	// ErrForbidden says that the statement is refused because it has no meaning on shared connections.
	ErrForbidden = errors.New("engine: statement refused")
)

// Typed errors of the lanes.
type (
	// OverloadError tells which lane turned a call away, how long it waited and when a retry has a chance.
	OverloadError = lane.OverloadError
	// Reason is why a call was turned away: one of the constants below.
	Reason = lane.Reason
	// StuckError tells which statement did not stop, and why it should have.
	StuckError = lane.StuckError
	// LeaseError tells who kept the writer for how long.
	LeaseError = lane.LeaseError
	// SnapshotError tells whose snapshot was ended, how old it was and how large the log.
	SnapshotError = lane.SnapshotError
	// NotAppliedError tells what ended the group.
	NotAppliedError = lane.NotAppliedError
	// KilledError tells the number and the name of what was ended.
	KilledError = lane.KilledError
	// KeyReusedError tells which key was used before for another call, and when.
	KeyReusedError = ledger.ReusedError
	// OutcomeError tells what failed during COMMIT.
	OutcomeError = lane.OutcomeError
	// BreakerError tells which circuit breaker refused a call, what opened it and when a retry has a chance.
	BreakerError = breaker.OpenError
)

// The reasons of an [OverloadError].
const (
	// ReasonFull: as many wait as may.
	ReasonFull = lane.ReasonFull
	// ReasonTimeout: it waited for as long as anybody may.
	ReasonTimeout = lane.ReasonTimeout
	// ReasonDeadline: it was refused at once, because those before it would still be waiting when its time is up.
	ReasonDeadline = lane.ReasonDeadline
	// ReasonDelay: more has been coming than is served, so the queue is kept short.
	ReasonDelay = lane.ReasonDelay
	// ReasonQuota: its [Tenant] has as many calls waiting as it may.
	ReasonQuota = lane.ReasonQuota
	// ReasonConnections: open rows and Views held every connection of the lane for as long as anybody may wait.
	ReasonConnections = lane.ReasonConnections
)

// StoreError is a failure of a statement or of the store. It matches one of the sentinels above.
type StoreError struct {
	// Kind is the sentinel that it matches.
	Kind error
	// Code is the extended result code of SQLite, for logs; 0 where there is none.
	Code int
	// Query is the statement with literals replaced by ?; "" where none was run.
	Query string
	cause error
	bare  *sqlite.Error // the cause before values were taken out of its text; never shown
}

// Error says what happened and what to do.
func (e *StoreError) Error() string {
	msg := strings.TrimPrefix(e.cause.Error(), "sqlite: ")
	if e.Query == "" {
		return "engine: " + msg
	}
	return "engine: " + msg + " (in: " + e.Query + ")"
}

// Is matches the sentinel.
func (e *StoreError) Is(target error) bool {
	return target == e.Kind || (e.bare != nil && target == error(e.bare))
}

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.cause }

// ErrorType is the value of the error.type attribute in spans.
func (e *StoreError) ErrorType() string { return sqlite.ClassOf(e.cause).String() }

// StatusCode is the value of the db.response.status_code attribute in spans; "" where SQLite was not asked.
func (e *StoreError) StatusCode() string {
	if e.Code == 0 {
		return ""
	}
	return strconv.Itoa(e.Code)
}

// ConfigError lists what is wrong with a Config.
type ConfigError struct {
	// Mistakes holds one "section.key: why" each.
	Mistakes []string
}

// Error lists the mistakes.
func (e *ConfigError) Error() string {
	return "engine: invalid configuration: " + strings.Join(e.Mistakes, "; ")
}

// Is matches ErrConfig.
func (e *ConfigError) Is(target error) bool { return target == ErrConfig }

// MigrationError says why the schema could not be brought up to date.
type MigrationError struct{ cause error }

// Error says what stands in the way and what to do.
func (e *MigrationError) Error() string { return "engine: " + e.cause.Error() }

// Is matches ErrMigration.
func (e *MigrationError) Is(target error) bool { return target == ErrMigration }

// Unwrap returns the *migrate.ConflictError or *migrate.Error.
func (e *MigrationError) Unwrap() error { return e.cause }

// kinds maps the classes of the store to sentinels. Locked is a conflict inside one connection: wrong use of SQL.
var kinds = map[sqlite.ErrorClass]error{
	sqlite.SQL: ErrSQL, sqlite.Busy: ErrBusy, sqlite.BusySnapshot: ErrBusy, sqlite.Locked: ErrSQL,
	sqlite.Constraint: ErrConstraint, sqlite.ReadOnly: ErrReadOnly, sqlite.Interrupt: ErrInterrupted, sqlite.IO: ErrIO,
	sqlite.Fsync: ErrIO, sqlite.Full: ErrFull, sqlite.CantOpen: ErrCannotOpen, sqlite.Corrupt: ErrCorrupt,
	sqlite.NotADB: ErrNotDatabase, sqlite.OutOfMemory: ErrOutOfMemory, sqlite.Poisoned: ErrOutOfMemory,
	sqlite.Fenced: ErrInterrupted, sqlite.Moved: ErrMoved, sqlite.Schema: ErrSQL, sqlite.Auth: ErrForbidden,
	sqlite.TooBig: ErrTooBig, sqlite.Mismatch: ErrConstraint, sqlite.Args: ErrArgs, sqlite.Misuse: ErrTxDone,
	sqlite.Protocol: ErrBusy,
}

// typed turns an error of the inner packages into one of the catalogue. query may be "".
func typed(err error, query string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		var store *sqlite.Error
		if errors.As(err, &store) && store.Cause != nil {
			return store.Cause
		}
		return err
	}
	var own *StoreError
	var migration *MigrationError
	if errors.As(err, &own) || errors.As(err, &migration) {
		return err
	}
	if errors.Is(err, ErrRejected) || errors.Is(err, ErrRuleFault) || errors.Is(err, ErrPluginQuarantined) {
		return err
	}
	var conflict *migrate.ConflictError
	var failed *migrate.Error
	var format *migrate.FormatError
	if errors.As(err, &conflict) || errors.As(err, &failed) || errors.As(err, &format) {
		return &MigrationError{err}
	}
	var big *ledger.TooBigError
	if errors.As(err, &big) {
		return &tooBigError{big}
	}
	var store *sqlite.Error
	if direct, ok := err.(*sqlite.Error); ok {
		store = direct
	} else if !errors.As(err, &store) {
		return err
	}
	if isLaneError(err) {
		return err
	}
	e := &StoreError{Kind: kindOf(store), Code: store.Code, Query: query, cause: err}
	if msg := withoutValues(store); msg != store.Msg {
		shown := *store
		shown.Msg = msg
		e.cause, e.bare = &shown, store
	}
	return e
}

// kindOf is the sentinel of a failure of the store.
func kindOf(e *sqlite.Error) error {
	switch {
	case e.Class == sqlite.Misuse && e.Op == "prepare": // several statements in one text
		return ErrSQL
	case e.Class == sqlite.SQL && strings.HasSuffix(e.Msg, "pattern too complex"):
		return ErrTooBig
	case e.Class == sqlite.SQL && strings.HasSuffix(e.Msg, "cannot VACUUM from within a transaction"):
		return ErrForbidden
	}
	if kind := kinds[e.Class]; kind != nil {
		return kind
	}
	return ErrSQL
}

// withoutValues is the message of e without what a running statement may have quoted of the values it works on: the terms
// of a full-text query, the path of a JSON function. While a statement is compiled no value is bound yet, only literals are there, what a
// constraint or a RAISE says is the schema's own text, and what a Go function says is its author's.
func withoutValues(e *sqlite.Error) string {
	if e.Class == sqlite.SQL && e.Op == "prepare" {
		return withoutLiterals(e.Msg)
	}
	if e.Class != sqlite.SQL || e.Op != "step" || strings.Contains(e.Msg, "(): ") {
		return e.Msg
	}
	msg := e.Msg
	for _, before := range []string{"no such column: ", "unknown special query: "} {
		if i := strings.Index(msg, before); i >= 0 {
			msg = msg[:i+len(before)] + "?"
		}
	}
	for _, quote := range []string{`"`, "'"} {
		from, to := strings.Index(msg, quote), strings.LastIndex(msg, quote)
		if from >= 0 && to > from {
			msg = msg[:from] + "?" + msg[to+1:]
		}
	}
	return msg
}

// withoutLiterals is what the compiler said, without the literal that it stumbled over: near "'text'", 0xFFF….
func withoutLiterals(msg string) string {
	for _, before := range []string{"hex literal too big: ", "oversized integer: "} {
		if i := strings.Index(msg, before); i >= 0 {
			return msg[:i+len(before)] + "?"
		}
	}
	for _, before := range []string{"near ", "unrecognized token: ", "no such column: "} {
		head, rest, found := strings.Cut(msg, before+`"`)
		end := strings.LastIndex(rest, `"`)
		if !found || end < 0 {
			continue
		}
		// A column in quotes is one that may have been meant as a text, which is what SQLite then asks.
		if before == "no such column: " || trace.IsLiteral(rest[:end]) {
			return head + before + "?" + rest[end+1:]
		}
	}
	return msg
}

func isLaneError(err error) bool {
	for _, s := range []error{ErrOverloaded, ErrLeaseExpired, ErrNotApplied, ErrOutcomeUnknown, ErrSnapshotExpired, ErrTxDone, ErrClosed, ErrKilled, ErrStuck} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// argError says what is wrong with arguments or destinations, never their values.
type argError struct{ msg string }

func (e *argError) Error() string        { return "engine: " + e.msg }
func (e *argError) Is(target error) bool { return target == ErrArgs }
func (e *argError) ErrorType() string    { return "args" }

func argErrorf(format string, a ...any) error { return &argError{fmt.Sprintf(format, a...)} }

// tooBigError says that the results of a call with a key cannot be kept.
type tooBigError struct{ cause error }

func (e *tooBigError) Error() string        { return "engine: " + e.cause.Error() }
func (e *tooBigError) Is(target error) bool { return target == ErrTooBig }
func (e *tooBigError) ErrorType() string    { return "too_big" }

// reentrantError names the transaction whose context was used.
type reentrantError struct{ name, call, instead string }

func (e *reentrantError) Error() string {
	return fmt.Sprintf("engine: %s was called with the context of the open Update %q, whose end it would wait for: use %s, or a context of its own outside the closure",
		e.call, e.name, e.instead)
}
func (e *reentrantError) Is(target error) bool { return target == ErrReentrant }
func (e *reentrantError) ErrorType() string    { return "reentrant" }

// notAdoptedError is what every write to a foreign database gets.
type notAdoptedError struct{ url string }

func (e *notAdoptedError) Error() string {
	return fmt.Sprintf("engine: %s was made by another program and is open read only: set Config.Adopt (a copy is kept first), or write to a database of the engine's own", e.url)
}
func (e *notAdoptedError) Is(target error) bool { return target == ErrNotAdopted }

// readOnlyError is what a write gets where the caller asked for a read-only database.
type readOnlyError struct{ what string }

func (e *readOnlyError) Error() string        { return "engine: " + e.what }
func (e *readOnlyError) Is(target error) bool { return target == ErrReadOnly }
