package engine

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/testdb"
)

// DB is an open database. It is safe for concurrent use by any number of goroutines.
type DB struct {
	cfg      Config
	store    *sqlite.Store
	lanes    *lane.Lanes
	rec      recording
	log      *slog.Logger
	queries  queryCache
	plans    planCache
	guard    protection
	applied  migrate.Report
	migrator *migrate.Migrator
	closed   sync.Once
	over     atomic.Bool // Shutdown was called
	clock    calendar
	chores   chores
	rules    enforcement
}

// chores are what the engine does beside its lanes.
type chores struct {
	stop    chan struct{}
	wg      sync.WaitGroup
	watched *telemetry // nil: nothing is measured
}

// testSeams are what tests of this package may replace.
type testSeams struct {
	clock  clock.Clock
	faults sqlite.Faults
	free   func(path string) (free int64, known bool) // of the file system
}

// Open opens the database that cfg names, applies pending migrations, and starts the lanes. When it fails, nothing is
// left running and nothing was changed, but that a file that was missing may exist by then, with an empty database in it.
//
// # Errors
//
// [ErrConfig] with every mistake at once, [ErrCannotOpen], [ErrNotDatabase], [ErrCorrupt], [ErrReadOnly] (file or file system),
// [ErrMigration], [ErrNotAdopted] (migrations for a database of another program), or the context's error.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	return open(ctx, cfg, testSeams{clock: testdb.Clock(ctx), faults: testdb.Faults(ctx), free: testdb.Free(ctx)}) // enginetest's; nobody outside of this module can set it
}

