package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

// lesson is one migration of the corpus: a schema with rows, and what changes it.
type lesson struct {
	name       string
	setup, all *migrate.Set
}

// corpus reads testdata/corpus. Short runs take three of it where everything is done at every statement.
func corpus(t *testing.T) []lesson {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.sql")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d migrations in the corpus, want 40 at least (%v)", len(files), err)
	}
	var out []lesson
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		setup, change, ok := strings.Cut(strings.TrimPrefix(string(text), "-- setup\n"), "-- migration: ")
		if !ok {
			t.Fatalf("%s: no migration in it", f)
		}
		first := map[string]string{"0001_setup.sql": "-- migration: setup\n-- compat: 0001\n-- +up\n" + setup + "-- +down\nSELECT 1;\n"}
		l := lesson{name: strings.TrimSuffix(filepath.Base(f), ".sql"), setup: load(t, set(t, first))}
		first["0002_change.sql"] = "-- migration: " + change
		l.all = load(t, set(t, first))
		out = append(out, l)
	}
	return out
}

func torture() bool { return os.Getenv("TIDEGATE_TORTURE") == "1" }

// prepared makes the database of a lesson before its change, closed, and its content.
func (l lesson) prepared(t *testing.T) (path, content string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "before.db")
	b := openBase(t, path, nil)
	if l.setup != nil {
		up(t, b.migrator(l.setup))
	}
	content = b.content()
	b.conn(func(c *sqlite.Conn) error {
		_, _, _, err := c.Checkpoint(sqlite.Truncate)
		return err
	})
	return path, content
}

// clone copies the database file, which nobody has open.
func clone(t *testing.T, path string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	to := filepath.Join(t.TempDir(), "trading.db")
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); errors.Join(err, out.Close()) != nil {
		t.Fatal(err)
	}
	return to
}

// Up, down and up again of every migration of the corpus, rehearsed first.
func TestCorpusUpDownUp(t *testing.T) {
	t.Parallel()
	for _, l := range corpus(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			before, content := l.prepared(t)
			b := openBase(t, clone(t, before), nil)
			m := b.configured(func(c *migrate.Config) { c.Rehearse = true }, l.all)
			rep := up(t, m)
			if rep.Rehearsal != nil && rep.Rehearsal.DownErr != "" {
				t.Errorf("the rehearsal could not take it back: %s", rep.Rehearsal.DownErr)
			}
			after := b.content()
			if v, err := m.Verify(t.Context()); err != nil || !v.OK() {
				t.Errorf("after up: %+v, %v", v, err)
			}
			if _, err := b.migrator(l.setup).Down(t.Context(), migrate.DownOptions{To: 1, AllowDataLoss: true}); err != nil {
				t.Fatal(err)
			}
			if lossless := !strings.Contains(l.name, "drop_column"); lossless && rows(b.content()) != rows(content) {
				t.Errorf("taken back\n%s\nof\n%s", b.content(), content)
			}
			up(t, m)
			again := !strings.Contains(l.name, "drop_column") && !strings.Contains(l.name, "autoincrement") // whose numbers are not used twice
			if again && rows(b.content()) != rows(after) {
				t.Errorf("a second time\n%s\nof\n%s", b.content(), after)
			}
		})
	}
}

// rows is the content without the schema's text, whose spelling a rebuild may change.
func rows(content string) string {
	_, tables, ok := strings.Cut(content, "\n")
	for ok && (strings.HasPrefix(tables, "index ") || strings.HasPrefix(tables, "table ") || strings.HasPrefix(tables, "trigger ") || strings.HasPrefix(tables, "view ")) {
		_, tables, ok = strings.Cut(tables, "\n")
	}
	return tables
}

// failAfter fails every write and sync from the nth on.
type failAfter struct {
	left  atomic.Int64
	armed atomic.Bool
	hit   atomic.Bool
}

var errBroken = errors.New("the disk is broken")

func (f *failAfter) Before(op sqlite.Op) error {
	if !f.armed.Load() || op.File != sqlite.FileWAL && op.File != sqlite.FileDB {
		return nil
	}
	switch op.Kind {
	case sqlite.OpWrite, sqlite.OpSync, sqlite.OpTruncate:
		if f.left.Add(-1) < 0 {
			f.hit.Store(true)
			return errBroken
		}
	}
	return nil
}

// everyLesson adds the shipped migrations to the corpus.
func everyLesson(t *testing.T) []lesson {
	t.Helper()
	list := corpus(t)
	if !torture() {
		short := list[:0]
		for _, l := range list {
			// A rebuild with children, a full-text index, a conversion with quarantine.
			if strings.HasPrefix(l.name, "06_") || strings.HasPrefix(l.name, "23_") || strings.HasPrefix(l.name, "31_") {
				short = append(short, l)
			}
		}
		list = short
	}
	return append(list, lesson{name: "shipped", all: load(t, os.DirFS("../../migrations"))})
}

