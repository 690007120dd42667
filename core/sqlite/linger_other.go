//go:build !linux && !darwin

package sqlite

import "github.com/ncruces/go-sqlite3/vfs"

// walIndex is not to be had here: the driver keeps copies of the -shm file on these systems, so every read begins and ends its snapshot.
type walIndex struct{}

func mapWALIndex(vfs.SharedMemory) *walIndex { return nil }

func (*walIndex) header() walHeader { return walHeader{} }

func (*walIndex) close() {}
