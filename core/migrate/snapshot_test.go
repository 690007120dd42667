package migrate_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

// A folder for copies may serve several databases, and hold what is none of ours: nothing of theirs goes away.
func TestUnfinishedCopiesOfOthersStay(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	dir := filepath.Join(t.TempDir(), "copies [of all]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	theirs := []string{"other.db.20250101T000000.000000000Z.AAAAAAAAAAAAAAAA.db.part", "download.part", "trading.db.part"}
	ours := "trading.db.20250101T000000.000000000Z.AAAAAAAAAAAAAAAA.db.part"
	for _, name := range append(theirs, ours) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	there := func(c *migrate.Config) { c.Snapshots.Dir = dir }
	up(t, b.configured(there, load(t, columns(t))))
	up(t, b.configured(there, load(t, columns(t, "a"))))
	for _, name := range theirs {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("what is not ours went away: %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ours)); err == nil {
		t.Error("what a crash left of a copy of this database stays")
	}
	if n := len(snapshots(t, b.configured(there))); n != 1 {
		t.Errorf("%d copies", n)
	}
}

// A relative folder is one, too.
func TestCopiesInARelativeFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	b := newBase(t)
	there := func(c *migrate.Config) { c.Snapshots.Dir = "copies" }
	up(t, b.configured(there, load(t, columns(t))))
	m := b.configured(there, load(t, columns(t, "a")))
	rep := up(t, m)
	if rep.Snapshot == "" {
		t.Fatal("no copy was made")
	}
	if _, _, err := m.Restore(t.Context(), migrate.RestoreOptions{Run: rep.Run}); err != nil {
		t.Error(err)
	}
}
