package sqlite

import (
	"fmt"
	"os"

	"github.com/ncruces/go-sqlite3/vfs"
)

// reopen opens the file once more, by whatever name; its locks are its own. nil where that is refused.
func reopen(f vfs.File) *os.File {
	file, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return nil
	}
	again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		return nil // then a number that is given to another file at once may deceive us
	}
	return again
}
