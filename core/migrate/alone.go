package migrate

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/tidegate/engine/core/sqlite"
)

// errOtherRestores says that another process holds the lock of alone for longer than LockWait.
var errOtherRestores = errors.New("migrate: another process is putting a snapshot back; start again when it has ended")

// alone waits until no other process is putting a snapshot back, and keeps the others waiting until release. The lock of the database itself
// cannot do that: what puts a copy back must not be in a transaction. It is the write lock of an empty database beside it, which ends with its
// holder; the file stays, because a lock on a file that may be removed is none.
func (m *Migrator) alone(ctx context.Context) (release func() error, err error) {
	loc := m.store.Location()
	if loc.Memory {
		return func() error { return nil }, nil
	}
	path := loc.Path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	var store *sqlite.Store
	err = m.whenFree(ctx, func() (err error) {
		store, err = m.store.Twin(ctx, sqlite.Location{Path: path + "-restoring"})
		return err
	})
	if err != nil {
		return nil, err
	}
	conn, err := store.Connect(ctx, sqlite.Writer)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	release = func() error { return errors.Join(conn.Close(), store.Close()) } // which ends the transaction
	if err := m.begin(ctx, conn); err != nil {
		if errors.Is(err, ErrConflict) {
			err = errOtherRestores
		}
		return nil, errors.Join(err, release())
	}
	return release, nil
}

// stateOf is what became of a run that was committed. A snapshot from before a run does not know it: put back is then what it was.
func (m *Migrator) stateOf(ctx context.Context, id string) (RunState, error) {
	runs, err := m.Runs(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range runs {
		if r.ID == id {
			return r.State, nil
		}
	}
	return RunRestored, nil
}
