//go:build unix

package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// sameOwner gives a file made by root to the owner of the database, so that a WAL left behind by an administrator's tool does not
// lock the service out. Nobody else may give files away, or needs to.
func sameOwner(f *os.File, database fs.FileInfo) error {
	st, ok := database.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
