package migrate_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine/core/migrate"
)

// TestLeftoverRehearsals: the copy that a killed process has left is removed by the next rehearsal; that of one who may be at work is not.
func TestLeftoverRehearsals(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, steps(t, "CREATE TABLE w (a INTEGER);"))))
	dir := filepath.Dir(b.path)
	old, busy := filepath.Join(dir, ".tidegate-rehearsal-1"), filepath.Join(dir, ".tidegate-rehearsal-2")
	long := time.Now().Add(-2 * time.Hour)
	for _, d := range []string{old, busy} {
		if err := errors.Join(os.Mkdir(d, 0o700), os.WriteFile(filepath.Join(d, "copy.db"), []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// The folder of both is old; in one of them something was written just now.
	if err := errors.Join(os.Chtimes(filepath.Join(old, "copy.db"), long, long), os.Chtimes(old, long, long), os.Chtimes(busy, long, long)); err != nil {
		t.Fatal(err)
	}
	m := b.configured(func(c *migrate.Config) { c.Rehearse = true }, load(t, steps(t, "CREATE TABLE w (a INTEGER);", "ALTER TABLE w ADD COLUMN b;")))
	if _, err := m.Rehearse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover: %v", err)
	}
	if _, err := os.Stat(busy); err != nil {
		t.Errorf("the other: %v", err)
	}
}
