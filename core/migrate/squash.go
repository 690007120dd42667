package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// Squash makes one file of the program's migrations up to a version: what they build in an empty database, seed rows included. The files
// that it stands for are then removed from the set and the sums written again. A database at that version or above takes it for what was
// applied; one below needs a release that still has the old files.
//
// # Errors
//
// An error where the version is not in the set, or one of the migrations up to it is written in Go; where a row cannot be written again as it is: its
// number cannot be kept, a full-text index has no texts, numbers of AUTOINCREMENT would be given out twice.
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
	if err := checkNumbersKept(conn); err != nil {
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

// insertRows writes the rows of a table as statements, with the numbers that SQLite gave them where those are the only key a row has.
func insertRows(conn *sqlite.Conn, t table, b *strings.Builder) error {
	if len(t.Columns) == 0 {
		return nil
	}
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = quoteName(c)
	}
	if !t.NoRowid {
		name, err := rowidOf(conn, t)
		if err != nil {
			return err
		}
		if name != "" {
			columns = append([]string{name}, columns...)
		}
	}
	values := make([]string, len(columns))
	for i, c := range columns {
		values[i] = "quote(" + c + ")"
	}
	into := fmt.Sprintf("INSERT INTO %s (%s) VALUES (", quoteName(t.Name), strings.Join(columns, ", "))
	return ownRows(conn, "SELECT "+strings.Join(values, " || ', ' || ")+" FROM "+quoteName(t.Name), nil, func(v []sqlite.Value) error {
		row := text(v[0])
		if strings.Contains(row, "\n-- +") {
			return fmt.Errorf("migrate: a seed row of %s holds a line that begins a section", t.Name)
		}
		if line := into + row; strings.TrimSuffix(normalise([]byte(line)), "\n") != line {
			return fmt.Errorf("migrate: a seed row of %s holds line ends or blanks before them that a migration file does not keep: write them with char() in a migration after the squashed ones", t.Name)
		}
		b.WriteString(into + row + ");\n")
		return nil
	})
}

// rowidOf is a name of the row's number where no column is it; "" where one is, or the table has no rows.
func rowidOf(conn *sqlite.Conn, t table) (string, error) {
	found := int64(0)
	err := ownRows(conn, "SELECT EXISTS (SELECT 1 FROM "+quoteName(t.Name)+")", nil, func(v []sqlite.Value) error { found = v[0].Int; return nil })
	if err != nil || found == 0 {
		return "", err
	}
	if t.Virtual {
		if err := contentless(conn, t); err != nil {
			return "", err
		}
	}
	column, err := conn.QueryInt("SELECT count(*) FROM pragma_table_info(" + quote(t.Name) + ") WHERE pk = 1 AND upper(type) = 'INTEGER' AND (SELECT max(pk) FROM pragma_table_info(" + quote(t.Name) + ")) = 1")
	if err != nil || column > 0 {
		return "", err
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !slices.ContainsFunc(t.Columns, func(c string) bool { return strings.EqualFold(c, name) }) {
			return name, nil
		}
	}
	return "", fmt.Errorf("migrate: the rows of %s cannot keep their numbers, since its columns take all the names of the number: give it an INTEGER PRIMARY KEY, or squash up to a version before it has rows", t.Name)
}

// contentless refuses a full-text index that does not hold the texts of its rows: nothing can write them again.
func contentless(conn *sqlite.Conn, t table) error {
	sql, err := conn.QueryText("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = " + quote(t.Name))
	if err != nil {
		return err
	}
	w := words(sql)
	for i := range w {
		if w[i] == "content" && i+2 < len(w) && w[i+1] == "=" && w[i+2] == "''" {
			return fmt.Errorf("migrate: %s keeps no text of the rows that it has indexed, so they cannot be written again: squash up to a version before it has rows", t.Name)
		}
	}
	return nil
}

// checkNumbersKept refuses an AUTOINCREMENT whose numbers have gone beyond the rows that are there: a new database would give them out again.
func checkNumbersKept(conn *sqlite.Conn) error {
	ok, err := hasTable(conn, "sqlite_sequence")
	if err != nil || !ok {
		return err
	}
	var names []string
	var last []int64
	err = ownRows(conn, "SELECT name, seq FROM sqlite_sequence", nil, func(v []sqlite.Value) error {
		names, last = append(names, text(v[0])), append(last, v[1].Int)
		return nil
	})
	if err != nil {
		return err
	}
	for i, name := range names {
		highest, err := conn.QueryInt("SELECT max(rowid) FROM " + quoteName(name))
		if err != nil {
			return err
		}
		if highest < last[i] {
			return fmt.Errorf("migrate: %s has given out numbers up to %d and holds rows up to %d only: squashed, it would give them out again", name, last[i], highest)
		}
	}
	return nil
}
