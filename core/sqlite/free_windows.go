package sqlite

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// FreeBytes is what this user can still write to the volume that holds path; known is false where the system does not tell.
func FreeBytes(path string) (free int64, known bool) {
	folder, err := windows.UTF16PtrFromString(filepath.Dir(path))
	if err != nil {
		return 0, false
	}
	var available, total, all uint64
	if err := windows.GetDiskFreeSpaceEx(folder, &available, &total, &all); err != nil || total == 0 {
		return 0, false
	}
	return int64(min(available, 1<<62)), true
}
