package migrate

import "errors"

// isBusy reports whether another process holds the lock.
func isBusy(err error) bool {
	var b interface{ Busy() bool }
	return errors.As(err, &b) && b.Busy()
}
