package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidegate/engine/core/sqlite"
)

// ProbeError says that the migrated database did not stand its check or a probe, after COMMIT and before traffic.
type ProbeError struct {
	Run      string
	Probe    string // "quick_check" for the check of the file
	Restored bool   // the snapshot was put back: the database is as it was before the run
	Cause    error
}

func (e *ProbeError) Error() string {
	what := "the database was left as it is"
	if e.Restored {
		what = "the snapshot from before the migration was put back"
	}
	return fmt.Sprintf("run %s: %s failed after the migration: %v; %s and the start is refused", e.Run, e.Probe, e.Cause, what)
}

func (e *ProbeError) Unwrap() error { return e.Cause }

// settle is the last step of a run: whatever state it ended in, the database is either proven good or put back. Several processes may
// do it at once; the first to write the outcome decides.
func (m *Migrator) settle(ctx context.Context, r Run) error {
	if r.State == RunRestoring && r.Kind == "restore" {
		return m.finishRestore(ctx, r)
	}
	if r.State == RunRestoring {
		return m.restoreRun(ctx, r, &ProbeError{Run: r.ID, Probe: "a probe", Cause: errors.New(r.Note)})
	}
	m.progress(Progress{Phase: "probe"})
	probe, err := m.probe(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx) // undecided: the next start resumes here
	}
	if err == nil {
		won, now, err := m.decide(ctx, r, RunDone, "")
		switch {
		case err != nil:
			return err
		case won || now == RunDone:
			return nil
		}
		return &ProbeError{Run: r.ID, Probe: "a probe of another process", Restored: now != RunFailed, Cause: errors.New("see its log")}
	}
	failed := &ProbeError{Run: r.ID, Probe: probe, Cause: err}
	if m.store.Location().Memory {
		return failed // nobody but this process ever saw it, and it refuses to start
	}
	won, now, err := m.decide(ctx, r, RunRestoring, probe+": "+failed.Cause.Error())
	if err != nil {
		return errors.Join(failed, err)
	}
	if !won && now == RunDone {
		return failed // traffic may have flowed in another process since its probes passed
	}
	return m.restoreRun(ctx, r, failed)
}

// restoreRun puts the snapshot of a failed run back.
func (m *Migrator) restoreRun(ctx context.Context, r Run, failed *ProbeError) error {
	r.EpochAfter = max(r.EpochAfter, r.EpochBefore+1)
	now, err := m.putBack(ctx, r, failed.Probe+": "+failed.Cause.Error(), true)
	if err == nil {
		failed.Restored = now == RunRestored
		m.log.Error("a migration was taken back", "database", m.store.Location().String(), "run", r.ID, "probe", failed.Probe, "error", failed.Cause)
		return failed
	}
	if errors.Is(err, errOtherRestores) {
		return errors.Join(failed, err) // which is not known to have failed
	}
	_, _, e := m.decide(ctx, r, RunFailed, failed.Probe+": "+failed.Cause.Error())
	return errors.Join(failed, err, e)
}

// probe checks the file and asks everybody who must work with it.
func (m *Migrator) probe(ctx context.Context) (name string, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		found := ""
		err := ownRows(conn, "PRAGMA quick_check(1)", nil, func(v []sqlite.Value) error { found = text(v[0]); return nil })
		if err == nil && found != "ok" {
			err = errors.New(found)
		}
		return err
	})
	if err != nil {
		return "quick_check", err
	}
	for _, p := range m.cfg.Probes {
		if err := runProbe(ctx, p); err != nil {
			return p.Name, err
		}
	}
	return "", nil
}

// runProbe runs foreign code, whose panic is a failure like any other.
func runProbe(ctx context.Context, p Probe) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &sqlite.PanicError{Value: r}
		}
	}()
	return p.Check(ctx)
}

// decide moves a run from committed (or restoring) to another state, unless somebody else did before. now is the state it has.
func (m *Migrator) decide(ctx context.Context, r Run, to RunState, note string) (won bool, now RunState, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) (err error) {
		if err := m.begin(ctx, conn); err != nil {
			return err
		}
		defer func() {
			if err != nil && conn.Broken() == nil && !conn.Autocommit() {
				err = errors.Join(err, conn.Exec("ROLLBACK"))
			}
		}()
		from := RunCommitted
		if to == RunFailed {
			from = RunRestoring
		}
		now = RunRestored // a snapshot that was put back does not know the run, unless it is noted
		err = ownRows(conn, "SELECT state FROM _tg_migration_run WHERE run = ?", []any{r.ID}, func(v []sqlite.Value) error { now = RunState(text(v[0])); return nil })
		if err != nil {
			if sqlite.ClassOf(err) != sqlite.SQL {
				return err
			}
			return conn.Exec("ROLLBACK") // no such table: put back to a time before it
		}
		if now == from {
			won, now = true, to
			if err := own(conn, "UPDATE _tg_migration_run SET state = ?, note = ?, finished_ns = ? WHERE run = ?", string(to), note, m.clock.Now().UnixNano(), r.ID); err != nil {
				return err
			}
		}
		return conn.Exec("COMMIT")
	})
	return won, now, err
}
