package sqldb

import (
	"fmt"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// StaleError says that a transaction of ReadFirst wanted to write, and that what it has read until then is no longer so. Nothing was
// applied; running the transaction again is safe. It matches [lane.ErrNotApplied].
type StaleError struct {
	Name  string // of the sessions
	Reads int    // statements whose rows were looked at again
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("transaction %q was not applied: what it read before its first write has changed since (%d statements were run again): "+
		"run it again, or begin transactions that write with Immediate, or with sql.LevelSerializable", nameOr(e.Name), e.Reads)
}

// Is matches lane.ErrNotApplied.
func (e *StaleError) Is(target error) bool { return target == lane.ErrNotApplied }

// ErrorType is the value of the error.type attribute in spans.
func (e *StaleError) ErrorType() string { return "stale_read" }

// readOnlyError is what a write gets in a transaction that was begun read only.
type readOnlyError struct{}

func (readOnlyError) Error() string {
	return "the transaction was begun with sql.TxOptions{ReadOnly: true}: begin one without it to write"
}
func (readOnlyError) Is(target error) bool { return target == lane.ErrReadOnly }
func (readOnlyError) ErrorType() string    { return "readonly" }

func nameOr(name string) string {
	if name == "" {
		return "unnamed"
	}
	return name
}

func refused(msg string) error { return &sqlite.Error{Class: sqlite.Auth, Op: "prepare", Msg: msg} }

// savepointError refuses a savepoint outside a transaction. SQLite takes it for a statement that only reads, so it would run on a reader,
// open a transaction there, and leave it to the next callers.
func savepointError() error {
	return refused("a savepoint outside a transaction is refused; use it inside one (BeginTx)")
}

func scriptArgsError() error {
	return &sqlite.Error{Class: sqlite.Args, Op: "bind", Msg: "a text of several statements takes no arguments: run them one by one, in one transaction where they belong together"}
}

func isolationError(level int) error {
	return &sqlite.Error{Class: sqlite.Args, Op: "begin", Msg: fmt.Sprintf("there is no isolation level %d: use one of database/sql", level)}
}

func nestedError(name string) error {
	return &lane.UseError{Name: nameOr(name), What: "begun while a transaction is open on the same sql.Conn: end that one first, or use SAVEPOINT"}
}

// tooMuchError refuses the first write of a transaction that has read too much to be looked at again.
func tooMuchError() error {
	return refused(fmt.Sprintf("the first write of a transaction that has read more than %d rows or %d statements before it is refused; "+
		"begin it with sql.LevelSerializable, or use Immediate", maxReadRows, maxReads))
}
