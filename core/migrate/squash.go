package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// Squash makes one file of the program's migrations up to a version: what they build in an empty database, seed rows included. The files
// that it stands for are then removed from the set and the sums written again. A database at that version or above takes it for what was
// applied; one below needs a release that still has the old files.
//
// # Errors
//
// An error where the version is not in the set, or one of the migrations up to it is written in Go, or keeps values aside.
func (m *Migrator) Squash(ctx context.Context, component string, to int) (name string, content []byte, err error) {
	if component == "" {
		component = Component
	}
	s := m.set(component)
	if s == nil || s.version(to) == nil {
		return "", nil, fmt.Errorf("migrate: the program has no migration %04d of component %s", to, component)
	}
	var list []*Migration
	compat := 0
	for _, mig := range s.list {
		if mig.Version > to {
			break
		}
		if mig.code != nil {
			return "", nil, fmt.Errorf("migrate: %s cannot be squashed: it is code", mig.File)
		}
		list = append(list, mig)
		compat = max(compat, mig.Compat)
	}
	var up, down, hash string
	err = m.inMemory(ctx, func(conn *sqlite.Conn) (err error) {
		for _, mig := range list {
			if err := m.execute(ctx, conn, mig, mig.Up, nil, nil); err != nil {
				return &Error{Version: mig.Version, Name: mig.Name, Cause: err}
			}
		}
		up, down, hash, err = squashed(conn)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	text := fmt.Sprintf("-- migration: everything up to %04d\n-- compat: %04d\n-- squashes: %s\n-- +up\n%s-- +down\n%s", to, compat, hash, up, down)
	name = fmt.Sprintf("%04d_squashed.sql", to)
	if _, err := Parse(name, []byte(text)); err != nil {
		return "", nil, err
	}
	return name, []byte(normalise([]byte(text))), nil
}

// squashed writes tables, then rows, then what would act on the rows while they are written.
func squashed(conn *sqlite.Conn) (up, down, hash string, err error) {
	objects, err := readObjects(conn)
	if err != nil {
		return "", "", "", err
	}
	tables, err := readTables(conn)
	if err != nil {
		return "", "", "", err
	}
	var b, rest, back strings.Builder
	for _, o := range objects {
		if o.Type == "table" {
			b.WriteString(o.SQL + ";\n")
		} else if o.SQL != "" {
			rest.WriteString(o.SQL + ";\n")
		}
	}
	for _, o := range objects {
		if o.Type != "table" {
			continue
		}
		if err := insertRows(conn, tables[strings.ToLower(o.Name)], &b); err != nil {
			return "", "", "", err
		}
	}
	for i := len(objects) - 1; i >= 0; i-- {
		if o := objects[i]; o.Type == "view" || o.Type == "table" {
			fmt.Fprintf(&back, "DROP %s %s;\n", strings.ToUpper(o.Type), quoteName(o.Name))
		}
	}
	return b.String() + rest.String(), back.String(), hashObjects(objects), nil
}

// insertRows writes the rows of a table as statements.
func insertRows(conn *sqlite.Conn, t table, b *strings.Builder) error {
	if len(t.Columns) == 0 {
		return nil
	}
	names, values := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i], values[i] = quoteName(c), "quote("+quoteName(c)+")"
	}
	into := fmt.Sprintf("INSERT INTO %s (%s) VALUES (", quoteName(t.Name), strings.Join(names, ", "))
	return ownRows(conn, "SELECT "+strings.Join(values, " || ', ' || ")+" FROM "+quoteName(t.Name), nil, func(v []sqlite.Value) error {
		row := text(v[0])
		if strings.Contains(row, "\n-- +") {
			return fmt.Errorf("migrate: a seed row of %s holds a line that begins a section", t.Name)
		}
		b.WriteString(into + row + ");\n")
		return nil
	})
}
