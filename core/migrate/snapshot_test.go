package migrate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

// A folder for copies may serve several databases, and hold what is none of ours: nothing of theirs goes away.
func TestUnfinishedCopiesOfOthersStay(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	shared := filepath.Join(t.TempDir(), "copies [of all]")
	there := func(c *migrate.Config) { c.Snapshots.Dir = shared }
	up(t, b.configured(there, load(t, columns(t))))
	dir := filepath.Dir(up(t, b.configured(there, load(t, columns(t, "a")))).Snapshot)
	theirs := []string{"other.db.20250101T000000.000000000Z.AAAAAAAAAAAAAAAA.db.part", "download.part", "trading.db.part"}
	ours := "trading.db.20250101T000000.000000000Z.AAAAAAAAAAAAAAAA.db.part"
	for _, name := range append(theirs, ours) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up(t, b.configured(there, load(t, columns(t, "a", "b"))))
	for _, name := range theirs {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("what is not ours went away: %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ours)); err == nil {
		t.Error("what a crash left of a copy of this database stays")
	}
	if n := len(snapshots(t, b.configured(there))); n != 2 {
		t.Errorf("%d copies", n)
	}
}

// TestCopiesOfTheSameName: databases of one file name share a folder for their copies, and none sees those of another.
func TestCopiesOfTheSameName(t *testing.T) {
	t.Parallel()
	there := func(dir string) func(c *migrate.Config) {
		return func(c *migrate.Config) { c.Snapshots.Dir, c.Snapshots.Keep = dir, 1 }
	}(t.TempDir())
	one, two := newBase(t), newBase(t)
	var copies []string
	for _, b := range []*base{one, two} {
		up(t, b.configured(there, load(t, columns(t))))
		copies = append(copies, up(t, b.configured(there, load(t, columns(t, "a")))).Snapshot)
	}
	for i, b := range []*base{one, two} {
		if kept := snapshots(t, b.configured(there)); len(kept) != 1 || kept[0].Path != copies[i] {
			t.Errorf("database %d has %v, want %s", i, kept, copies[i])
		}
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

// A start that is tried again and again must not fill the disk with copies: what a failed run copied is what is there, and so is what a killed one
// did, as long as nobody has written since.
func TestFailedRunsLeaveNoCopies(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	up(t, b.migrator(load(t, columns(t, "a"))))
	bad := b.configured(func(c *migrate.Config) { c.At = func(*migrate.Migration, int) error { return errProbe } }, load(t, columns(t, "a", "b")))
	for range 3 {
		if _, err := bad.Up(t.Context()); err == nil {
			t.Fatal("it did not fail")
		}
	}
	if _, err := bad.Down(t.Context(), migrate.DownOptions{}); err == nil {
		t.Fatal("it did not fail")
	}
	list := snapshots(t, bad)
	if len(list) != 1 {
		t.Fatalf("%d copies", len(list))
	}
	// A killed run removes nothing.
	bad.Up(t.Context())
	for i := range 3 {
		content, err := os.ReadFile(list[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(filepath.Dir(list[0].Path), fmt.Sprintf("trading.db.2025010%dT000000.000000000Z.AAAAAAAAAAAAAAA%d.db", i+1, i))
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+".sha256", []byte(list[0].SHA256+"  x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rep := up(t, b.migrator(load(t, columns(t, "a", "b"))))
	list = snapshots(t, bad)
	if len(list) != 2 || list[0].Path != rep.Snapshot || list[1].SHA256 == list[0].SHA256 {
		t.Errorf("copies %+v", list)
	}
}
