package sidecar_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

const schema = "CREATE TABLE IF NOT EXISTS t (v ANY) STRICT"

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "side.db")
	if _, err := sidecar.OpenReadOnly(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a missing file: %v", err)
	}
	f, err := sidecar.Open(t.Context(), path, 1<<20, schema)
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	for _, want := range []error{nil, failed} {
		err := f.Write(t.Context(), func(c *sqlite.Conn) error {
			return errors.Join(sidecar.Run(c, "INSERT INTO t VALUES (?)", 7), want)
		})
		if !errors.Is(err, want) {
			t.Fatalf("write: %v, want %v", err, want)
		}
	}
	other, err := sidecar.OpenReadOnly(t.Context(), path) // while it is open
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*sidecar.File{f, other} {
		n := 0
		err = f.Read(t.Context(), func(c *sqlite.Conn) error {
			return sidecar.Each(c, "SELECT v FROM t", nil, func(v []sqlite.Value) error {
				n += int(v[0].Int)
				return nil
			})
		})
		if err != nil || n != 7 {
			t.Errorf("read %d, %v: want the one row that was committed", n, err)
		}
	}
	if err := other.Write(t.Context(), func(*sqlite.Conn) error { return nil }); err == nil {
		t.Error("a file opened for reading was written")
	}
	if err := errors.Join(other.Close(), f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if err := f.Read(context.Background(), func(*sqlite.Conn) error { return nil }); err == nil {
		t.Error("a closed file was read")
	}
}

// The file does not grow past its limit, and what did not fit leaves no trace.
func TestLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "side.db")
	f, err := sidecar.Open(t.Context(), path, 1<<20, schema)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := 0; ; i++ {
		err := f.Write(t.Context(), func(c *sqlite.Conn) error { return sidecar.Run(c, "INSERT INTO t VALUES (randomblob(50000))") })
		if err != nil {
			if sqlite.ClassOf(err) != sqlite.Full {
				t.Fatalf("the limit is met with %v", err)
			}
			break
		}
		if i > 100 {
			t.Fatal("no limit holds")
		}
	}
	if used, err := f.Used(); err != nil || used > 1<<20 || used < 1<<19 {
		t.Errorf("%d bytes are used, %v", used, err)
	}
	if err := f.Write(t.Context(), func(c *sqlite.Conn) error { return sidecar.Run(c, "DELETE FROM t") }); err != nil {
		t.Errorf("a full file cannot be emptied: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 1<<20 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestOpenRefusesStrangers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "theirs.db")
	store, err := sqlite.Open(t.Context(), sqlite.Location{Path: path}, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	c, err := store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec("CREATE TABLE theirs (x); PRAGMA application_id=7"), c.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	if f, err := sidecar.Open(t.Context(), path, 1<<20, schema); err == nil {
		f.Close()
		t.Error("a database of another program was taken over")
	}
}

// Several that open a file at the same instant, one of which has to make it, all get it.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	for range 10 {
		path := filepath.Join(t.TempDir(), "side.db")
		const openers = 6
		errs := make(chan error, openers)
		begin := make(chan struct{})
		for range openers {
			go func() {
				<-begin
				f, err := sidecar.Open(t.Context(), path, 1<<20, schema)
				if err == nil {
					defer f.Close()
					err = f.Write(t.Context(), func(c *sqlite.Conn) error { return sidecar.Run(c, "INSERT INTO t VALUES (1)") })
				}
				errs <- err
			}()
		}
		close(begin)
		for range openers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
}
