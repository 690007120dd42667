//go:build linux || darwin

package sqlite

import (
	"errors"
	"io"
	"syscall"
)

// Places in the -shm file: https://sqlite.org/walformat.html, sections 2.3.1 and 2.3.2.
const (
	backfillAt     = 96  // how many frames of the log are in the database
	checkpointLock = 121 // who holds this byte is the only one to change that
)

// forgetBackfill has the next checkpoint begin with the first frame of the log. busy says that another program is at a checkpoint.
func (c *Conn) forgetBackfill() (busy bool, err error) {
	if c.vfs.main == nil || c.vfs.main.shm == nil {
		return false, nil
	}
	file, ok := c.vfs.main.shm.(interface{ Fd() uintptr })
	if !ok || file.Fd() == ^uintptr(0) {
		return false, nil // there is no index, so whoever makes one counts from nothing
	}
	lock := func(kind int16) error {
		return lockOFD(file.Fd(), &syscall.Flock_t{Type: kind, Whence: io.SeekStart, Start: checkpointLock, Len: 1})
	}
	if err := lock(syscall.F_WRLCK); errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	_, err = syscall.Pwrite(int(file.Fd()), make([]byte, 4), backfillAt)
	return false, errors.Join(err, lock(syscall.F_UNLCK))
}
