package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/enginetest"
	"github.com/tidegate/engine/migrations"
)

// trial is a test that is watched by another one.
type trial struct {
	testing.TB
	mu       sync.Mutex
	failed   bool
	said     []string
	faults   []string // what of it fails the test
	cleanups []func()
}

func (t *trial) Helper()                   {}
func (t *trial) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *trial) Output() io.Writer         { return io.Discard }
func (t *trial) Failed() bool              { return t.failed }
func (t *trial) Log(args ...any)           { t.say(false, fmt.Sprint(args...)) }
func (t *trial) Error(args ...any)         { t.say(true, fmt.Sprint(args...)) }
func (t *trial) Errorf(f string, a ...any) { t.say(true, fmt.Sprintf(f, a...)) }
func (t *trial) Fatalf(f string, a ...any) {
	t.say(true, fmt.Sprintf(f, a...))
	runtime.Goexit()
}

func (t *trial) say(fail bool, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if fail {
		t.failed = true
		t.faults = append(t.faults, what)
	}
	t.said = append(t.said, what)
}

// try runs f as a test of its own and returns how it went.
func try(t *testing.T, f func(t *trial)) *trial {
	t.Helper()
	tr := &trial{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(tr)
	}()
	<-done
	for i := len(tr.cleanups) - 1; i >= 0; i-- {
		tr.cleanups[i]()
	}
	return tr
}

// want checks that a trial failed, or not, and said what matches.
func (t *trial) want(outer *testing.T, fails bool, patterns ...string) {
	outer.Helper()
	all := strings.Join(t.said, "\n")
	if t.failed != fails {
		outer.Errorf("failed: %v, want %v; it said: %s", t.failed, fails, all)
	}
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(all) {
			outer.Errorf("it did not say %q, but: %s", p, all)
		}
	}
	if len(patterns) == 0 && all != "" {
		outer.Errorf("it said: %s", all)
	}
}

const schema = `CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent);
CREATE INDEX child_parent ON child (parent);
CREATE TRIGGER keep AFTER DELETE ON parent BEGIN INSERT INTO parent (name) VALUES ('again'); END;
INSERT INTO parent VALUES (1, 'a;b');`

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]enginetest.Option{
		"memory":     {enginetest.WithSQL(schema)},
		"file":       {enginetest.WithFile(), enginetest.WithSQL(schema)},
		"migrations": {enginetest.WithMigrations(migrations.FS), enginetest.WithSQL("CREATE TABLE parent (id, name); INSERT INTO parent SELECT 1, 'a;b' FROM (SELECT count(*) AS n FROM instruments) WHERE n = 0")},
		"fixture": {enginetest.WithFixture(fstest.MapFS{"2_rows.sql": {Data: []byte("INSERT INTO parent VALUES (1, 'a;b')")}, "1_schema.sql": {Data: []byte("CREATE TABLE parent (id, name)")},
			"read.me": {Data: []byte("not SQL")}, "below/3.sql": {Data: []byte("not SQL")}})},
		"config": {enginetest.WithConfig(func(c *engine.Config) { c.TracerProvider = noop.NewTracerProvider() }), enginetest.WithSQL(schema)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := try(t, func(t *trial) {
				db := enginetest.Open(t, opts...)
				if name, err := engine.Get[string](t.Context(), db, "SELECT name FROM parent WHERE id = 1"); err != nil || name != "a;b" {
					t.Errorf("%q %v", name, err)
				}
				t.Cleanup(func() { // before the database is closed: it was registered after it
					if _, err := engine.Get[int](context.Background(), db, "SELECT 1"); err != nil {
						t.Errorf("closed too early: %v", err)
					}
				})
			})
			tr.want(t, false)
		})
	}
}

func TestOpenIsPrivate(t *testing.T) {
	t.Parallel()
	a, b := enginetest.Open(t, enginetest.WithSQL(schema)), enginetest.Open(t, enginetest.WithFile())
	for _, db := range []*engine.DB{b, enginetest.Open(t)} {
		if n, err := engine.Get[int](t.Context(), db, "SELECT count(*) FROM sqlite_schema"); err != nil || n != 0 {
			t.Errorf("%d %v", n, err)
		}
	}
	if n, err := engine.Get[int](t.Context(), a, "SELECT count(*) FROM parent"); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
}

// TestOpenFails: the test ends where its database cannot be opened or filled.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opt     enginetest.Option
		pattern string
	}{
		"config":     {enginetest.WithConfig(func(c *engine.Config) { c.Writer.Queue = 0 }), "writer.queue"},
		"script":     {enginetest.WithSQL("CREATE TABLE a (x);\nCREATE TABEL b (x)"), `WithSQL: .*statement 2: .*TABEL`},
		"no files":   {enginetest.WithFixture(fstest.MapFS{"read.me": {}}), `no file whose name ends in \.sql`},
		"fixture":    {enginetest.WithFixture(fstest.MapFS{"a.sql": {Data: []byte("SELECT 1")}, "b.sql": {Data: []byte("NONSENSE")}}), `WithFixture/b\.sql: .*statement 1`},
		"migrations": {enginetest.WithMigrations(fstest.MapFS{"0001_a.sql": {Data: []byte("nothing")}}), "migration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reached := false
			tr := try(t, func(t *trial) {
				enginetest.Open(t, c.opt)
				reached = true
			})
			tr.want(t, true, "^enginetest: .*"+c.pattern)
			if reached {
				t.Error("the test went on")
			}
		})
	}
}

