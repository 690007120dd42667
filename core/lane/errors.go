package lane

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Sentinels. Each error of this package matches exactly one of them.
var (
	ErrClosed          = errors.New("the database is closed")
	ErrOverloaded      = errors.New("the queue is full or the wait too long")
	ErrLeaseExpired    = errors.New("the transaction held the writer too long")
	ErrNotApplied      = errors.New("the transaction was rolled back through no fault of its own")
	ErrOutcomeUnknown  = errors.New("it is not known whether the transaction was committed")
	ErrSnapshotExpired = errors.New("the snapshot was ended to keep the write-ahead log bounded")
	ErrTxDone          = errors.New("the transaction is over")
	ErrKilled          = errors.New("ended by an operator")
	ErrStuck           = errors.New("a statement did not stop when its time was up")
	ErrReadOnly        = errors.New("the database is open read only")
)

// OverloadError says that a call was turned away before it did anything.
type OverloadError struct {
	Lane       string // writer, readers, analytics, maintenance
	Class      Class  // of the call
	Reason     Reason
	Depth      int           // callers that were waiting
	Waited     time.Duration // by this one; next to nothing where it was turned away at once
	RetryAfter time.Duration // when a retry has a chance: how long those that wait now will take, as far as that is known
	Hint       string        // what to do, where there is more to say than wait
}

func (e *OverloadError) Error() string {
	s := fmt.Sprintf("%s lane: %s after %v with %d waiting (class %s): retry after %v", e.Lane, e.Reason,
		e.Waited.Round(time.Millisecond), e.Depth, e.Class, e.RetryAfter.Round(time.Millisecond))
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Is matches ErrOverloaded.
func (e *OverloadError) Is(target error) bool { return target == ErrOverloaded }

// LeaseError says that a transaction lost the writer; nothing of it was applied.
type LeaseError struct {
	Holder string        // name of the transaction, or "unnamed"
	Held   time.Duration // how long it had the writer
	Limit  time.Duration // which limit it passed
	Inside bool          // true: one of its statements ran past the limit and could not be stopped
}

func (e *LeaseError) Error() string {
	if e.Inside {
		return fmt.Sprintf("transaction %q: a statement ran %v on the writer (limit %v) and did not stop when interrupted; "+
			"its connection was fenced and replaced, nothing of it was applied; restart the process when convenient, "+
			"and look at the Go functions that the statement calls", e.Holder, e.Held.Round(time.Millisecond), e.Limit)
	}
	return fmt.Sprintf("transaction %q held the writer for %v (limit %v) and was rolled back: do slow work before the "+
		"transaction, or raise the limit for this call (HoldFor)", e.Holder, e.Held.Round(time.Millisecond), e.Limit)
}

// Is matches ErrLeaseExpired.
func (e *LeaseError) Is(target error) bool { return target == ErrLeaseExpired }

// NotAppliedError says that a transaction which had done nothing wrong was rolled back with its group. Running it again
// is safe.
type NotAppliedError struct {
	Name  string // of the transaction
	Cause error  // what ended the group
}

func (e *NotAppliedError) Error() string {
	return fmt.Sprintf("transaction %q was not applied: its group was rolled back (%v): run it again, or let the engine do "+
		"so (Replayable)", e.Name, e.Cause)
}

// Is matches ErrNotApplied. The cause is deliberately not unwrapped: it belongs to somebody else's transaction.
func (e *NotAppliedError) Is(target error) bool { return target == ErrNotApplied }

// OutcomeError says that COMMIT was under way when the store failed or the caller's patience ended.
type OutcomeError struct {
	Name  string
	Cause error
}

func (e *OutcomeError) Error() string {
	return fmt.Sprintf("transaction %q: it is not known whether it was committed (%v): look before you run it again", e.Name, e.Cause)
}

// Is matches ErrOutcomeUnknown.
func (e *OutcomeError) Is(target error) bool { return target == ErrOutcomeUnknown }

// SnapshotError says that a reader lost its snapshot.
type SnapshotError struct {
	Holder   string
	Age      time.Duration
	WALBytes int64
	Limit    int64 // the size that was passed
}

func (e *SnapshotError) Error() string {
	return fmt.Sprintf("reader %q: its snapshot, %v old, kept the write-ahead log from being reset at %d bytes (limit %d) and was "+
		"ended: read in smaller pieces, or raise WAL.Cap and WAL.SnapshotAge", e.Holder, e.Age.Round(time.Millisecond), e.WALBytes, e.Limit)
}

// Is matches ErrSnapshotExpired.
func (e *SnapshotError) Is(target error) bool { return target == ErrSnapshotExpired }

// StuckError says that a statement that reads went on for too long after its context was done or somebody had ended it: a Go function
// that it calls did not return. Its connection was fenced and left behind, and its run slot given to others.
type StuckError struct {
	Holder string        // name of the query or the View, or "unnamed"
	Grace  time.Duration // how long it went on, at least
	Cause  error         // why it should have stopped
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("reader %q: a statement went on for more than %v after it was told to stop (%v); its connection was fenced and left "+
		"behind: look at the Go functions that it calls, and restart the process when convenient", e.Holder, e.Grace, e.Cause)
}

// Is matches ErrStuck, and the error of a context where that was what should have stopped it.
func (e *StuckError) Is(target error) bool {
	return target == ErrStuck || (target == context.Canceled || target == context.DeadlineExceeded) && errors.Is(e.Cause, target)
}

// UseError says that a transaction was used in a way that has no meaning.
type UseError struct {
	Name string
	What string
}

func (e *UseError) Error() string { return fmt.Sprintf("transaction %q: %s", e.Name, e.What) }

// Is matches ErrTxDone.
func (e *UseError) Is(target error) bool { return target == ErrTxDone }

// PanicError says that code of the engine's own panicked while it ran a job; the transaction was rolled back.
type PanicError struct{ Value any }

func (e *PanicError) Error() string {
	return fmt.Sprintf("internal error: panic while running a transaction: %v", e.Value)
}

// KilledError says that an operator ended the transaction or the query; nothing of it was applied.
type KilledError struct {
	ID   uint64
	Name string
}

func (e *KilledError) Error() string {
	return fmt.Sprintf("%q (number %d) was ended by an operator; nothing of it was applied", e.Name, e.ID)
}

// Is matches ErrKilled.
func (e *KilledError) Is(target error) bool { return target == ErrKilled }
