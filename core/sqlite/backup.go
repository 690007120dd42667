package sqlite

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// CopyTo writes a consistent copy of the database to a new file at path, checks it, and makes it durable. Writers go on
// meanwhile. The copy appears at path whole or not at all; a file that is there already is not touched.
//
// # Errors
//
// Class CantOpen when path exists or cannot be made, Full, IO, Corrupt when the copy does not pass quick_check.
func (c *Conn) CopyTo(path string) (err error) {
	if err := c.enter("copy"); err != nil {
		return err
	}
	defer c.leave("copy", &err)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return &Error{Class: CantOpen, Op: "copy", Msg: path + " exists already; move it away or choose another name", Cause: err}
	}
	temp := path + ".part"
	if err := createPrivate(temp, temp); err != nil {
		return createError(temp, err)
	}
	defer os.Remove(temp) // it is gone where the rename below succeeded
	uri := (&url.URL{Scheme: "file", Path: filepath.ToSlash(temp), RawQuery: "vfs=os"}).String()
	if err := c.raw.Backup("main", uri); err != nil {
		return c.wrap("copy", err)
	}
	if err := checkCopy(uri); err != nil {
		return err
	}
	if err := syncPath(temp); err != nil {
		return &Error{Class: Fsync, Op: "copy", Msg: "the copy could not be made durable", Cause: err}
	}
	if err := os.Rename(temp, path); err != nil {
		return &Error{Class: IO, Op: "copy", Msg: "the copy could not be given its name", Cause: err}
	}
	if err := syncPath(filepath.Dir(path)); err != nil {
		return &Error{Class: Fsync, Op: "copy", Msg: "the folder of the copy could not be synced", Cause: err}
	}
	return nil
}

// checkCopy reads the whole copy.
func checkCopy(uri string) error {
	raw, err := sqlite3.OpenFlags(uri+"&immutable=1", sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return driverError("check copy", err)
	}
	defer raw.Close()
	s, _, err := raw.Prepare("PRAGMA quick_check(1)")
	if err != nil {
		return driverError("check copy", err)
	}
	defer s.Close()
	if !s.Step() || s.ColumnText(0) != "ok" {
		return &Error{Class: Corrupt, Op: "check copy", Msg: "the database is damaged: its copy does not pass quick_check; restore it from a backup"}
	}
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}
