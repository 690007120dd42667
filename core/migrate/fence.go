package migrate

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tidegate/engine/core/sqlite"
)

// ErrSchemaFenced matches the error of a write that was refused because the schema changed under a running program.
var ErrSchemaFenced = errors.New("the schema was changed under this program")

// FencedError says that another process changed the schema in a way that this program does not know. It matches [ErrSchemaFenced].
type FencedError struct {
	Epoch, Now int64 // the epoch that the program knows, and the one that the database has
	Why        string
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("the schema was changed since this program opened the database (epoch %d, now %d): %s; nothing was written; restart the program, with a newer version where the start refuses",
		e.Epoch, e.Now, e.Why)
}

// Is matches ErrSchemaFenced.
func (e *FencedError) Is(target error) bool { return target == ErrSchemaFenced }

// Fence stops a program that still runs after another process has migrated its database. It remembers the schema that the program was
// started on. Safe for concurrent use.
type Fence struct {
	m     *Migrator
	known []Entry // when the program started
	epoch atomic.Int64
}

// Fence returns the fence for the schema as it is now. Open it after Up.
func (m *Migrator) Fence(conn *sqlite.Conn) (*Fence, error) {
	v, err := look(conn)
	if err != nil {
		return nil, err
	}
	return m.fenceOf(v), nil
}

// StartFence is Fence from what Up saw, without a look at the database; nil where the last Up had something to do. What another process has done
// since counts as done after the start, which is the safe side.
func (m *Migrator) StartFence() *Fence {
	if v := m.started.Load(); v != nil {
		return m.fenceOf(v)
	}
	return nil
}

func (m *Migrator) fenceOf(v *view) *Fence {
	f := &Fence{m: m, known: v.entries}
	f.epoch.Store(v.epoch)
	return f
}

// Check is called in a write transaction, when another connection has committed since the last. It costs one read of the header where
// the schema is unchanged.
//
// # Errors
//
// [*FencedError] where an applied migration that the program knows is gone or another, or one that it does not know demands a newer program.
func (f *Fence) Check(conn *sqlite.Conn) error {
	now, err := conn.QueryInt("PRAGMA user_version")
	if err != nil {
		return err
	}
	epoch := f.epoch.Load()
	if now == epoch {
		return nil
	}
	if why, err := unproven(conn); err != nil || why != "" {
		if err == nil {
			err = &FencedError{epoch, now, why}
		}
		return err
	}
	entries, _, err := readHistory(conn, false)
	if err != nil {
		return err
	}
	type key struct {
		component string
		version   int
	}
	have := map[key]string{}
	for _, e := range entries {
		have[key{e.Component, e.Version}] = e.Checksum
	}
	for _, e := range f.known {
		if have[key{e.Component, e.Version}] != e.Checksum {
			return &FencedError{epoch, now, fmt.Sprintf("version %04d (%s) was taken back or replaced", e.Version, e.Name)}
		}
	}
	for _, e := range entries {
		if s := f.m.set(e.Component); s != nil && e.Version > s.Latest() && e.Compat > s.Latest() {
			return &FencedError{epoch, now, fmt.Sprintf("version %04d (%s) needs a program that knows version %04d", e.Version, e.Name, e.Compat)}
		}
		if s := f.m.set(e.Component); s != nil && e.Version <= s.Latest() && !f.knew(e) {
			return &FencedError{epoch, now, fmt.Sprintf("version %04d (%s) was applied", e.Version, e.Name)}
		}
	}
	f.epoch.Store(now)
	return nil
}

// unproven tells of a change that may yet be taken back, with everything written meanwhile: nobody writes until its probes have passed.
func unproven(conn *sqlite.Conn) (why string, err error) {
	ok, err := hasTable(conn, runsTable)
	if err != nil || !ok {
		return "", err
	}
	err = ownRows(conn, "SELECT run, state FROM _tg_migration_run WHERE state IN ('committed', 'restoring')", nil, func(v []sqlite.Value) error {
		why = fmt.Sprintf("run %s is %s and has not come to its end", text(v[0]), text(v[1]))
		return nil
	})
	return why, err
}

func (f *Fence) knew(e Entry) bool {
	for _, k := range f.known {
		if k.Component == e.Component && k.Version == e.Version {
			return true
		}
	}
	return false
}
