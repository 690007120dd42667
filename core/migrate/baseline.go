package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// BaselineOptions says what an existing database stands for.
type BaselineOptions struct {
	// At is the version of the program's migrations that the database already has, made by another tool or by hand; its schema must be what
	// these files build. 0: what it has becomes version 0, and all migrations are still to come.
	At int
}

// Baseline gives a database that another program made a history. Nothing of it is rewritten: a copy is kept, the history's tables are
// added, and the database becomes ours. The store must have been opened for adoption.
//
// # Errors
//
// An error for a database that has a history, and where its schema is not what the files up to At build; it lists the differences.
func (m *Migrator) Baseline(ctx context.Context, opt BaselineOptions) (rep Report, err error) {
	start := time.Now()
	ctx, end := m.startRun(ctx, "baseline")
	defer func() { rep.Duration = time.Since(start); m.ended("baseline", &rep, err); end(err) }()
	run, err := m.locked(ctx, "baseline", func(b *batch) error {
		if len(b.view.entries) > 0 {
			return errors.New("migrate: the database has a history already: nothing to adopt")
		}
		if err := b.snapshot(); err != nil {
			return err
		}
		if err := createTables(b.conn); err != nil {
			return err
		}
		b.run.State = RunDone
		if opt.At == 0 {
			if err := b.adoptSchema(); err != nil {
				return err
			}
		} else if err := b.baselineAt(opt.At); err != nil {
			return err
		}
		b.run.To = opt.At
		return b.record()
	})
	rep.Run, rep.Snapshot, rep.From, rep.To = run.ID, run.Snapshot, run.From, run.To
	return rep, err
}

// baselineAt enters the files up to a version without running them.
func (b *batch) baselineAt(at int) error {
	s := b.m.set(Component)
	if s == nil || s.version(at) == nil {
		return fmt.Errorf("migrate: the program has no migration %04d", at)
	}
	var list []*Migration
	for _, mig := range s.list {
		if mig.Version <= at {
			list = append(list, mig)
		}
	}
	l, err := b.m.replay(b.ctx, &view{}, list)
	if err != nil {
		return err
	}
	if diff := compareObjects(l.after, b.m.schemaOf(b.view, Component)); len(diff) > 0 {
		return fmt.Errorf("migrate: the database is not what the migrations up to %04d build: %v; adopt it without a version, or name another", at, diff)
	}
	now, err := takeAccount(b.conn)
	if err != nil {
		return err
	}
	for _, mig := range list {
		when := b.m.clock.Now()
		err := b.enter(Entry{Component: Component, Version: mig.Version, Name: mig.Name, Checksum: mig.Checksum, Compat: mig.Compat, Up: mig.stored(), Down: mig.Down,
			RowsBefore: now.named(), RowsAfter: now.named(), Started: when, Finished: when, Run: b.run.ID})
		if err != nil {
			return err
		}
	}
	return nil
}
