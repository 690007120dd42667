//go:build linux || darwin

package sqlite

import (
	"path/filepath"
	"syscall"
)

// FreeBytes is what this user can still write to the volume that holds path; known is false where the system does not tell.
func FreeBytes(path string) (free int64, known bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &st); err != nil {
		return 0, false
	}
	if st.Blocks == 0 {
		return 0, false // a file system in user space that does not say: no volume has no blocks at all
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
