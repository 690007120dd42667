package engine_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tidegate/engine"
)

// TestReadOnlyMount opens a database on a file system that is mounted read only: reads work, writes are refused with what to do, and work
// once it is mounted for writing again.
func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("SKIPPED: mounting a small tmpfs is refused here (%v)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	data, err := os.ReadFile(made(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.db")
	write(t, path, data)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	cfg := config(path)
	cfg.Health.DiskFree = 0 // the volume is a small one
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(t.Context(), "CREATE TABLE u (n INTEGER) STRICT", engine.Key("k"))
	wantOnly(t, err, engine.ErrReadOnly)
	wantText(t, err, "m.db", "mounted read only")
	if h := db.Health(t.Context()); h.OK {
		t.Errorf("Health says that all is well: %+v", h)
	}
	var n int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name = 'u'").Scan(&n); err != nil || n != 0 {
		t.Errorf("a read: %d, %v", n, err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), "CREATE TABLE u (n INTEGER) STRICT", engine.Key("k")); err != nil {
		t.Errorf("mounted for writing again: %v", err)
	}
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name = 'u'").Scan(&n); err != nil || n != 1 {
		t.Errorf("what was written is not read: %d, %v", n, err)
	}
	if h := db.Health(t.Context()); !h.OK {
		t.Errorf("Health: %+v", h)
	}
}
