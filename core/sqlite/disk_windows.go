package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func isDiskFull(err error) bool {
	const (
		errorHandleDiskFull = syscall.Errno(39)
		errorDiskFull       = syscall.Errno(112)
	)
	return errors.Is(err, errorHandleDiskFull) || errors.Is(err, errorDiskFull)
}

// sameOwner does nothing: a new file inherits the access list of its directory.
func sameOwner(*os.File, fs.FileInfo) error { return nil }
