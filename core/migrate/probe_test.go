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

func probes(list ...migrate.Probe) func(*migrate.Config) {
	return func(c *migrate.Config) { c.Probes = list }
}

var errProbe = errors.New("the program cannot work with it")

func TestFailingProbePutsTheSnapshotBack(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{true, false} {
		t.Run(fmt.Sprint("empty ", empty), func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			if !empty {
				up(t, b.migrator(load(t, columns(t))))
				b.exec("INSERT INTO t VALUES (99, 1)")
			}
			before := b.content()
			s := load(t, columns(t, "a"))
			var asked []string
			probe := func(name string, err error) migrate.Probe {
				return migrate.Probe{Name: name, Check: func(context.Context) error { asked = append(asked, name); return err }}
			}
			m := b.configured(probes(probe("good", nil), probe("bad", errProbe), probe("late", nil)), s)
			_, err := m.Up(t.Context())
			var pe *migrate.ProbeError
			if !errors.As(err, &pe) || !pe.Restored || pe.Probe != "bad" || !errors.Is(err, errProbe) || fmt.Sprint(asked) != "[good bad]" {
				t.Fatalf("got %v after %v", err, asked)
			}
			if b.content() != before {
				t.Errorf("put back\n%s\nof\n%s", b.content(), before)
			}
			if b.store.State() != sqlite.Managed || b.text("PRAGMA journal_mode") != "wal" {
				t.Error("what was put back is not ours")
			}
			runs, err := m.Runs(t.Context())
			if err != nil || len(runs) == 0 || runs[len(runs)-1].State != migrate.RunRestored || !strings.Contains(runs[len(runs)-1].Note, "cannot work") {
				t.Errorf("runs %+v, %v", runs, err)
			}
			up(t, b.migrator(s))
		})
	}
}

// A process that ends between COMMIT and the probes leaves the work to the next start.
func TestCrashBetweenCommitAndProbe(t *testing.T) {
	t.Parallel()
	for _, good := range []bool{true, false} {
		t.Run(fmt.Sprint("good ", good), func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			up(t, b.migrator(load(t, columns(t))))
			before := b.content()
			s := load(t, columns(t, "a"))
			ctx, cancel := context.WithCancel(t.Context())
			stop := migrate.Probe{Name: "crash", Check: func(context.Context) error { cancel(); return errors.New("gone") }}
			if _, err := b.configured(probes(stop), s).Up(ctx); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			st, err := b.migrator(s).Status(t.Context())
			if err != nil || st.Unsettled == nil || st.Current != 2 {
				t.Fatalf("status %+v, %v", st, err)
			}
			asked := 0
			check := func(context.Context) error {
				asked++
				if good {
					return nil
				}
				return errProbe
			}
			_, err = b.configured(probes(migrate.Probe{Name: "asked", Check: check}), s).Up(t.Context())
			if asked != 1 || (err == nil) != good {
				t.Errorf("asked %d times: %v", asked, err)
			}
			if !good && b.content() != before {
				t.Error("the failed probe did not put the snapshot back")
			}
			st, err = b.migrator(s).Status(t.Context())
			if err != nil || st.Unsettled != nil {
				t.Errorf("status %+v, %v", st, err)
			}
		})
	}
}

// Once traffic may have flowed nothing is taken back by itself.
func TestNothingIsPutBackAfterTraffic(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	s := load(t, columns(t, "a"))
	slow := migrate.Probe{Name: "slow", Check: func(context.Context) error {
		// Another process is done first, and its callers write.
		up(t, openBase(t, b.path, nil).migrator(s))
		b.exec("INSERT INTO t (id, bal) VALUES (2, 5)")
		return errProbe
	}}
	_, err := b.configured(probes(slow), s).Up(t.Context())
	var pe *migrate.ProbeError
	if !errors.As(err, &pe) || pe.Restored || b.integer("SELECT count(*) FROM t") != 2 {
		t.Errorf("got %v with %d rows", err, b.integer("SELECT count(*) FROM t"))
	}
}

func TestSnapshotThatWasChangedIsNotPutBack(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	s := load(t, columns(t, "a"))
	bad := migrate.Probe{Name: "bad", Check: func(context.Context) error {
		list, err := b.migrator().Snapshots()
		if err != nil || len(list) != 1 || list[0].SHA256 == "" {
			t.Errorf("snapshots %+v, %v", list, err)
			return errProbe
		}
		if err := os.Chmod(list[0].Path, 0o600); err != nil {
			t.Error(err)
		}
		f, err := os.OpenFile(list[0].Path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return errProbe
		}
		if _, err := f.WriteAt([]byte{1}, 96); errors.Join(err, f.Close()) != nil {
			t.Error(err)
		}
		return errProbe
	}}
	m := b.configured(probes(bad), s)
	_, err := m.Up(t.Context())
	var pe *migrate.ProbeError
	if !errors.Is(err, migrate.ErrSnapshot) || !errors.As(err, &pe) || pe.Restored {
		t.Fatalf("got %v", err)
	}
	if _, err := b.migrator(s).Up(t.Context()); fmt.Sprint(codes(err)) != "[E12]" {
		t.Errorf("got %v", err)
	}
	resolve(t, b.migrator(s), []migrate.Code{migrate.ProbeFailed})
}

