package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/core/sqlite"
)

// Plan is what Up would do.
type Plan struct {
	Status        Status
	Migrations    []PlannedMigration
	DatabaseBytes int64
	DiskNeeded    int64              // while it runs: for the copies and the log
	DiskFree      int64              // 0 where the system does not tell
	Conversions   []convert.Analysis // by reading every row; of tables that no earlier pending migration changes, the others are for Rehearse
	Unverified    string
}

// PlannedMigration is one pending migration, as it ran on an empty copy of the schema.
type PlannedMigration struct {
	Component   string
	Version     int
	Name        string
	Statements  []string
	Touches     []string // tables whose rows it may change
	Alters      []string // tables that it alters, rebuilds or drops
	Converts    []string // columns whose type changes, as the file says it
	Destructive bool     // it changes or moves data that is there already
}

// Plan reads what is pending and runs it on an empty copy of the schema in memory. It takes no lock and writes nothing.
func (m *Migrator) Plan(ctx context.Context) (p Plan, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		v, err := look(conn)
		if err != nil {
			return err
		}
		p.Status = m.compare(v)
		if p.DatabaseBytes, err = databaseBytes(conn); err != nil {
			return err
		}
		p.DiskNeeded = p.DatabaseBytes
		if loc := m.store.Location(); !loc.Memory {
			p.DiskFree, _ = sqlite.FreeBytes(loc.Path)
		}
		if len(p.Status.Pending) == 0 || len(p.Status.Conflicts) > 0 {
			return nil
		}
		b := &batch{m: m, ctx: ctx, conn: conn, view: v, status: p.Status}
		var rep Report
		l, err := b.planned(p.Status.Pending, &rep)
		if err != nil {
			return err
		}
		p.Migrations, p.Unverified = l.steps, rep.Unverified
		tables, err := readTables(conn)
		if err != nil {
			return err
		}
		need, err := m.needOf(conn, tables, l.rewritten, m.cfg.Rehearse && v.managed && destructive(l))
		if err != nil {
			return err
		}
		p.DiskNeeded = need.total()
		p.Conversions, err = m.analyse(ctx, conn, p.Status.Pending, l)
		var loss *convert.LossError
		if errors.As(err, &loss) {
			return nil // it is in what was analysed
		}
		return err
	})
	return p, err
}

// Rehearsal is what Up did on a copy.
type Rehearsal struct {
	Up       Report        // with the time that the writer would be locked, on this machine
	Took     time.Duration // up, down and up again, the copying included
	Down     time.Duration // of taking everything back
	DownErr  string        // why it could not be taken back; "" when it could
	Lost     []Loss        // what taking it back drops
	WALBytes int64         // size of the log that the run wrote
}

// Rehearse copies the database and runs everything that is pending on the copy, takes it back and runs it again. The database itself is
// only read.
//
// # Errors
//
// Those of Up. That the migrations cannot be taken back is no error, but told in the result.
func (m *Migrator) Rehearse(ctx context.Context) (r *Rehearsal, err error) {
	if m.store.Location().Memory {
		return nil, errors.New("migrate: a database in memory has nothing to rehearse on")
	}
	dir, err := m.rehearsalDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	st, err := m.Status(ctx)
	if err != nil {
		return nil, err
	}
	if err := st.Err(); err != nil || len(st.Pending) == 0 {
		return nil, err
	}
	path := filepath.Join(dir, "copy.db")
	p, err := m.Plan(ctx)
	if err == nil {
		err = m.checkDisk(diskNeed{rehearsal: p.DiskNeeded})
	}
	if err != nil {
		return nil, err
	}
	if err := m.with(ctx, func(c *sqlite.Conn) error { return c.CopyTo(path) }); err != nil {
		return nil, err
	}
	r, err = m.rehearse(ctx, path, st)
	if r != nil {
		r.Took = time.Since(start)
	}
	return r, err
}

// rehearseOn rehearses on a copy of a snapshot, which itself must stay what it is.
func (m *Migrator) rehearseOn(ctx context.Context, snapshot string, st Status) (*Rehearsal, error) {
	dir, err := m.rehearsalDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	path := filepath.Join(dir, "copy.db")
	source, err := m.store.Twin(ctx, sqlite.Location{Path: snapshot, ReadOnly: true, MustExist: true, Immutable: true})
	if err != nil {
		return nil, err
	}
	conn, err := source.Connect(ctx, sqlite.Maintenance)
	if err != nil {
		return nil, errors.Join(err, source.Close())
	}
	if err := errors.Join(conn.CopyTo(path), conn.Close(), source.Close()); err != nil {
		return nil, err
	}
	r, err := m.rehearse(ctx, path, st)
	if r != nil {
		r.Took = time.Since(start)
	}
	return r, err
}

// rehearse works on the copy at path.
func (m *Migrator) rehearse(ctx context.Context, path string, st Status) (r *Rehearsal, err error) {
	clone, done, err := m.on(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	r = &Rehearsal{}
	if r.Up, err = clone.Up(ctx); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path + "-wal"); err == nil {
		r.WALBytes = info.Size()
	}
	at := time.Now()
	for i := len(st.Components) - 1; i >= 0; i-- {
		c := st.Components[i]
		if c.Pending == 0 {
			continue
		}
		_, err := clone.Down(ctx, DownOptions{Component: c.Name, To: c.Current})
		var loss *DataLossError
		if errors.As(err, &loss) {
			r.Lost = append(r.Lost, loss.Losses...)
			_, err = clone.Down(ctx, DownOptions{Component: c.Name, To: c.Current, AllowDataLoss: true})
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			r.DownErr = err.Error()
			return r, nil
		}
	}
	r.Down = time.Since(at)
	if _, err := clone.Up(ctx); err != nil {
		return nil, fmt.Errorf("after it had been taken back: %w", err)
	}
	return r, nil
}

// on is a migrator with the same migrations for another file: no probes, which would ask about the real one, and nobody watching.
func (m *Migrator) on(ctx context.Context, path string) (clone *Migrator, done func() error, err error) {
	store, err := m.store.Twin(ctx, sqlite.Location{Path: path})
	if err != nil {
		return nil, nil, err
	}
	cfg := m.cfg
	cfg.Probes, cfg.Progress, cfg.Observer, cfg.At, cfg.Rehearse = nil, nil, nil, nil, false
	cfg.Ended, cfg.Refuse = nil, nil
	cfg.Snapshots.Dir = ""
	clone, err = New(store, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	clone.bare = true
	return clone, store.Close, nil
}