// TestLeaks: what was left open is reported, with the transaction's name and where it was begun.
func TestLeaks(t *testing.T) {
	t.Parallel()
	block := func(began, ended chan struct{}) func(context.Context, *engine.Tx) error {
		return func(context.Context, *engine.Tx) error {
			close(began)
			<-ended
			return nil
		}
	}
	for name, c := range map[string]struct {
		leak     func(t *trial, db *engine.DB, began, ended chan struct{})
		patterns []string
	}{
		"rows": {func(t *trial, db *engine.DB, began, _ chan struct{}) {
			rows, err := db.Query(context.Background(), "SELECT 1 UNION ALL SELECT 2")
			if err != nil || !rows.Next() {
				t.Errorf("%v", err)
			}
			close(began)
		}, []string{"rows of 1 queries are still open"}},
		"rows of each lane": {func(t *trial, db *engine.DB, began, _ chan struct{}) {
			for _, class := range []engine.Class{engine.ClassNormal, engine.ClassAnalytics, engine.ClassMaintenance} {
				if _, err := db.Query(context.Background(), "SELECT 1", engine.WithClass(class)); err != nil {
					t.Errorf("%v", err)
				}
			}
			close(began)
		}, []string{"rows of 3 queries are still open"}},
		"update": {func(t *trial, db *engine.DB, began, ended chan struct{}) {
			go db.Update(context.Background(), block(began, ended), engine.WithName("endless"))
		}, []string{`the update "endless" of enginetest_test\.go:\d+ is still running`}},
		"view": {func(t *trial, db *engine.DB, began, ended chan struct{}) {
			go db.View(context.Background(), block(began, ended))
		}, []string{`^enginetest: the view "unnamed" of enginetest_test\.go:\d+ is still running[^\n]*$`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began, ended := make(chan struct{}), make(chan struct{})
			defer close(ended)
			tr := try(t, func(t *trial) {
				c.leak(t, enginetest.Open(t), began, ended)
				<-began
			})
			tr.want(t, true, c.patterns...)
		})
	}
}

// TestLeaksOfAFailedTest are mentioned and are not what fails it.
func TestLeaksOfAFailedTest(t *testing.T) {
	t.Parallel()
	tr := try(t, func(t *trial) {
		db := enginetest.Open(t)
		if _, err := db.Query(t.Context(), "SELECT 1"); err != nil {
			t.Errorf("%v", err)
		}
		t.Fatalf("its own reason")
	})
	tr.want(t, true, "its own reason", "rows of 1 queries are still open")
	if len(tr.faults) != 1 {
		t.Errorf("it failed for %q", tr.faults)
	}
}

// TestNoLeaks: what ends a moment after the test is no leak.
func TestNoLeaks(t *testing.T) {
	t.Parallel()
	tr := try(t, func(t *trial) {
		db := enginetest.Open(t, enginetest.WithSQL(schema))
		ctx, cancel := context.WithCancel(context.Background())
		began := make(chan struct{})
		go db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		})
		<-began
		cancel()
		_ = db.Update(t.Context(), func(context.Context, *engine.Tx) error { return errors.New("rolled back") })
		func() {
			defer func() { _ = recover() }()
			_ = db.Update(t.Context(), func(context.Context, *engine.Tx) error { panic("rolled back") })
		}()
		b := engine.NewBatch()
		b.Exec("DELETE FROM parent").Expect(77)
		if _, err := db.Batch(t.Context(), b); !errors.Is(err, engine.ErrExpectation) {
			t.Errorf("%v", err)
		}
	})
	tr.want(t, false)
}

