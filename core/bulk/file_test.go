package bulk_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/bulk"
)

// What is no plain file is not replaced by one: a device, a pipe, a socket, a folder. Nothing is asked of the database before that is known.
func TestWriteFileReplacesFilesAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket, folder := filepath.Join(dir, "s"), filepath.Join(dir, "folder")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip("no sockets here: ", err)
	}
	defer l.Close()
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{socket, folder} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		asked := false
		err = bulk.WriteFile(path, func(w io.Writer) error {
			asked = true
			_, err := io.WriteString(w, "rows")
			return err
		})
		if now, e := os.Lstat(path); err == nil || asked || e != nil || now.Mode() != before.Mode() {
			t.Errorf("%s: got %v, asked %v, mode %v, %v", path, err, asked, now.Mode(), e)
		}
		var place *os.PathError
		if !errors.As(err, &place) || place.Path != path {
			t.Errorf("%v does not name the place", err)
		}
	}
}