// A disk that fails at any write or sync of a run leaves the content of before or of after.
func TestIOErrorAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, l := range everyLesson(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			before, content := l.prepared(t)
			done := openBase(t, clone(t, before), nil)
			up(t, done.migrator(l.all))
			after := done.content()
			stride := int64(1)
			if !torture() {
				stride = 13
				if l.name == "shipped" {
					stride = 450
				}
			}
			for n := int64(0); ; n += stride {
				if n > 4000 {
					t.Fatal("it never came to an end")
				}
				path := clone(t, before)
				f := &failAfter{}
				f.left.Store(n)
				f.armed.Store(true)
				ok := breaks(t, path, f, l.all)
				f.armed.Store(false)
				b := openBase(t, path, nil)
				if got := b.content(); got != content && got != after {
					t.Fatalf("write %d left neither before nor after:\n%s", n, got)
				}
				if m := b.migrator(l.all); ok != (b.content() == after) && !f.hit.Load() {
					t.Fatalf("write %d: reported success is %v (%v)", n, ok, m)
				}
				if !f.hit.Load() {
					return
				}
				up(t, b.migrator(l.all))
				if b.content() != after {
					t.Fatalf("write %d: the next start did not finish", n)
				}
			}
		})
	}
}

// breaks runs Up on a failing disk and reports whether it succeeded.
func breaks(t *testing.T, path string, f *failAfter, s *migrate.Set) bool {
	t.Helper()
	loc, err := sqlite.ParseURL(path)
	if err != nil {
		t.Fatal(err)
	}
	opt := sqlite.DefaultOptions()
	opt.Faults, opt.Extensions = f, []sqlite.Extension{sqlite.FTS5()}
	store, err := sqlite.Open(t.Context(), loc, opt)
	if err != nil {
		return false
	}
	b := &base{t, path, store}
	_, err = b.migrator(s).Up(t.Context())
	_ = store.Close() // a connection that the disk broke is leaked on purpose
	return err == nil
}

// An error in the middle of a run, at every statement of every migration.
func TestFailureAtEveryStatementOfTheCorpus(t *testing.T) {
	t.Parallel()
	for _, l := range everyLesson(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			before, content := l.prepared(t)
			b := openBase(t, clone(t, before), nil)
			boom := errors.New("boom")
			statements := 0
			for at := 1; ; at++ {
				reached := false
				m := b.configured(func(c *migrate.Config) {
					c.At = func(_ *migrate.Migration, n int) error {
						if n == at {
							reached = true
							return boom
						}
						return nil
					}
				}, l.all)
				_, err := m.Up(t.Context())
				if !reached {
					if err != nil {
						t.Fatal(err)
					}
					break
				}
				statements++
				if !errors.Is(err, boom) || b.content() != content {
					t.Fatalf("statement %d: %v left\n%s", at, err, b.content())
				}
			}
			if statements == 0 && !strings.Contains(l.name, "convert") {
				t.Error("no statement was reached")
			}
		})
	}
}

const killEnv = "TIDEGATE_MIGRATE_KILL"

// TestHelperIsKilled is the process that TestKillAtEveryStatement kills.
func TestHelperIsKilled(t *testing.T) {
	spec := os.Getenv(killEnv)
	if spec == "" {
		t.Skip("only as the child of TestKillAtEveryStatement")
	}
	path, rest, _ := strings.Cut(spec, "|")
	name, at, _ := strings.Cut(rest, "|")
	var l lesson
	for _, x := range append(corpus(t), lesson{name: "shipped", all: load(t, os.DirFS("../../migrations"))}) {
		if x.name == name {
			l = x
		}
	}
	b := openBase(t, path, nil)
	m := b.configured(func(c *migrate.Config) {
		c.At = func(_ *migrate.Migration, n int) error {
			if fmt.Sprint(n) == at {
				return killSelf()
			}
			return nil
		}
	}, l.all)
	up(t, m)
	fmt.Println("finished")
}

func killSelf() error {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		return err
	}
	select {} // the signal is on its way
}

// A process that is killed at any statement leaves the content of before, and the next start finishes the work.
func TestKillAtEveryStatement(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range everyLesson(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			before, content := l.prepared(t)
			done := openBase(t, clone(t, before), nil)
			up(t, done.migrator(l.all))
			after := done.content()
			stride := 1
			if !torture() && l.name == "shipped" {
				stride = 45
			}
			for at := 1; ; at += stride {
				path := clone(t, before)
				if finished := killed(t, self, fmt.Sprintf("%s|%s|%d", path, l.name, at)); finished {
					break
				}
				b := openBase(t, path, nil)
				if got := b.content(); got != content {
					t.Fatalf("killed at statement %d:\n%s\nof\n%s", at, got, content)
				}
				up(t, b.migrator(l.all))
				if b.content() != after {
					t.Fatalf("killed at statement %d: the next start did not finish", at)
				}
			}
		})
	}
}

// killed runs the child and reports whether it came to its end alive.
func killed(t *testing.T, self, spec string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-test.run=^TestHelperIsKilled$", "-test.count=1")
	cmd.Env = append(os.Environ(), killEnv+"="+spec)
	out, err := cmd.CombinedOutput()
	if err == nil && strings.Contains(string(out), "finished") {
		return true
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v\n%s", err, out)
	}
	return false
}
