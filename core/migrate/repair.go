package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RepairOptions says which disagreement is accepted. Exactly one field is set.
type RepairOptions struct {
	Accept     int    // the file of this version is right although it was edited after it had been applied
	AdoptDrift bool   // the schema is right although it was changed by hand
	Rechain    bool   // the history is right although its chain is broken
	KeepRun    string // the migrated database is right although a probe of this run failed and its snapshot could not be put back
	Component  string // of Accept; "" means the main schema
}

// Repair takes into the history what an operator has found to be right. It changes no row and no schema of the user's; a snapshot is kept.
//
// # Errors
//
// An error where there is nothing to accept.
func (m *Migrator) Repair(ctx context.Context, opt RepairOptions) (rep Report, err error) {
	start := time.Now()
	ctx, end := m.startRun(ctx, "repair")
	defer func() { rep.Duration = time.Since(start); m.ended("repair", &rep, err); end(err) }()
	if opt.Component == "" {
		opt.Component = Component
	}
	run, err := m.locked(ctx, "repair", func(b *batch) error {
		if !b.view.managed {
			return errors.New("migrate: the database has no history to repair")
		}
		if err := b.snapshot(); err != nil {
			return err
		}
		if err := createTables(b.conn); err != nil {
			return err
		}
		b.run.State = RunDone
		var err error
		switch {
		case opt.Accept > 0:
			err = b.accept(opt)
		case opt.AdoptDrift:
			err = b.adoptDrift()
		case opt.KeepRun != "":
			err = b.keepRun(opt.KeepRun)
		case opt.Rechain:
			err = b.rechainAll()
		default:
			err = errors.New("migrate: say what to accept: an edited file, a changed schema, the history or a failed run")
		}
		if err != nil {
			return err
		}
		return b.record()
	})
	rep.Run, rep.Snapshot, rep.From, rep.To = run.ID, run.Snapshot, run.From, run.To
	if err == nil {
		m.prune()
	}
	return rep, err
}

// accept enters the edited file in place of the one that was applied. The schema stays what it is: the file must lead to it.
func (b *batch) accept(opt RepairOptions) error {
	s := b.m.set(opt.Component)
	var mig *Migration
	if s != nil {
		mig = s.version(opt.Accept)
	}
	if mig == nil {
		return fmt.Errorf("migrate: the program has no migration %04d of component %s", opt.Accept, opt.Component)
	}
	for _, e := range of(b.view.entries, opt.Component) {
		if e.Version != mig.Version {
			continue
		}
		if e.Checksum == mig.Checksum {
			return fmt.Errorf("migrate: the file of version %04d is what was applied: nothing to accept", mig.Version)
		}
		b.run.Note = fmt.Sprintf("accepted the edited file of %s %04d; applied was %s", opt.Component, mig.Version, e.Checksum)
		err := own(b.conn, "UPDATE _tg_migration SET name = ?, checksum = ?, compat = ?, up_sql = ?, down_sql = ? WHERE component = ? AND version = ?",
			mig.Name, mig.Checksum, mig.Compat, mig.stored(), mig.Down, e.Component, e.Version)
		if err != nil {
			return fmt.Errorf("migrate: write the history: %w", err)
		}
		if err := rechain(b.conn, opt.Component); err != nil {
			return err
		}
		return b.keepSchemaWhereLineageDiffers()
	}
	return fmt.Errorf("migrate: version %04d is not applied", opt.Accept)
}

// keepSchemaWhereLineageDiffers adopts the schema as it is where the accepted texts would not build it.
func (b *batch) keepSchemaWhereLineageDiffers() error {
	v, err := look(b.conn)
	if err != nil {
		return err
	}
	want, err := b.m.expected(b.ctx, v)
	if err != nil || len(compareObjects(want, v.objects)) > 0 {
		if b.ctx.Err() != nil {
			return context.Cause(b.ctx)
		}
		b.run.Schema = script(v.objects)
	}
	return nil
}

// adoptDrift makes the schema of now the one that the history leads to.
func (b *batch) adoptDrift() error {
	var names []string
	for _, c := range b.status.Conflicts {
		if c.Code != Drifted {
			continue
		}
		component := c.Component
		names = append(names, component)
		hash := hashObjects(b.m.schemaOf(b.view, component))
		entries := of(b.view.entries, component)
		last := entries[len(entries)-1]
		if err := own(b.conn, "UPDATE _tg_migration SET schema_hash = ? WHERE component = ? AND version = ?", hash, component, last.Version); err != nil {
			return fmt.Errorf("migrate: write the history: %w", err)
		}
		if err := rechain(b.conn, component); err != nil {
			return err
		}
	}
	if names == nil {
		return errors.New("migrate: the schema is what the history says: nothing to adopt")
	}
	b.run.Note, b.run.Schema = "adopted the schema as it is: "+strings.Join(names, ", "), script(b.view.objects)
	return nil
}

func (b *batch) keepRun(id string) error {
	for _, r := range b.view.runs {
		if r.ID == id && r.State == RunFailed {
			r.State, r.Note = RunDone, "kept by an operator; failed was "+r.Note
			b.run.Note = "kept run " + id
			return writeRun(b.conn, r)
		}
	}
	return fmt.Errorf("migrate: there is no failed run %s", id)
}

func (b *batch) rechainAll() error {
	broken := false
	for _, c := range b.status.Conflicts {
		broken = broken || c.Code == BadHistory
	}
	if !broken {
		return errors.New("migrate: the history is whole: nothing to chain")
	}
	for _, c := range componentsOf(b.view.entries) {
		entries := of(b.view.entries, c)
		if hash := hashObjects(b.m.schemaOf(b.view, c)); hash != entries[len(entries)-1].SchemaHash {
			err := own(b.conn, "UPDATE _tg_migration SET schema_hash = ? WHERE component = ? AND version = ?", hash, c, entries[len(entries)-1].Version)
			if err != nil {
				return err
			}
		}
		if err := rechain(b.conn, c); err != nil {
			return err
		}
	}
	b.run.Note = "chained the history again"
	return b.keepSchemaWhereLineageDiffers()
}
