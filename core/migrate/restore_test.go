package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

// What a restore replaces is kept, and can be restored itself.
func TestRestoreKeepsWhatItReplaces(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	m := b.migrator(load(t, columns(t, "a")))
	up(t, m)
	b.exec("INSERT INTO t (id, bal) VALUES (2, 5)")
	now := b.content()
	from, rep, err := m.Restore(t.Context(), migrate.RestoreOptions{})
	if err != nil || rep.Snapshot == "" || rep.Snapshot == from.Path || b.integer("SELECT count(*) FROM t") != 1 {
		t.Fatalf("%+v %+v: %v", from, rep, err)
	}
	runs, err := m.Runs(t.Context())
	if err != nil || !strings.Contains(runs[len(runs)-1].Note, rep.Snapshot) {
		t.Errorf("the history does not say where the copy is: %+v, %v", runs, err)
	}
	if _, _, err := m.Restore(t.Context(), migrate.RestoreOptions{Run: rep.Run}); err != nil || b.content() != now {
		t.Errorf("%v: back at\n%s\nof\n%s", err, b.content(), now)
	}
	before := len(snapshots(t, m))
	_, rep, err = m.Restore(t.Context(), migrate.RestoreOptions{Path: from.Path, Discard: true})
	if err != nil || rep.Snapshot != "" || len(snapshots(t, m)) != before || b.integer("SELECT count(*) FROM t") != 1 {
		t.Errorf("without a copy: %+v, %v", rep, err)
	}
}

