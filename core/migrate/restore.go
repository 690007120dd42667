package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// RestoreOptions names the snapshot: by the run that it was taken for, or by its path. Empty: the newest.
type RestoreOptions struct {
	Run  string
	Path string
	// Discard keeps no copy of the content of now: for a database that is too damaged to be copied. Writes of other programs between the
	// decision and its end are lost then.
	Discard bool
}

// Restore replaces the content of the database by that of a snapshot, in one transaction. What was written since is lost from the database;
// the content of now is copied first, and the copy's path is in the report. Between the copy and the end no program of ours writes: its writes
// fail with [ErrSchemaFenced]. Where the process ends in between, the next start finishes it.
//
// # Errors
//
// [ErrSnapshot] where there is none, or it is not what it was when it was taken; the database is unchanged then.
func (m *Migrator) Restore(ctx context.Context, opt RestoreOptions) (from Snapshot, rep Report, err error) {
	start := time.Now()
	ctx, end := m.startRun(ctx, "restore")
	defer func() { rep.Duration = time.Since(start); m.ended("restore", &rep, err); end(err) }()
	if err := m.mayChange("restore"); err != nil {
		return from, rep, err
	}
	if from, err = m.find(ctx, opt); err != nil {
		return from, rep, err
	}
	if err := m.usable(ctx, &from); err != nil {
		return from, rep, err
	}
	var run Run
	kept := ""
	if opt.Discard {
		run, err = m.discard(ctx, from)
	} else {
		run, err = m.locked(ctx, "restore", func(b *batch) (err error) { kept, err = b.restore(from); return err })
	}
	if err != nil {
		return from, rep, err
	}
	rep.Run, rep.From = run.ID, run.From
	note := "put back by an operator: " + from.Path
	if kept != "" {
		note += "; what was there is in " + kept
	}
	if _, err := m.putBack(ctx, run, note, !opt.Discard); err != nil {
		return from, rep, err
	}
	now, err := m.Status(ctx)
	rep.To, rep.Snapshot = now.Current, kept
	m.prune()
	return from, rep, err
}

// usable looks whether a copy can be put back at all. Once the database says that it is being put back every start tries to, and none succeeds
// with a file that is no copy.
func (m *Migrator) usable(ctx context.Context, from *Snapshot) (err error) {
	if from.Path, err = filepath.Abs(from.Path); err != nil { // a start may be in another folder
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if from.SHA256 == "" {
		from.SHA256 = notedSum(from.Path)
	}
	if err := checkSnapshot(from.Path, from.SHA256); err != nil {
		return err
	}
	copied, err := os.Stat(from.Path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if own, err := os.Stat(m.store.Location().Path); err == nil && os.SameFile(own, copied) {
		return fmt.Errorf("%w: %s is the database itself", ErrSnapshot, from.Path)
	}
	if log, err := os.Stat(from.Path + "-wal"); err == nil && log.Size() > 0 {
		return fmt.Errorf("%w: beside %s lies a log with changes that would be left out: it is in use, or was not closed; open and close it first", ErrSnapshot, from.Path)
	}
	store, err := m.store.Twin(ctx, sqlite.Location{Path: from.Path, ReadOnly: true, MustExist: true, Immutable: true})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	conn, err := store.Connect(ctx, sqlite.Maintenance)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	conn.SetContext(ctx)
	switch found, err := conn.QueryText("PRAGMA quick_check(1)"); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	case found != "ok":
		return fmt.Errorf("%w: %s is damaged: %s", ErrSnapshot, from.Path, found)
	}
	return nil
}

// restore keeps the content of now and enters the run, with the epoch that stops whoever would write from here on.
func (b *batch) restore(from Snapshot) (kept string, err error) {
	size, err := os.Stat(from.Path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	need, err := databaseBytes(b.conn)
	if err != nil {
		return "", err
	}
	if err := b.m.checkDisk(diskNeed{database: need, rewritten: size.Size() / 2}); err != nil {
		return "", err
	}
	if err := b.snapshot(); err != nil {
		return "", fmt.Errorf("%w; where the database is too damaged to be copied, restore with --discard", err)
	}
	if err := createTables(b.conn); err != nil {
		return "", err
	}
	kept = b.run.Snapshot
	b.run.State, b.run.Snapshot, b.run.SHA256 = RunRestoring, from.Path, from.SHA256
	b.run.Note = "an operator is putting back " + from.Path
	return kept, b.record()
}

// discard is restore without a copy of what is there.
func (m *Migrator) discard(ctx context.Context, from Snapshot) (Run, error) {
	if err := m.mayChange("restore"); err != nil {
		return Run{}, err
	}
	run := Run{ID: newRunID(), Kind: "restore", State: RunRestoring, Snapshot: from.Path, SHA256: from.SHA256, Started: m.clock.Now()}
	st, err := m.Status(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return run, context.Cause(ctx)
		}
		return run, nil // too damaged to say where it stands: it is about to be replaced
	}
	run.From, run.To, run.EpochBefore, run.EpochAfter = st.Current, st.Current, st.Epoch, st.Epoch
	return run, nil
}

// finishRestore brings an operator's restore to its end that a crash has interrupted.
func (m *Migrator) finishRestore(ctx context.Context, r Run) error {
	if _, err := m.putBack(ctx, r, "put back by an operator: "+r.Snapshot+"; finished by a later start", true); err != nil {
		if class := sqlite.ClassOf(err); errors.Is(err, ErrSnapshot) || class == sqlite.NotADB || class == sqlite.Corrupt {
			_, _, e := m.decide(ctx, r, RunFailed, "its copy cannot be put back: "+err.Error()) // nor by any start to come
			err = errors.Join(err, e)
		}
		return err
	}
	return errors.New("migrate: the restore that run " + r.ID + " had begun is finished now: start again")
}

func (m *Migrator) find(ctx context.Context, opt RestoreOptions) (Snapshot, error) {
	if opt.Path != "" {
		return Snapshot{Path: opt.Path}, nil
	}
	list, err := m.Snapshots()
	if err != nil {
		return Snapshot{}, err
	}
	for _, s := range list {
		if opt.Run == "" || s.Run == opt.Run {
			return s, nil
		}
	}
	runs, err := m.Runs(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	for _, r := range runs {
		if r.ID == opt.Run && opt.Run != "" && r.Snapshot != "" {
			return Snapshot{Path: r.Snapshot, Run: r.ID, SHA256: r.SHA256}, nil
		}
	}
	return Snapshot{}, fmt.Errorf("%w: there is none%s in %s", ErrSnapshot, forRun(opt.Run), m.snapshotDir())
}

func forRun(run string) string {
	if run == "" {
		return ""
	}
	return " for run " + run
}
