//go:build !linux && !darwin

package sqlite

import "github.com/ncruces/go-sqlite3/vfs"

// unlockShared does nothing: here the locks go with the file handle.
func unlockShared(vfs.File) error { return nil }
