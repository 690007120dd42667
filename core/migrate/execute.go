package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// execute runs the statements of one direction of a migration under the guard. t, when not nil, follows them; each, when not nil, is
// called ahead of every statement.
func (m *Migrator) execute(ctx context.Context, conn *sqlite.Conn, mig *Migration, sql string, t *tracker, each func(string) error) (err error) {
	watch := func(a sqlite.Access) error {
		if t != nil {
			t.saw(a)
		}
		return m.fence(mig, a)
	}
	if err := m.convertAll(ctx, conn, mig, t); err != nil {
		return err
	}
	conn.SetGuard(sqlite.Guard{})
	conn.Watch(watch)
	defer conn.Watch(nil)
	var last string
	var began time.Time
	done := func(err error) {
		if m.cfg.Observer != nil && last != "" {
			m.cfg.Observer.Statement(ctx, last, began, time.Since(began), err)
		}
		last = ""
	}
	before := func(stmt string) error {
		done(nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := allowed(stmt); err != nil {
			return err
		}
		if t != nil {
			t.statement(stmt)
		}
		if each != nil {
			if err := each(stmt); err != nil {
				return err
			}
		}
		last, began = stmt, time.Now()
		return nil
	}
	if mig.code != nil && sql == "" {
		err = runCode(ctx, mig.code.Up, &GoTx{conn, before})
	} else {
		err = conn.Script(sql, before)
	}
	done(err)
	if err == nil && conn.Autocommit() {
		err = errors.New("it ended the transaction it ran in")
	}
	return err
}

// runCode runs foreign code, whose panic must not leave a transaction open.
func runCode(ctx context.Context, fn func(context.Context, *GoTx) error, tx *GoTx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &sqlite.PanicError{Value: r}
		}
	}()
	return fn(ctx, tx)
}

// allowed refuses what would leave the run's transaction or its file. The
// connection's own guard refuses most of it too; a migration must not depend on
// how its connection was set up.
func allowed(stmt string) error {
	switch w := firstWord(stmt); w {
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "DETACH", "VACUUM", "PRAGMA":
		return fmt.Errorf("%s is not allowed in a migration; all pending migrations are one transaction", w)
	}
	return nil
}

// fence keeps a plug-in inside of its prefix, and everybody else out of it.
func (m *Migrator) fence(mig *Migration, a sqlite.Access) error {
	name := strings.ToLower(a.Table)
	if mig.Component != Component && mig.Component != "" {
		if !strings.HasPrefix(name, prefixOf(mig.Component)) {
			return fmt.Errorf("%s of %s by component %s, whose tables begin with %s,", a.Kind, a.Table, mig.Component, prefixOf(mig.Component))
		}
		return nil
	}
	for _, s := range m.cfg.Sets {
		if s.component != Component && strings.HasPrefix(name, prefixOf(s.component)) {
			return fmt.Errorf("%s of %s, which belongs to component %s,", a.Kind, a.Table, s.component)
		}
	}
	return nil
}
