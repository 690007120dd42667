package bulk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// WriteFile makes the file at path with what write writes: whole and on the disk, or not at all. It is written under
// another name beside it (.name.partial-…), which a killed process leaves behind, and renamed at the end. A file that is
// there already is replaced then, and keeps its content until then; what is no plain file, such as a device or a pipe, is refused at once. The
// new one can be read and written by its owner alone.
//
// # Errors
//
// Those of write and of the file system; the file at path is as it was.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "replace", Path: path, Err: errors.New("it is no plain file: name another, or write to standard output")}
	}
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+".partial-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
			if j, ok := err.(interface{ Unwrap() []error }); ok {
				err = j.Unwrap()[0] // the later ones are only that the clean-up failed too
			}
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		if err := f.Close(); err != nil { // an open file cannot be renamed there
			return err
		}
		return os.Rename(f.Name(), path)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the new name survive a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
