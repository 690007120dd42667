package migrate

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// RestoreOptions names the snapshot: by the run that it was taken for, or by its path. Empty: the newest.
type RestoreOptions struct {
	Run  string
	Path string
}

// Restore replaces the content of the database by that of a snapshot, in one transaction. What was written since is lost; the
// content of now is copied first, and the copy's path returned.
//
// # Errors
//
// [ErrSnapshot] where there is none, or it is not what it was when it was taken; the database is unchanged then.
func (m *Migrator) Restore(ctx context.Context, opt RestoreOptions) (from Snapshot, rep Report, err error) {
	start := time.Now()
	ctx, end := m.startRun(ctx, "restore")
	defer func() { m.ended("restore", err); end(err); rep.Duration = time.Since(start) }()
	if from, err = m.find(ctx, opt); err != nil {
		return from, rep, err
	}
	st, err := m.Status(ctx)
	if err != nil {
		return from, rep, err
	}
	run := Run{ID: rand.Text()[:16], Kind: "restore", From: st.Current, To: st.Current, EpochBefore: st.Epoch, EpochAfter: st.Epoch,
		Snapshot: from.Path, SHA256: from.SHA256, Started: m.clock.Now()}
	if err := m.putBack(ctx, run, "put back by an operator: "+from.Path); err != nil {
		return from, rep, err
	}
	now, err := m.Status(ctx)
	rep.Run, rep.From, rep.To, rep.Snapshot = run.ID, st.Current, now.Current, from.Path
	return from, rep, err
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