// A snapshot that could not be put back in time is put back by the printed remedy.
func TestFailedRestoreIsMadeUpFor(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	before := b.content()
	s := load(t, columns(t, "a"))
	away := filepath.Join(t.TempDir(), "away.db")
	var at string
	bad := migrate.Probe{Name: "bad", Check: func(context.Context) error {
		list, err := b.migrator().Snapshots()
		if err != nil || len(list) != 1 {
			t.Errorf("snapshots %+v, %v", list, err)
			return errProbe
		}
		at = list[0].Path
		if err := os.Rename(at, away); err != nil {
			t.Error(err)
		}
		return errProbe
	}}
	if _, err := b.configured(probes(bad), s).Up(t.Context()); !errors.Is(err, migrate.ErrSnapshot) {
		t.Fatal(err)
	}
	if err := os.Rename(away, at); err != nil {
		t.Fatal(err)
	}
	m := b.migrator(s)
	st, err := m.Status(t.Context())
	if err != nil || len(st.Conflicts) != 1 || st.Conflicts[0].Code != migrate.ProbeFailed {
		t.Fatalf("status %+v, %v", st, err)
	}
	if err := typed(t, m, st.Conflicts[0].Typed()); err != nil || b.content() != before {
		t.Errorf("%v left\n%s\nof\n%s", err, b.content(), before)
	}
	resolve(t, m, nil)
}

func TestSnapshotsAreKeptAndRestored(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	names := []string{"a", "b", "c", "d", "e"}
	for i := range names {
		up(t, b.migrator(load(t, columns(t, names[:i+1]...))))
	}
	m := b.migrator(load(t, columns(t, names...)))
	list, err := m.Snapshots()
	if err != nil || len(list) != 3 {
		t.Fatalf("snapshots %+v, %v", list, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(list[0].Path), "*")); err != nil || len(left) != 6 {
		t.Errorf("files %v, %v", left, err)
	}
	b.exec("INSERT INTO t (id, bal) VALUES (5, 5)")
	epoch := b.integer("PRAGMA user_version")
	from, rep, err := m.Restore(t.Context(), migrate.RestoreOptions{})
	if err != nil || from.Path != list[0].Path || rep.From != 6 || rep.To != 5 || b.integer("SELECT count(*) FROM t") != 1 {
		t.Errorf("restored %+v %+v: %v", from, rep, err)
	}
	if now := b.integer("PRAGMA user_version"); now <= epoch {
		t.Errorf("the epoch went from %d to %d: a running program would not notice", epoch, now)
	}
	if rep := up(t, m); rep.To != 6 {
		t.Errorf("%+v", rep)
	}
}

// Two processes find the same failed run: once one has put the snapshot back, a program of before writes again, and the other must not put it
// back over that.
func TestPutBackOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"probe", "restore"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			up(t, b.migrator(load(t, columns(t))))
			s := load(t, columns(t, "a"))
			bad := migrate.Probe{Name: "bad", Check: func(context.Context) error { return errProbe }}
			other := openBase(t, b.path, nil)
			between := false
			slow := func(c *migrate.Config) {
				c.Probes = []migrate.Probe{bad}
				c.Progress = func(p migrate.Progress) {
					if p.Phase != "restore" || between {
						return
					}
					between = true
					if _, err := other.configured(probes(bad), s).Up(t.Context()); err == nil {
						t.Error("the other process started")
					}
					other.exec("INSERT INTO t (id, bal) VALUES (2, 5)") // acknowledged to a caller of the old program
				}
			}
			var err error
			if kind == "probe" {
				_, err = b.configured(slow, s).Up(t.Context())
				var pe *migrate.ProbeError
				if !errors.As(err, &pe) || !pe.Restored {
					t.Errorf("got %v", err)
				}
			} else {
				up(t, b.migrator(s))
				if _, _, err = b.configured(slow, s).Restore(t.Context(), migrate.RestoreOptions{}); err != nil {
					t.Error(err)
				}
			}
			if !between || b.integer("SELECT count(*) FROM t") != 2 {
				t.Errorf("between %v: %d rows, %v", between, b.integer("SELECT count(*) FROM t"), err)
			}
		})
	}
}
