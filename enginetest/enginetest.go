// Package enginetest opens databases for tests of programs that embed the engine.
//
//	func TestTransfer(t *testing.T) {
//		db := enginetest.Open(t, enginetest.WithMigrations(migrations), enginetest.WithSQL("INSERT INTO account VALUES (1, 100)"))
//		…
//	}
//
// The database is in memory and belongs to the test alone, so tests may run in parallel. At the end of the test it is looked at and
// closed; the test fails when rows or transactions were left open, when the database is damaged, or when a row points to a
// parent that does not exist.
//
// # Time
//
// Limits of time are far higher than those of [engine.DefaultConfig], because a machine that runs tests is busy; a test of a limit sets
// it with [WithConfig]. What the engine does after minutes (closing idle connections, ending old snapshots) is tested with a
// [Clock] that the test moves itself.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/testdb"
)

// Option changes how [Open] opens a database. Options are applied in the order in which they are given.
type Option func(*plan)

// plan is what Open does.
type plan struct {
	file       bool
	migrations fs.FS
	clock      *Clock
	changes    []func(*engine.Config)
	fixtures   []fixture
}

// fixture is a script to run after the migrations.
type fixture struct {
	name string
	fsys fs.FS // nil: script
	text string
}

// WithMigrations applies the schema in fsys, as engine.Config.Migrations does.
func WithMigrations(fsys fs.FS) Option { return func(p *plan) { p.migrations = fsys } }

// WithSQL runs the statements of a script, separated by semicolons, as one transaction: a schema, or rows to start from.
func WithSQL(script string) Option {
	return func(p *plan) { p.fixtures = append(p.fixtures, fixture{name: "WithSQL", text: script}) }
}

// WithFixture runs the files of fsys whose names end in .sql, in the order of their names, each as one transaction. Folders below are left
// out: pass fs.Sub of one.
func WithFixture(fsys fs.FS) Option {
	return func(p *plan) { p.fixtures = append(p.fixtures, fixture{name: "WithFixture", fsys: fsys}) }
}

// WithFile puts the database into a file, in a folder that is removed at the end of the test. The durability of a file is the real one.
func WithFile() Option { return func(p *plan) { p.file = true } }

// WithClock runs the engine on c instead of the system's clock. Several databases may share one clock.
func WithClock(c *Clock) Option { return func(p *plan) { p.clock = c } }

// WithConfig changes the configuration before the database is opened. The URL set here wins over [WithFile].
func WithConfig(change func(*engine.Config)) Option {
	return func(p *plan) { p.changes = append(p.changes, change) }
}

// Open returns a new database that is checked and closed at the end of the test. When it cannot be opened, or its fixtures do not run, the
// test ends there and then.
func Open(t testing.TB, opts ...Option) *engine.DB {
	t.Helper()
	var p plan
	for _, o := range opts {
		o(&p)
	}
	cfg := p.config(t)
	ctx := t.Context()
	var seam *clockSeam
	if p.clock != nil {
		seam = newClockSeam(p.clock)
		ctx = testdb.WithClock(ctx, seam)
	}
	w := newWatch(cfg.TracerProvider)
	cfg.TracerProvider = w
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		t.Fatalf("enginetest: %v", err)
	}
	t.Cleanup(func() {
		t.Helper()
		finish(t, db, cfg, w)
	})
	if seam != nil {
		<-seam.ticking // a clock that is moved before the engine looks at it would be moved in vain
	}
	for _, f := range p.fixtures {
		if err := f.apply(ctx, db); err != nil {
			t.Fatalf("enginetest: %v", err)
		}
	}
	return db
}

func (p *plan) config(t testing.TB) engine.Config {
	cfg := engine.DefaultConfig("sqlite://")
	if p.file {
		cfg.URL = filepath.Join(t.TempDir(), "test.db")
	}
	cfg.Migrations = p.migrations
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg.Writer.Hold, cfg.Writer.QueueTimeout, cfg.Writer.StatementTime = 20*time.Second, 30*time.Second, 30*time.Second
	for _, l := range []*engine.LaneConfig{&cfg.Readers, &cfg.Analytics, &cfg.Maintenance} {
		l.QueueTimeout = 30 * time.Second
	}
	for _, change := range p.changes {
		change(&cfg)
	}
	return cfg
}

func (f fixture) apply(ctx context.Context, db *engine.DB) error {
	if f.fsys == nil {
		return run(ctx, db, f.name, f.text)
	}
	names, err := fs.Glob(f.fsys, "*.sql")
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	if len(names) == 0 {
		return errors.New("WithFixture: there is no file whose name ends in .sql: pass fs.Sub of the folder that holds them")
	}
	for _, name := range names { // fs.Glob sorts them
		text, err := fs.ReadFile(f.fsys, name)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := run(ctx, db, path.Join(f.name, name), string(text)); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, db *engine.DB, name, script string) error {
	b := engine.NewBatch()
	for _, s := range statements(script) {
		b.Exec(s)
	}
	if _, err := db.Batch(ctx, b, engine.WithName("fixture"), engine.HoldFor(time.Minute)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Eventually polls ok until it is true, and fails the test when that takes longer than 10 s. It is for what the engine does in the
// background, such as closing connections after [Clock.Advance].
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	eventually(t, 10*time.Second, what, ok)
}

func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	if !poll(limit, ok) {
		t.Fatalf("enginetest: %s did not happen within %v", what, limit)
	}
}

// poll asks until ok is true or the time is up.
func poll(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
