package migrate

import "github.com/tidegate/engine/core/sqlite"

// isBusy reports whether another process holds the lock.
func isBusy(err error) bool {
	c := sqlite.ClassOf(err)
	return c == sqlite.Busy || c == sqlite.BusySnapshot
}
