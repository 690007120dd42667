package migrate

import (
	"errors"
	"fmt"
	"strings"
)

// Code names a kind of conflict. It is stable: scripts may match on it.
type Code string

// The conflicts this package can find.
const (
	Unmanaged  Code = "E01" // content, but no history of ours
	Changed    Code = "E03" // an applied file was edited
	Newer      Code = "E04" // the database is ahead, and this program too old for it
	OutOfOrder Code = "E06" // a file numbered before one that is applied already
	BadSet     Code = "E07" // gap, duplicate or sum file
	BadHistory Code = "E09" // the history table was edited
	LockBusy   Code = "E10" // another process kept the write lock
)

// ErrConflict matches every [*ConflictError].
var ErrConflict = errors.New("schema conflict")

// Conflict is one reason why the database and the program do not fit.
type Conflict struct {
	Code    Code
	Version int // of the migration that is meant; 0 where none is
	Detail  string
	Remedy  string
}

func (c *Conflict) Error() string {
	if c.Version > 0 {
		return fmt.Sprintf("%s version %04d: %s; %s", c.Code, c.Version, c.Detail, c.Remedy)
	}
	return fmt.Sprintf("%s: %s; %s", c.Code, c.Detail, c.Remedy)
}

// ConflictError holds every conflict found. Nothing was changed. It matches
// [ErrConflict], and errors.As finds each [*Conflict] in it.
type ConflictError struct {
	Conflicts []*Conflict
}

func (e *ConflictError) Error() string {
	lines := make([]string, len(e.Conflicts))
	for i, c := range e.Conflicts {
		lines[i] = c.Error()
	}
	return "schema conflict: " + strings.Join(lines, "\n")
}

// Unwrap gives errors.Is the sentinel and errors.As the conflicts.
func (e *ConflictError) Unwrap() []error {
	out := []error{ErrConflict}
	for _, c := range e.Conflicts {
		out = append(out, c)
	}
	return out
}

func conflicts(list []*Conflict) error {
	if len(list) == 0 {
		return nil
	}
	return &ConflictError{Conflicts: list}
}