func snapshots(t *testing.T, m *migrate.Migrator) []migrate.Snapshot {
	t.Helper()
	list, err := m.Snapshots()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A copy that is not what it was is refused before anything is changed.
func TestRestoreOfAChangedCopyChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	m := b.migrator(load(t, columns(t, "a")))
	up(t, m)
	list := snapshots(t, m)
	if err := os.WriteFile(list[0].Path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, epoch := b.content(), b.integer("PRAGMA user_version")
	if _, _, err := m.Restore(t.Context(), migrate.RestoreOptions{}); !errors.Is(err, migrate.ErrSnapshot) || b.content() != before || b.integer("PRAGMA user_version") != epoch {
		t.Errorf("got %v", err)
	}
}

// Between the copy and the end of a restore, and between COMMIT and the probes, what a program of ours would write could be lost: it is refused.
// A process that ends in between leaves the work to the next start.
func TestNobodyWritesWhatCouldBeLost(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	first := load(t, columns(t))
	up(t, b.migrator(first))
	running := b.migrator(first)
	var f *migrate.Fence
	b.conn(func(c *sqlite.Conn) (err error) { f, err = running.Fence(c); return err })
	fenced := func() (err error) {
		b.conn(func(c *sqlite.Conn) error { err = f.Check(c); return nil })
		return err
	}
	second := load(t, columns(t, "a")) // compat 0001: the running program may go on with it
	ctx, cancel := context.WithCancel(t.Context())
	var meanwhile error
	crash := migrate.Probe{Name: "crash", Check: func(context.Context) error { meanwhile = fenced(); cancel(); return errProbe }}
	if _, err := b.configured(probes(crash), second).Up(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !errors.Is(meanwhile, migrate.ErrSchemaFenced) || !errors.Is(fenced(), migrate.ErrSchemaFenced) {
		t.Errorf("before the probes have passed: %v, then %v", meanwhile, fenced())
	}
	m := b.migrator(second)
	up(t, m) // its probes pass
	if err := fenced(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	// A restore that dies once its copy is made.
	b.exec("INSERT INTO t (id, bal) VALUES (2, 5)")
	dying, stop := context.WithCancel(t.Context())
	list := snapshots(t, m)
	dies := b.configured(func(c *migrate.Config) {
		c.Progress = func(p migrate.Progress) {
			if p.Phase == "restore" {
				meanwhile = fenced()
				stop()
			}
		}
	}, second)
	if _, _, err := dies.Restore(dying, migrate.RestoreOptions{Run: list[0].Run}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !errors.Is(meanwhile, migrate.ErrSchemaFenced) || b.integer("SELECT count(*) FROM t") != 2 {
		t.Errorf("in the middle of a restore: %v", meanwhile)
	}
	if kept := snapshots(t, m); len(kept) != len(list)+1 {
		t.Errorf("copies %+v", kept)
	}
	if _, err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "start again") || b.integer("SELECT count(*) FROM t") != 1 {
		t.Errorf("the next start: %v", err)
	}
	up(t, m)
	if st, err := m.Status(t.Context()); err != nil || st.Unsettled != nil || fmt.Sprint(st.Conflicts) != "[]" {
		t.Errorf("%+v, %v", st, err)
	}
}

// A program that must not make databases still puts copies back, also the empty one of a database that held nothing.
func TestRestoreWhereNothingIsCreated(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{true, false} {
		made := newBase(t)
		if !empty {
			up(t, made.migrator(load(t, columns(t))))
		}
		before := made.content()
		loc, err := sqlite.ParseURL(made.path)
		if err != nil {
			t.Fatal(err)
		}
		opt := sqlite.DefaultOptions()
		opt.Create = false
		store, err := sqlite.Open(t.Context(), loc, opt)
		if err != nil {
			t.Fatal(err)
		}
		b := &base{t, made.path, store}
		bad := migrate.Probe{Name: "bad", Check: func(context.Context) error { return errProbe }}
		_, err = b.configured(probes(bad), load(t, columns(t, "a"))).Up(t.Context())
		var pe *migrate.ProbeError
		if !errors.As(err, &pe) || !pe.Restored || b.content() != before {
			t.Errorf("empty %v: got %v", empty, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be put back is refused before the database says that it is being put back: a start would try it for ever.
func TestRestoreOfWhatIsNoCopy(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	s := load(t, columns(t))
	up(t, b.migrator(s))
	m := b.migrator(load(t, columns(t, "a")))
	up(t, m)
	dir := t.TempDir()
	text, damaged, inUse := filepath.Join(dir, "text"), filepath.Join(dir, "damaged.db"), filepath.Join(dir, "in-use.db")
	copied, err := os.ReadFile(snapshots(t, m)[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	cut := append([]byte{}, copied...)
	for i := len(cut) / 2; i < len(cut); i++ {
		cut[i] ^= 0x5a
	}
	for path, content := range map[string][]byte{text: []byte(strings.Repeat("no database\n", 1000)), damaged: cut, inUse: copied, inUse + "-wal": []byte("changes")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, kept := b.content(), len(snapshots(t, m))
	for _, path := range []string{text, damaged, inUse, b.path, filepath.Join(dir, "missing")} {
		for _, discard := range []bool{false, true} {
			if _, _, err := m.Restore(t.Context(), migrate.RestoreOptions{Path: path, Discard: discard}); !errors.Is(err, migrate.ErrSnapshot) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	runs, err := m.Runs(t.Context())
	if err != nil || len(runs) != 2 || b.content() != before || len(snapshots(t, m)) != kept {
		t.Errorf("%d runs, %d copies, %v", len(runs), len(snapshots(t, m)), err)
	}
	up(t, m)
}

// A restore whose copy is lost before its end is no dead end: the start says so, and what is there can be kept.
func TestRestoreWhoseCopyIsLost(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	m := b.migrator(load(t, columns(t, "a")))
	up(t, m)
	lost := snapshots(t, m)[0].Path
	lose := func(c *migrate.Config) {
		c.Progress = func(p migrate.Progress) {
			if p.Phase == "restore" {
				os.Remove(lost)
			}
		}
	}
	if _, _, err := b.configured(lose).Restore(t.Context(), migrate.RestoreOptions{}); !errors.Is(err, migrate.ErrSnapshot) {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context()); !errors.Is(err, migrate.ErrSnapshot) {
		t.Errorf("the first start: %v", err)
	}
	_, err := m.Up(t.Context())
	if got := codes(err); len(got) != 1 || got[0] != migrate.ProbeFailed {
		t.Fatalf("the second start: %v", err)
	}
	var c *migrate.Conflict
	if !errors.As(err, &c) {
		t.Fatal(err)
	}
	if err := typed(t, m, c.Typed()); err != nil {
		t.Errorf("%s: %v", c.Typed(), err)
	}
	up(t, m)
}
