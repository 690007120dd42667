//go:build !linux

package sqlite

import (
	"errors"
	"syscall"
)

// networkFS knows nothing here: the check needs the file system's magic number, which only Linux reports the same everywhere.
func networkFS(string) (kind string, remote bool) { return "", false }

func isReadOnlyFS(err error) bool { return errors.Is(err, syscall.EROFS) }
