package enginetest

import (
	"testing"
	"time"
)

// EventuallyWithin is Eventually with another limit.
func EventuallyWithin(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	eventually(t, limit, what, ok)
}
