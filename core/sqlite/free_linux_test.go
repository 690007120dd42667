package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

// A file system that says nothing of its size has not 0 bytes free: nobody knows. procfs is one, as some in user space are.
func TestFreeBytes(t *testing.T) {
	t.Parallel()
	if free, known := sqlite.FreeBytes(filepath.Join(t.TempDir(), "x.db")); !known || free <= 0 {
		t.Errorf("a folder on disk: %d, %v", free, known)
	}
	if free, known := sqlite.FreeBytes("/proc/self/x.db"); known || free != 0 {
		t.Errorf("procfs: %d, %v", free, known)
	}
	if _, known := sqlite.FreeBytes(filepath.Join(t.TempDir(), "none", "x.db")); known {
		t.Error("a folder that is not there")
	}
}