// orphan writes a row without its parent, past the engine.
func orphan(t *trial, path string) {
	loc, err := sqlite.ParseURL(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	store, err := sqlite.Open(context.Background(), loc, sqlite.DefaultOptions())
	if err != nil {
		t.Fatalf("%v", err)
	}
	conn, err := store.Connect(context.Background(), sqlite.Writer)
	if err != nil {
		t.Fatalf("%v", err)
	}
	conn.SetGuard(sqlite.Guard{Trusted: true})
	err = errors.Join(conn.Exec("PRAGMA foreign_keys = OFF"), conn.Exec("INSERT INTO child VALUES (7, 99)"), conn.Close(), store.Close())
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// TestCheck: a test fails when its database is not sound at the end, whether it was closed by then or not.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, closed := range map[string]bool{"open": false, "closed": true} {
		t.Run("orphan, "+name, func(t *testing.T) {
			t.Parallel()
			tr := try(t, func(t *trial) {
				var path string
				db := enginetest.Open(t, enginetest.WithFile(), enginetest.WithSQL(schema), enginetest.WithConfig(func(c *engine.Config) { path = c.URL }))
				orphan(t, path)
				if closed {
					if err := db.Close(); err != nil {
						t.Errorf("%v", err)
					}
				}
			})
			tr.want(t, true, "row 7 of table child points to a row of parent that does not exist")
		})
	}
	t.Run("damaged", func(t *testing.T) {
		t.Parallel()
		tr := try(t, func(t *trial) {
			var path string
			db := enginetest.Open(t, enginetest.WithFile(), enginetest.WithConfig(func(c *engine.Config) { path = c.URL }),
				enginetest.WithSQL("CREATE TABLE a (x INTEGER PRIMARY KEY, y); CREATE INDEX a_y ON a (y); INSERT INTO a VALUES (1, 'needle-in-the-index')"))
			if err := db.Close(); err != nil {
				t.Fatalf("%v", err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v", err)
			}
			at := strings.Index(string(data), "needle-in-the-index")
			copy(data[at:], "doodle") // the table and its index differ now
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatalf("%v", err)
			}
		})
		tr.want(t, true, "the database is damaged: ")
	})
	t.Run("no database", func(t *testing.T) {
		t.Parallel()
		tr := try(t, func(t *trial) {
			var path string
			db := enginetest.Open(t, enginetest.WithFile(), enginetest.WithConfig(func(c *engine.Config) { path = c.URL }))
			if err := errors.Join(db.Close(), os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600)); err != nil {
				t.Fatalf("%v", err)
			}
		})
		tr.want(t, true, "could not be checked")
	})
}

// TestClosedByTheTest: what is gone needs no check.
func TestClosedByTheTest(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]enginetest.Option{"memory": nil, "file": {enginetest.WithFile()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := try(t, func(t *trial) {
				var path string
				db := enginetest.Open(t, append(opts, enginetest.WithConfig(func(c *engine.Config) { path = c.URL }))...)
				if err := db.Close(); err != nil {
					t.Errorf("%v", err)
				}
				if filepath.IsAbs(path) {
					if err := os.Remove(path); err != nil {
						t.Errorf("%v", err)
					}
				}
			})
			tr.want(t, false)
		})
	}
}

// TestClock: connections that nobody uses are closed when the test says that time has passed, and not before.
func TestClock(t *testing.T) {
	t.Parallel()
	start := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	clock := enginetest.NewClock(start)
	short := enginetest.WithConfig(func(c *engine.Config) { c.Analytics.IdleTimeout = time.Minute })
	one, two := enginetest.Open(t, enginetest.WithClock(clock), short), enginetest.Open(t, enginetest.WithClock(clock), short, enginetest.WithFile())
	for _, db := range []*engine.DB{one, two} {
		for _, class := range []engine.Class{engine.ClassNormal, engine.ClassAnalytics} {
			if _, err := engine.Get[int](t.Context(), db, "SELECT 1", engine.WithClass(class)); err != nil {
				t.Fatal(err)
			}
		}
		if st := db.Stats(); st.Readers.Idle != 1 || st.Analytics.Idle != 1 {
			t.Fatalf("%+v", st)
		}
	}
	if !clock.Now().Equal(start) {
		t.Errorf("the clock has moved by itself: %v", clock.Now())
	}
	clock.Advance(4*time.Minute + 59*time.Second)
	for _, db := range []*engine.DB{one, two} {
		// The engine looks at the readers ahead of the analytics: when those are closed it has left these open.
		enginetest.Eventually(t, "the analytics connection closed", func() bool { return db.Stats().Analytics.ClosedIdle == 1 })
		if n := db.Stats().Readers.ClosedIdle; n != 0 {
			t.Errorf("%d readers were closed after 4:59", n)
		}
	}
	clock.Advance(2 * time.Second)
	for _, db := range []*engine.DB{one, two} {
		enginetest.Eventually(t, "the idle connection closed", func() bool { return db.Stats().Readers.ClosedIdle == 1 && db.Stats().Readers.Open == 0 })
	}
	if want := start.Add(5*time.Minute + time.Second); !clock.Now().Equal(want) {
		t.Errorf("%v, want %v", clock.Now(), want)
	}
}

func TestEventually(t *testing.T) {
	t.Parallel()
	n := 0
	try(t, func(t *trial) { enginetest.Eventually(t, "three", func() bool { n++; return n == 3 }) }).want(t, false)
	if n != 3 {
		t.Errorf("asked %d times", n)
	}
	try(t, func(t *trial) {
		enginetest.EventuallyWithin(t, 20*time.Millisecond, "the impossible", func() bool { return false })
	}).want(t, true, "the impossible did not happen")
}
