package retry

import (
	"context"
	"errors"

	"github.com/tidegate/engine/core/sqlite"
)

// Of looks up what the first *sqlite.Error in err's chain calls for. It is the zero Decision for any other error, the context's among
// them, and for one that carries the context's end as its cause: a caller that gave up is no fault of anything.
func Of(err error, phase Phase) Decision {
	var e *sqlite.Error
	if direct, ok := err.(*sqlite.Error); ok {
		e = direct
	} else if !errors.As(err, &e) {
		return Decision{}
	}
	if e.Class == sqlite.Interrupt && (e.Cause != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return Decision{} // the cause says who wanted it: a caller, an operator, a limit that has an error of its own
	}
	return Decide(e.Class, e.Code, phase)
}
