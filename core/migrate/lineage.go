package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// lineage is what the history, and then the pending migrations, make of an empty database in memory. It tells what the schema must
// be, and what a run will touch before it touches it.
type lineage struct {
	before, after []object
	tables        map[string]table // after
	renames       map[string]map[string]string
	converted     map[string][]string
	place         map[string]string  // first name → name afterwards
	free          map[string]bool    // tables whose rows some pending migration may change
	rewritten     map[string]bool    // first names of tables whose rows are copied, changed or dropped
	steps         []PlannedMigration // one for each that is pending, in its order
}

// errNoCode says that the history holds a Go migration that this program does not have.
type errNoCode struct{ e Entry }

func (e *errNoCode) Error() string {
	return fmt.Sprintf("version %04d (%s) is a Go migration that this program does not have", e.e.Version, e.e.Name)
}

// surviving are the columns of a table that will still be there, under whatever name; nil where the table goes.
func (l *lineage) surviving(first string, columns []string) []string {
	place, ok := l.place[first]
	if !ok || place == "" {
		return nil
	}
	have := map[string]bool{}
	for _, c := range l.tables[place].Columns {
		have[strings.ToLower(c)] = true
	}
	out := []string{}
	for _, c := range columns {
		name := strings.ToLower(c)
		if to, ok := l.renames[first][name]; ok {
			name = to
		}
		if have[name] && !slices.Contains(l.converted[first], strings.ToLower(c)) {
			out = append(out, c)
		}
	}
	return out
}

// inMemory runs fn in a transaction on an empty database that has the functions, collations and modules of the real one.
func (m *Migrator) inMemory(ctx context.Context, fn func(*sqlite.Conn) error) (err error) {
	store, err := m.store.Twin(ctx, sqlite.Location{Memory: true})
	if err != nil {
		return fmt.Errorf("migrate: a database in memory: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	conn, err := store.Connect(ctx, sqlite.Writer)
	if err != nil {
		return fmt.Errorf("migrate: a database in memory: %w", err)
	}
	conn.SetContext(ctx)
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.Exec("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := createTables(conn); err != nil { // so that touching them is refused here as it is there
		return err
	}
	return fn(conn)
}

// replay builds the lineage.
func (m *Migrator) replay(ctx context.Context, v *view, pending []*Migration) (*lineage, error) {
	l := &lineage{free: map[string]bool{}, place: map[string]string{}}
	err := m.inMemory(ctx, func(conn *sqlite.Conn) (err error) {
		if err := m.rebuild(ctx, conn, v); err != nil {
			return err
		}
		if l.before, err = readObjects(conn); err != nil {
			return err
		}
		tables, err := readTables(conn)
		if err != nil {
			return err
		}
		t := newTracker(tables)
		for _, mig := range pending {
			p := PlannedMigration{Component: mig.Component, Version: mig.Version, Name: mig.Name}
			t.next()
			err := m.execute(ctx, conn, mig, mig.Up, t, func(stmt string) error {
				p.Statements = append(p.Statements, stmt)
				return nil
			})
			if err != nil {
				return &Error{Version: mig.Version, Name: mig.Name, Statement: len(p.Statements), Cause: fmt.Errorf("on an empty copy of the schema: %w", err)}
			}
			l.add(&p, mig, t)
		}
		if l.after, err = readObjects(conn); err != nil {
			return err
		}
		if l.tables, err = readTables(conn); err != nil {
			return err
		}
		l.renames, l.converted, l.rewritten = t.renames, t.converted, t.rewritten
		for first := range tables {
			l.place[first] = t.place(first, l.tables)
		}
		return nil
	})
	return l, err
}

// add takes over what one migration names.
func (l *lineage) add(p *PlannedMigration, mig *Migration, t *tracker) {
	free, _ := t.free(mig)
	for name := range free {
		l.free[name] = true
		p.Touches = append(p.Touches, name)
	}
	for _, d := range mig.Convert {
		p.Converts = append(p.Converts, d.String())
	}
	for name := range t.altered {
		p.Alters = append(p.Alters, name)
	}
	sort.Strings(p.Touches)
	sort.Strings(p.Alters)
	p.Destructive = len(p.Alters) > 0 || len(p.Touches) > 0
	l.steps = append(l.steps, *p)
}

// rebuild runs the history on an empty database: from the last schema that was adopted as it was, if any.
func (m *Migrator) rebuild(ctx context.Context, conn *sqlite.Conn, v *view) error {
	var base Run
	for _, r := range v.runs {
		if r.Schema != "" {
			base = r
		}
	}
	if err := conn.Script(base.Schema, nil); err != nil {
		return fmt.Errorf("the schema that run %s adopted: %w", base.ID, err)
	}
	entries := append([]Entry(nil), v.entries...)
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].Finished.Before(entries[j].Finished) })
	for _, e := range entries {
		if base.ID != "" && !e.Finished.After(base.Done) {
			continue
		}
		mig := &Migration{Component: e.Component, Version: e.Version, Name: e.Name}
		if e.Up == "" {
			s := m.set(e.Component)
			if s == nil {
				return &errNoCode{e}
			}
			if mig = s.version(e.Version); mig == nil || mig.Checksum != e.Checksum || mig.code == nil {
				return &errNoCode{e}
			}
		}
		var err error
		if mig.Convert, err = storedConversions(e.Up); err != nil {
			return fmt.Errorf("migrate: the history does not replay: version %04d (%s): %w", e.Version, e.Name, err)
		}
		if err := m.execute(ctx, conn, mig, e.Up, nil, nil); err != nil {
			return fmt.Errorf("migrate: the history does not replay: version %04d (%s): %w", e.Version, e.Name, err)
		}
	}
	return nil
}

// version finds a migration of the set.
func (s *Set) version(n int) *Migration {
	for _, m := range s.list {
		if m.Version == n {
			return m
		}
	}
	return nil
}

// expected is the schema that the history leads to.
func (m *Migrator) expected(ctx context.Context, v *view) ([]object, error) {
	l, err := m.replay(ctx, v, nil)
	if err != nil {
		return nil, err
	}
	return l.before, nil
}
