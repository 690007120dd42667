package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
)

// Config is what a [Migrator] needs beside the database. Zero means zero; start from [DefaultConfig].
type Config struct {
	// Sets are the program's migrations: the main schema and then the plug-ins in their order. Empty is allowed: history, down and
	// restore work without any file.
	Sets []*Set
	// Probes run after COMMIT and before traffic; the first that fails has the snapshot put back.
	Probes []Probe
	// Snapshots is where copies go and how many stay.
	Snapshots SnapshotConfig
	// LockWait bounds how long to wait for another process that migrates. Default 30 s.
	LockWait time.Duration
	// HashBudget bounds the time spent on hashing the rows of tables that must not change; what does not fit is sampled, and the
	// report says so. Default 10 s.
	HashBudget time.Duration
	// Rehearse runs destructive migrations on a clone first: up, down and up again. Default true.
	Rehearse bool
	// Progress is told of each phase, migration and statement; nil: nobody. It must not block.
	Progress func(Progress)
	// Observer makes spans of runs, migrations and statements; nil: nobody.
	Observer Observer
	// Ended is told how each change of the schema ended, well or not; nil: nobody. It must not block.
	Ended func(Event)
	// Refuse is asked ahead of every change, with what kind it is; its error is returned, and nothing is changed. nil: nothing is refused.
	Refuse func(kind string) error
	// Logger receives failures and restores; nil: slog's default.
	Logger *slog.Logger
	// At is called ahead of every statement of a migration; an error fails the migration there. It is for tests of migrations.
	At func(mig *Migration, statement int) error
	// Clock is for the times in the history; nil: the system's.
	Clock clock.Clock
}

// Probe looks whether the program can work with the migrated database.
type Probe struct {
	Name  string
	Check func(ctx context.Context) error
}

// SnapshotConfig says where copies from before a change are kept.
type SnapshotConfig struct {
	Dir  string // "": a folder beside the database, its name with ".snapshots"
	Keep int    // newest copies that stay. Default 3
}

// Progress is a step of a run.
type Progress struct {
	Phase      string // lock, preflight, snapshot, rehearse, hash, apply, analyse, convert, prove, revert, verify, commit, probe, restore
	Component  string
	Version    int
	Name       string
	Statement  int // of the migration, from 1
	Migrations int // of the run
	// Rows and RowsOf are how far a conversion has come; 0 outside of one.
	Rows, RowsOf int64
}

// Observer makes spans. Implementations are safe for concurrent use; the functions that they return are called once.
type Observer interface {
	// StartRun reports the begin of an up, down, baseline, repair or restore.
	StartRun(ctx context.Context, kind string) (context.Context, func(err error))
	// StartMigration reports the begin of one migration of it.
	StartMigration(ctx context.Context, component string, version int, name string) (context.Context, func(err error))
	// Statement reports a statement that has ended.
	Statement(ctx context.Context, sql string, start time.Time, took time.Duration, err error)
}

// DefaultConfig returns what suits most programs.
func DefaultConfig() Config {
	return Config{Snapshots: SnapshotConfig{Keep: 3}, LockWait: 30 * time.Second, HashBudget: 10 * time.Second, Rehearse: true}
}

// Migrator changes the schema of one database. It opens connections of its own for each call and holds none between them. It is
// safe for concurrent use: calls that change something wait for one another as processes do.
type Migrator struct {
	store *sqlite.Store
	cfg   Config
	log   *slog.Logger
	clock clock.Clock
	tally tally
	// started is what the last Up saw that found nothing to do; nil before, and where it did something.
	started atomic.Pointer[view]
	bare    bool // on a copy for a rehearsal, which is thrown away: it keeps no copies of its own
}

// New returns the migrator of a store. It touches nothing.
//
// # Errors
//
// Two sets of one component, or a plug-in's set ahead of the main one.
func New(store *sqlite.Store, cfg Config) (*Migrator, error) {
	m := &Migrator{store: store, cfg: cfg, log: cfg.Logger, clock: cfg.Clock}
	if m.log == nil {
		m.log = slog.Default()
	}
	if m.clock == nil {
		m.clock = clock.System()
	}
	var names []string
	for i, s := range cfg.Sets {
		switch {
		case slices.Contains(names, s.component):
			return nil, fmt.Errorf("migrate: two sets of component %s: join them", s.component)
		case s.component == Component && i > 0:
			return nil, errors.New("migrate: the main schema must come before the plug-ins, which build on it")
		}
		names = append(names, s.component)
	}
	return m, nil
}

// set returns the program's set of a component; nil where it has none.
func (m *Migrator) set(component string) *Set {
	for _, s := range m.cfg.Sets {
		if s.component == component {
			return s
		}
	}
	return nil
}

func (m *Migrator) progress(p Progress) {
	if m.cfg.Progress != nil {
		m.cfg.Progress(p)
	}
}

// startRun and the others make an absent observer harmless.
func (m *Migrator) startRun(ctx context.Context, kind string) (context.Context, func(error)) {
	if m.cfg.Observer == nil {
		return ctx, func(error) {}
	}
	return m.cfg.Observer.StartRun(ctx, kind)
}

func (m *Migrator) startMigration(ctx context.Context, e *Migration) (context.Context, func(error)) {
	if m.cfg.Observer == nil {
		return ctx, func(error) {}
	}
	return m.cfg.Observer.StartMigration(ctx, e.Component, e.Version, e.Name)
}

// with runs fn on a connection of its own. The maintenance role sorts in temporary files, which building an index on a large table needs.
func (m *Migrator) with(ctx context.Context, fn func(*sqlite.Conn) error) error {
	var conn *sqlite.Conn
	// A process that is the last to close the database keeps everybody out for a moment.
	err := m.whenFree(ctx, func() (err error) { conn, err = m.store.Connect(ctx, sqlite.Maintenance); return err })
	if err != nil {
		return err
	}
	conn.SetContext(ctx)
	err = fn(conn)
	return errors.Join(err, conn.Close())
}

// Status reads where the database stands. It takes no lock and writes nothing.
func (m *Migrator) Status(ctx context.Context) (st Status, err error) {
	st, _, err = m.see(ctx)
	return st, err
}

// see is Status with what it was made from.
func (m *Migrator) see(ctx context.Context) (st Status, v *view, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) (err error) {
		if v, err = look(conn); err == nil {
			st = m.compare(v)
		}
		return err
	})
	return st, v, err
}

// History returns what is applied, by component and version.
func (m *Migrator) History(ctx context.Context) (entries []Entry, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		entries, _, err = readHistory(conn, true)
		return err
	})
	return entries, err
}

// Runs returns every run that the database tells of, oldest first.
func (m *Migrator) Runs(ctx context.Context) (runs []Run, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		runs, err = readRuns(conn)
		return err
	})
	return runs, err
}
