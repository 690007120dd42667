package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// MigrateConfig says how Open brings the schema up to date.
type MigrateConfig struct {
	// SnapshotDir is where copies from before a change are kept, of each database in a folder of its own, named after it and its path. Default "": a folder
	// beside the database, named after it with ".snapshots".
	SnapshotDir string
	// SnapshotKeep is how many copies stay. Default 3.
	SnapshotKeep int
	// LockWait is how long to wait for another process that migrates. Default 30 s.
	LockWait time.Duration
	// HashBudget is how long may be spent on hashing the rows of tables that a migration must not change; what does not fit is sampled.
	// Default 10 s.
	HashBudget time.Duration
	// Rehearse runs migrations that change what is there already on a copy first: up, down and up again. Default true.
	Rehearse bool

	// Go holds migrations written in Go; their versions and those of the files are one sequence.
	Go []GoMigration
	// Components are migrations of plug-ins, which may touch only tables whose names begin with p_<name>_.
	Components []ComponentMigrations
	// Probes are asked after a migration was committed and before Open returns. Where one fails, the copy from before is put back and
	// Open fails.
	Probes []MigrationProbe
	// Progress is told of each phase, migration and statement. It must not block.
	Progress func(MigrationProgress)
	// Ended is told how each change of the schema ended: applied, failed, refused for a conflict, taken back after a probe. A start that finds
	// nothing to do tells nothing. It must not block; nil: nobody is told.
	Ended func(MigrationEvent)
}

// MigrationEvent tells how a change of the schema ended.
type MigrationEvent = migrate.Event

// GoMigration is a migration written in Go.
type GoMigration = migrate.GoMigration

// GoMigrationTx is the transaction of a [GoMigration].
type GoMigrationTx = migrate.GoTx

// MigrationProgress is a step of a migration.
type MigrationProgress = migrate.Progress

// ComponentMigrations are the migrations of one plug-in.
type ComponentMigrations struct {
	// Name has lower-case letters, digits and dashes.
	Name string
	// Files are as in Config.Migrations.
	Files fs.FS
}

// MigrationProbe looks whether the program can work with a database that was just migrated.
type MigrationProbe struct {
	// Name is used in errors and in the history.
	Name string
	// Check reads from db, which refuses writes. An error has the migration taken back.
	Check func(ctx context.Context, db *DB) error
}

// Migrator tells of the schema's history and changes it; see package core/migrate for what each method returns. It is safe for
// concurrent use.
type Migrator struct {
	*migrate.Migrator
	close func() error
}

// Close releases the database that [OpenMigrator] opened. On the Migrator of a DB it does nothing.
func (m *Migrator) Close() error { return m.close() }

// Migrations returns the migrator of the database. Down and Restore change the schema under the running program: its next write gets
// [ErrSchemaFenced]. While the database is in quarantine everything that would change it returns [ErrQuarantined].
func (db *DB) Migrations() *Migrator {
	return &Migrator{Migrator: db.migrator, close: func() error { return nil }}
}

// OpenMigrator opens a database for its migrator alone: nothing is migrated, no lane is started, and a database that conflicts with the
// program opens all the same, so that the conflict can be resolved. Of a database in quarantine only Restore changes anything; the quarantine itself
// ends with `engine health --reset`.
//
// # Errors
//
// Those of Open, without conflicts between database and program.
func OpenMigrator(ctx context.Context, cfg Config) (*Migrator, error) {
	lanes, opt := cfg.inner(testSeams{})
	loc, err := sqlite.ParseURL(cfg.URL)
	if bad := cfg.mistakes(&lanes, err); len(bad) > 0 {
		return nil, &ConfigError{bad}
	}
	sets, err := cfg.migrationSets()
	if err != nil {
		return nil, &MigrationError{err}
	}
	loc.ReadOnly = loc.ReadOnly || cfg.ReadOnly
	db := &DB{cfg: cfg, log: cfg.logger(), rec: recording{Recorder: trace.New(cfg.TracerProvider, namespace(loc))}}
	db.guard.quarantine.recall(loc)
	if db.store, err = openStore(ctx, loc, opt); err != nil {
		return nil, typed(err, "")
	}
	if err := db.newMigrator(sets, testSeams{}); err != nil {
		return nil, errors.Join(&MigrationError{err}, db.store.Close())
	}
	return &Migrator{Migrator: db.migrator, close: func() error { return typed(db.store.Close(), "") }}, nil
}

