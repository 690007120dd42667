//go:build linux || darwin

package sqlite

import "golang.org/x/sys/unix"

// takeMemory makes every access to b a fault.
func takeMemory(b []byte) bool { return unix.Mprotect(b, unix.PROT_NONE) == nil }

// dropMemory gives the pages of b back to the system.
func dropMemory(b []byte) bool { return unix.Madvise(b, unix.MADV_DONTNEED) == nil }