func open(ctx context.Context, cfg Config, seams testSeams) (_ *DB, err error) {
	lanes, opt := cfg.inner(seams)
	loc, err := sqlite.ParseURL(cfg.URL)
	if bad := cfg.mistakes(&lanes, err); len(bad) > 0 {
		return nil, &ConfigError{bad}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	sets, err := cfg.migrationSets()
	if err != nil {
		return nil, &MigrationError{err}
	}
	loc.ReadOnly = loc.ReadOnly || cfg.ReadOnly
	db := &DB{cfg: cfg, log: cfg.logger(), clock: newCalendar(seams.clock), chores: chores{stop: make(chan struct{})}}
	lanes.Observer = observer{db}
	db.protect(seams.clock, &lanes, &opt)
	db.examine(loc, seams.free)
	if err := db.enforce(&lanes); err != nil {
		return nil, err
	}
	if db.guard.quarantine.recall(loc); db.guard.quarantine.atOpen {
		loc.ReadOnly = true
		db.log.Warn("the database is in quarantine and opens read only", "cause", db.guard.quarantine.err())
	}
	if db.store, err = openStore(ctx, loc, opt); err != nil {
		return nil, typed(err, "")
	}
	db.rec = cfg.record(loc)
	db.rec.Recorder = db.watch(db.rec.Recorder)
	defer func() {
		if err != nil {
			db.guard.prober.stop()
			db.land(ctx)
			err = errors.Join(typed(err, ""), db.store.Close())
			err = first(err)
		}
	}()
	if db.store.Degraded() {
		db.log.Warn("the file system is mounted read only: reads work, writes are refused until it can be written again", "database", loc.String())
	}
	if err = db.adopt(ctx); err != nil {
		return nil, err
	}
	if err = db.migrate(ctx, sets, seams); err != nil {
		return nil, err
	}
	if lanes.Fence, err = db.schemaFence(ctx, sets); err != nil {
		return nil, err
	}
	if db.lanes, err = lane.Open(ctx, db.store, lanes, db.whyReadOnly()); err != nil {
		return nil, err
	}
	if db.whyReadOnly() == nil {
		tick := db.clock.Tick(purgeEvery)
		db.chores.wg.Go(func() { db.purgeKeys(tick, db.chores.stop) })
		if len(sets) > 0 {
			db.chores.wg.Go(func() { db.moveRows(db.chores.stop) })
		}
	}
	if db.rules.enforcer != nil && db.whyReadOnly() == nil && cfg.Rules.Keep > 0 {
		db.rules.recorder = change.NewRecorder(db.lanes, int64(cfg.Rules.Keep))
	}
	if db.rules.enforcer != nil {
		for _, idle := range db.idleRules(ctx) {
			db.log.Warn("a rule judges nothing: " + idle)
		}
	}
	db.measure(ctx, loc)
	db.guard.prober.arm()
	return db, nil
}

// first is the first error of a join: the later ones are only that the clean-up failed too.
func first(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}

// namespace is the database's name in spans: the file's name without its folder.
func namespace(loc sqlite.Location) string {
	if loc.Memory {
		return "memory"
	}
	return filepath.Base(loc.Path)
}

// whyReadOnly is the error that writes get, or nil when the database can be written.
func (db *DB) whyReadOnly() error {
	if err := db.guard.quarantine.err(); err != nil {
		return err
	}
	switch {
	case db.store.State() == sqlite.Foreign:
		return &notAdoptedError{db.store.Location().String()}
	case db.store.ReadOnly() && !db.store.Degraded():
		return &readOnlyError{db.store.Location().String() + " is open read only: open it without ReadOnly to write"}
	}
	return nil
}

// openStore opens the database. One of another program that is to be adopted is opened for reading first, so that it is
// still untouched when the copy is made, or cannot be made.
func openStore(ctx context.Context, loc sqlite.Location, opt sqlite.Options) (*sqlite.Store, error) {
	adopt := opt.Adopt && !loc.ReadOnly
	opt.Adopt = false
	store, err := sqlite.Open(ctx, loc, opt)
	if err != nil || !adopt || store.State() != sqlite.Foreign {
		return store, err
	}
	if err := errors.Join(keep(ctx, store, beforeAdoption(loc)), store.Close()); err != nil {
		return nil, first(err)
	}
	opt.Adopt = true
	return sqlite.Open(ctx, loc, opt)
}

// beforeAdoption is where the copy of an adopted database is.
func beforeAdoption(loc sqlite.Location) string { return loc.Path + ".before-adoption" }

func keep(ctx context.Context, store *sqlite.Store, path string) error {
	conn, err := store.Connect(ctx, sqlite.Maintenance)
	if err != nil {
		return err
	}
	return errors.Join(conn.CopyTo(path), conn.Close())
}

// adopt takes over a database of another program where the configuration says so.
func (db *DB) adopt(ctx context.Context) error {
	loc := db.store.Location()
	if db.store.State() != sqlite.Foreign || loc.ReadOnly {
		return nil
	}
	if !db.cfg.Adopt {
		if db.cfg.Migrations != nil {
			return &notAdoptedError{loc.String()}
		}
		return nil
	}
	conn, err := db.store.Connect(ctx, sqlite.Writer)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := db.store.MarkManaged(conn); err != nil {
		return err
	}
	db.log.Info("database adopted", "database", loc.String(), "copy", beforeAdoption(loc))
	return nil
}

// Close is Shutdown with ten seconds for those who are still at work.
func (db *DB) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := db.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // what was still open has been ended: that is what Close is for
	}
	return err
}

// Shutdown lets nobody new in, waits for those who are at work, and closes the database. When ctx ends first, what still
// runs is interrupted and rolled back, and the context's error is returned with the database closed all the same.
// A second call does nothing.
func (db *DB) Shutdown(ctx context.Context) error {
	var err error
	db.over.Store(true)
	db.closed.Do(func() {
		close(db.chores.stop)
		db.guard.prober.stop()
		if db.rules.recorder != nil {
			db.rules.recorder.Close()
		}
		err = db.lanes.Shutdown(ctx)
		db.chores.wg.Wait()
		db.land(ctx)
		db.chores.watched.close(db)
		if e := db.store.Close(); err == nil {
			err = typed(e, "")
		}
	})
	return err
}

// Config returns the configuration that the database was opened with.
func (db *DB) Config() Config { return db.cfg }

func (c *Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}

// observer reports the COMMITs of the lane as spans.
type observer struct{ db *DB }

func (o observer) StartCommit(ctx context.Context, group uint64) (oteltrace.SpanContext, func(lane.CommitInfo)) {
	span, end := o.db.rec.StartCommit(ctx, group)
	return span, func(c lane.CommitInfo) {
		if c.Err != nil { // once for the group, whatever its members are told
			o.db.note(ctx, c.Err, retry.Commit, nil)
		}
		end(trace.CommitEnd{Err: c.Err, Size: c.Size, Durable: c.Durable, Sync: c.Took})
	}
}
