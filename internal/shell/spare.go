package shell

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidegate/engine/core/sqlite"
)

// Spare refuses a file to write that is the database, a file of its, or one of those that are read: a slip of the hand must not cost them.
func Spare(url, path string, read ...string) error {
	kept := read
	if loc, err := sqlite.ParseURL(url); err == nil && !loc.Memory { // a wrong URL is reported by whoever opens it
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			kept = append(kept, loc.Path+suffix)
		}
	}
	for _, k := range kept {
		if sameFile(path, k) {
			return fmt.Errorf("%s would be written over, and with it %s: name another file", path, k)
		}
	}
	return nil
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return os.SameFile(x, y)
	}
	a, errX = filepath.Abs(a)
	b, errY = filepath.Abs(b)
	return errX == nil && errY == nil && a == b
}
