//go:build !linux && !darwin && !windows

package sqlite

// FreeBytes is what this user can still write to the volume that holds path; known is false where the system does not tell.
func FreeBytes(string) (free int64, known bool) { return 0, false }
