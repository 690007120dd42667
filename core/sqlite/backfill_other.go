//go:build !linux && !darwin

package sqlite

// forgetBackfill cannot be done where the index is not a file that is mapped as it is. A sync of the database that fails after a checkpoint that was cut
// short can then cost pages in a power cut that follows.
func (*Conn) forgetBackfill() (busy bool, err error) { return false, nil }
