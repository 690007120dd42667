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
	set := 37 // F_OFD_SETLK
	if runtime.GOOS == "darwin" {
		set = 90
	}
	for {
		err := syscall.FcntlFlock(fd, set, &syscall.Flock_t{Type: syscall.F_UNLCK})
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return &Error{Class: IO, Op: "fence", Msg: "the locks of the connection cannot be released", Cause: err}
		}
	}
}
