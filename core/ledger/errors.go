package ledger

import (
	"errors"
	"fmt"
	"time"
)

// ErrKeyReused says that a key was used before for another call.
var ErrKeyReused = errors.New("the key was used before for another call")

// ReusedError says which key was used before for another call, and when. It matches ErrKeyReused. Nothing was applied by this call.
type ReusedError struct {
	Key  string
	When time.Time // of the first call
}

// Error names the key and says what to do.
func (e *ReusedError) Error() string {
	return fmt.Sprintf("key %q was used before, at %s, for another call: a key belongs to one call and its repetitions, so make a new one for this",
		e.Key, e.When.UTC().Format(time.RFC3339))
}

// Is matches ErrKeyReused.
func (e *ReusedError) Is(target error) bool { return target == ErrKeyReused }

// ErrorType is the value of the error.type attribute in spans.
func (e *ReusedError) ErrorType() string { return "key_reused" }

// TooBigError says that what is to be kept with a key is larger than the limit.
type TooBigError struct {
	What  string
	Limit int // bytes
}

// Error says what is too big.
func (e *TooBigError) Error() string {
	return fmt.Sprintf("%s are larger than the %d bytes that are kept with a key: return fewer rows, or read them afterwards", e.What, e.Limit)
}