// migrationSets reads the embedder's migrations; nil when there are none.
func (c *Config) migrationSets() ([]*migrate.Set, error) {
	var sets []*migrate.Set
	if c.Migrations != nil {
		// Before the database is touched: a set with a mistake must change nothing.
		s, err := migrate.Load(c.Migrations, migrate.WithGo(c.Migrate.Go...))
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	for _, p := range c.Migrate.Components {
		s, err := migrate.Load(p.Files, migrate.InComponent(p.Name))
		if err != nil {
			return nil, fmt.Errorf("component %s: %w", p.Name, err)
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// newMigrator makes the database's migrator; it touches nothing.
func (db *DB) newMigrator(sets []*migrate.Set, seams testSeams) (err error) {
	c := &db.cfg.Migrate
	mc := migrate.Config{Sets: sets, Snapshots: migrate.SnapshotConfig{Dir: c.SnapshotDir, Keep: c.SnapshotKeep}, LockWait: c.LockWait,
		HashBudget: c.HashBudget, Rehearse: c.Rehearse, Progress: c.Progress, Ended: c.Ended, Refuse: db.refuseMigration, Observer: migrationObserver{db.rec}, Logger: db.log, Clock: seams.clock}
	for _, p := range c.Probes {
		mc.Probes = append(mc.Probes, migrate.Probe{Name: p.Name, Check: func(ctx context.Context) error { return db.probe(ctx, p) }})
	}
	db.migrator, err = migrate.New(db.store, mc)
	return err
}

// refuseMigration keeps a database that is in quarantine as it is. Only a migrator that was opened alone may put a copy back, which is a way out.
func (db *DB) refuseMigration(kind string) error {
	if kind == "restore" && db.lanes == nil {
		return nil
	}
	return db.guard.quarantine.err()
}

// probe gives a probe a database that it can read from.
func (db *DB) probe(ctx context.Context, p MigrationProbe) (err error) {
	lanes, opt := db.cfg.inner(testSeams{})
	reads := &DB{cfg: db.cfg, log: db.log, rec: db.rec, store: db.store, migrator: db.migrator, clock: db.clock}
	lanes.Observer = observer{reads}
	reads.protect(db.clock, &lanes, &opt)
	defer reads.guard.prober.stop()
	if reads.lanes, err = lane.Open(ctx, db.store, lanes, &readOnlyError{"a probe of a migration only reads"}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reads.lanes.Shutdown(ctx)) }()
	return p.Check(ctx, reads)
}

// migrate brings the schema up to date.
func (db *DB) migrate(ctx context.Context, sets []*migrate.Set, seams testSeams) error {
	if err := db.newMigrator(sets, seams); err != nil {
		return &MigrationError{err}
	}
	if len(sets) == 0 {
		return nil
	}
	if db.store.ReadOnly() {
		status, err := db.migrator.Status(ctx)
		if err != nil {
			return migrationFailed(err)
		}
		if err := status.Err(); err != nil {
			return &MigrationError{err}
		}
		if n := len(status.Pending); n > 0 {
			if err := db.guard.quarantine.err(); err != nil {
				return err // the schema that the caller counts on is not there, and will not be
			}
			return &MigrationError{fmt.Errorf("%d migrations are pending and the database is open read only: open it once for writing", n)}
		}
		return nil
	}
	var err error
	db.applied, err = db.migrator.Up(ctx)
	if err == nil && db.applied.Run != "" {
		db.log.Info("migrations applied", "from", db.applied.From, "to", db.applied.To, "took", db.applied.Duration, "snapshot", db.applied.Snapshot)
	}
	return migrationFailed(err)
}

// migrationFailed makes every way in which a migration can be refused match the sentinel; what the store or the context say stays theirs.
func migrationFailed(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var own *MigrationError
	if errors.As(err, &own) {
		return err
	}
	if store, ok := err.(*sqlite.Error); ok {
		return store
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrQuarantined) {
		return err
	}
	return &MigrationError{err}
}

// schemaFence stops this program's writes once another process has changed the schema.
func (db *DB) schemaFence(ctx context.Context, sets []*migrate.Set) (func(*sqlite.Conn) error, error) {
	if len(sets) == 0 || db.store.ReadOnly() {
		return nil, nil
	}
	if fence := db.migrator.StartFence(); fence != nil {
		return fence.Check, nil
	}
	conn, err := db.store.Connect(ctx, sqlite.Maintenance)
	if err != nil {
		return nil, err
	}
	fence, err := db.migrator.Fence(conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return nil, err
	}
	return fence.Check, nil
}

// migrationObserver makes the spans of migrations: one per run, migration and statement.
type migrationObserver struct{ rec trace.Recorder }

func (o migrationObserver) StartRun(ctx context.Context, kind string) (context.Context, func(error)) {
	return o.start(ctx, "migrate "+kind, "migration run")
}

func (o migrationObserver) StartMigration(ctx context.Context, component string, version int, name string) (context.Context, func(error)) {
	return o.start(ctx, fmt.Sprintf("migration %s %04d %s", component, version, name), "migration")
}

func (o migrationObserver) start(ctx context.Context, name, kind string) (context.Context, func(error)) {
	inner, span := o.rec.StartTx(ctx, name, kind)
	return inner, func(err error) {
		outcome := "committed"
		if err != nil {
			outcome = "rolled_back"
		}
		span.End(trace.TxEnd{Err: err, Outcome: outcome})
	}
}

func (o migrationObserver) Statement(ctx context.Context, sql string, start time.Time, took time.Duration, err error) {
	o.rec.Statement(ctx, &trace.Statement{Query: trace.Describe(sql), Start: start, Duration: took, Lane: "writer", Class: "maintenance", Err: err})
}
