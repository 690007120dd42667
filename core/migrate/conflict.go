package migrate

import (
	"errors"
	"fmt"
	"strings"
)

// Code names a kind of conflict. It is stable: scripts may match on it.
type Code string

// The conflicts that keep a program from starting.
const (
	Unmanaged   Code = "E01" // content, but no history of ours
	Changed     Code = "E03" // an applied file was edited
	Newer       Code = "E04" // the database is ahead, and this program too old for it
	Diverged    Code = "E05" // another migration was applied under this number
	OutOfOrder  Code = "E06" // a file was put in before one that is applied already
	BadSet      Code = "E07" // gap, duplicate or sum file
	Drifted     Code = "E08" // the schema is not what the history says
	BadHistory  Code = "E09" // the history table was edited
	LockBusy    Code = "E10" // another process kept the write lock
	WrongOrder  Code = "E11" // a component needs a version of the main schema that is not there
	ProbeFailed Code = "E12" // an earlier run failed its probes and could not be taken back
)

// Codes lists every conflict code, in order.
func Codes() []Code {
	return []Code{Unmanaged, Changed, Newer, Diverged, OutOfOrder, BadSet, Drifted, BadHistory, LockBusy, WrongOrder, ProbeFailed}
}

// ErrConflict matches every [*ConflictError].
var ErrConflict = errors.New("schema conflict")

// Conflict is one reason why the database and the program do not fit.
type Conflict struct {
	Code      Code
	Component string // "" where the main schema or none is meant
	Version   int    // of the migration that is meant; 0 where none is
	Detail    string
	Remedy    string // in words
	// Command is the remedy as it is typed, behind "engine migrate": ["down", "--to", "8"]. Empty where no command of ours resolves it.
	Command []string
}

// Typed is the remedy as it is typed, without the database's URL; "" where no command resolves the conflict.
func (c *Conflict) Typed() string {
	if len(c.Command) == 0 {
		return ""
	}
	return "engine migrate " + strings.Join(c.Command, " ")
}

func (c *Conflict) Error() string {
	at := string(c.Code)
	if c.Component != "" && c.Component != Component {
		at += " component " + c.Component
	}
	if c.Version > 0 {
		at += fmt.Sprintf(" version %04d", c.Version)
	}
	s := at + ": " + c.Detail + "; " + c.Remedy
	if typed := c.Typed(); typed != "" {
		s += " (" + typed + ")"
	}
	return s
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
