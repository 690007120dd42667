//go:build linux || darwin

package sqlite

import (
	"errors"
	"runtime"
	"syscall"

	"github.com/ncruces/go-sqlite3/vfs"
)

// unlockShared gives up a connection's locks on the -shm file. Closing the file is not enough: its locks belong to the open file, which
// the mapping keeps alive.
func unlockShared(f vfs.File) error {
	holder, ok := f.(vfs.FileSharedMemory)
	if !ok || holder.SharedMemory() == nil {
		return nil
	}
	file, ok := holder.SharedMemory().(interface{ Fd() uintptr })
	if !ok {
		return &Error{Class: Misuse, Op: "fence", Msg: "this build locks files in a way that cannot be taken back; build without sqlite3_flock and sqlite3_dotlk"}
	}
	fd := file.Fd()
	if fd == ^uintptr(0) {
		return nil // never opened
	}
	if err := lockOFD(fd, &syscall.Flock_t{Type: syscall.F_UNLCK}); err != nil {
		return &Error{Class: IO, Op: "fence", Msg: "the locks of the connection cannot be released", Cause: err}
	}
	return nil
}

// lockOFD takes or gives up a lock that belongs to the open file, and does not wait.
func lockOFD(fd uintptr, l *syscall.Flock_t) error {
	set := 37 // F_OFD_SETLK
	if runtime.GOOS == "darwin" {
		set = 90
	}
	for {
		if err := syscall.FcntlFlock(fd, set, l); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
