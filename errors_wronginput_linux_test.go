package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/tidegate/engine"
)

// nobody is a user without rights to what root made.
const nobody = 65534

// asNobody runs f on a thread whose file rights are those of a stranger. The superuser may do everything, so a test that
// runs as root has to step down; it cannot drop its rights for good, and one thread is enough, because Open does its file
// work on the goroutine that calls it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan error, 1)
	go func() {
		defer close(done)      // f may end the goroutine by FailNow
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := syscall.Setfsuid(nobody); err != nil {
			done <- err
			return
		}
		f()
	}()
	if err := <-done; err != nil {
		t.Skipf("SKIPPED: cannot step down from root: %v", err)
	}
}

// reachable lets everybody enter the folders above a file of t.TempDir.
func reachable(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o005 == 0o005 {
			continue
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenWithoutRights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		file os.FileMode
		set  func(*engine.Config)
		want error
		says []string
	}{
		{"unreadable file", 0o000, func(*engine.Config) {}, engine.ErrCannotOpen, []string{"made.db", "read access"}},
		{"unreadable file, read only", 0o000, func(c *engine.Config) { c.ReadOnly = true }, engine.ErrCannotOpen, []string{"made.db", "read access"}},
		{"read-only file", 0o444, func(*engine.Config) {}, engine.ErrReadOnly, []string{"made.db", "write access", "mode=ro"}},
		{"read-only file, to be adopted", 0o444, func(c *engine.Config) { c.Adopt = true }, engine.ErrReadOnly, []string{"write access"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := made(t)
			reachable(t, path)
			if err := os.Chmod(path, c.file); err != nil {
				t.Fatal(err)
			}
			before := files(t, filepath.Dir(path))
			cfg := config(path)
			c.set(&cfg)
			var err error
			asNobody(t, func() {
				var db *engine.DB
				if db, err = engine.Open(context.Background(), cfg); err == nil {
					db.Close()
				}
			})
			wantOnly(t, err, c.want)
			wantText(t, err, c.says...)
			if after := files(t, filepath.Dir(path)); after != before {
				t.Errorf("the folder has changed.\nbefore:\n%s\nafter:\n%s", before, after)
			}
		})
	}
	t.Run("folder that cannot be written", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "new.db")
		reachable(t, path)
		var err error
		asNobody(t, func() { _, err = engine.Open(context.Background(), config(path)) })
		if os.Geteuid() != 0 {
			t.Skip("SKIPPED: this user owns the folder")
		}
		wantOnly(t, err, engine.ErrCannotOpen)
		wantText(t, err, "new.db", "write access to its directory")
	})
	t.Run("read-only file is read", func(t *testing.T) {
		path := made(t)
		reachable(t, path)
		if err := os.Chmod(path, 0o444); err != nil {
			t.Fatal(err)
		}
		before := files(t, filepath.Dir(path))
		asNobody(t, func() {
			cfg := config(path)
			cfg.ReadOnly = true
			db, err := engine.Open(context.Background(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			if n := one(t, db, "SELECT count(*) FROM kept"); n != 1 {
				t.Errorf("%d rows, want 1", n)
			}
			_, err = db.Exec(context.Background(), "DELETE FROM kept")
			wantOnly(t, err, engine.ErrReadOnly)
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		if after := files(t, filepath.Dir(path)); after != before {
			t.Errorf("the folder has changed.\nbefore:\n%s\nafter:\n%s", before, after)
		}
	})
}

// TestOpenOnReadOnlyFileSystem mounts one, in a mount name space that only one thread sees.
func TestOpenOnReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	path := made(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mount := t.TempDir()
	there := filepath.Join(mount, "made.db")
	why := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, and its name space, end with this goroutine
		defer close(why)
		if err := mountReadOnly(mount, there, data); err != nil {
			why <- err
			return
		}
		openReadOnlyFileSystem(t, there)
	}()
	if err := <-why; err != nil {
		t.Skipf("SKIPPED: no read-only file system can be mounted here: %v", err)
	}
}

func mountReadOnly(dir, file string, data []byte) error {
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return err
	}
	return errors.Join(syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"),
		os.WriteFile(file, data, 0o600),
		syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=4m"))
}

func openReadOnlyFileSystem(t *testing.T, path string) {
	// What is there can be read; TestReadOnlyMount has the rest, where every thread sees the mount.
	there, err := engine.Open(context.Background(), config(path))
	if err != nil {
		t.Errorf("it cannot be read: %v", err)
		return
	}
	var tables int
	if err := errors.Join(there.QueryRow(context.Background(), "SELECT count(*) FROM sqlite_schema").Scan(&tables), there.Close()); err != nil {
		t.Errorf("reading, closing: %v", err)
	}
	_, err = engine.Open(context.Background(), config(filepath.Join(filepath.Dir(path), "new.db")))
	if !errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("got %v for a new file, want ErrReadOnly", err)
	}
	wantText(t, err, "new.db", "mounted read only")
	cfg := config(path)
	cfg.ReadOnly = true
	db, err := engine.Open(context.Background(), cfg)
	if err != nil {
		t.Errorf("it cannot be read either: %v", err)
		return
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
