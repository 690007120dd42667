package clock

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Adjusted is the machine's clock as it reads after an operator has set it: the date moves and the monotonic reading does not. It is for
// tests. The zero value has not been set yet. Safe for concurrent use.
type Adjusted struct {
	system
	by atomic.Int64
}

// Set moves the date by d, in whole seconds, from what the machine says.
func (a *Adjusted) Set(d time.Duration) { a.by.Store(int64(d)) }

// Now is the adjusted time.
func (a *Adjusted) Now() time.Time { return adjusted(time.Now(), time.Duration(a.by.Load())) }

// adjusted moves the date of a time that has a monotonic reading. Package time has no function for this; it keeps the date's seconds above
// 30 bits of nanoseconds in the first word, and TestAdjusted fails where a version does otherwise.
func adjusted(t time.Time, d time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(d/time.Second) << 30)
	return t
}
