//go:build linux || darwin

package sqlite

import (
	"time"

	"golang.org/x/sys/unix"
)

// takeMemory makes every access to b a fault.
func takeMemory(b []byte) bool { return unix.Mprotect(b, unix.PROT_NONE) == nil }

// dropMemory gives the pages of b back to the system.
func dropMemory(b []byte) bool { return unix.Madvise(b, unix.MADV_DONTNEED) == nil }

// processorTime is what this process has spent in user and system mode.
func processorTime() (time.Duration, bool) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
