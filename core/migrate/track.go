package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/core/sqlite"
)

// tracker follows what statements do to the tables that were there when it began, through renames and rebuilds.
type tracker struct {
	ident     map[string]string            // present name → first name, both in lower case; tables made meanwhile are absent
	direct    map[string]bool              // first names of tables whose rows a statement changes by naming them
	converted map[string][]string          // first name → columns that were converted, by their first names
	altered   map[string]bool              // … that a statement alters, drops or renames
	renames   map[string]map[string]string // first name → old column → new column
	events    map[string]*RowEvents        // by first name
	rewritten map[string]bool              // first names of tables whose rows are copied, changed or dropped
	results   []Converted                  // of the present migration
	seen      []sqlite.Access              // of the statement being compiled
}

// RowEvents counts what happened to the rows of a table, as SQLite reported it.
type RowEvents struct {
	Inserted, Updated, Deleted int64
	Indirect                   int64 // of these, by a trigger or a cascade
}

func (e RowEvents) total() int64 { return e.Inserted + e.Updated + e.Deleted }

func newTracker(tables map[string]table) *tracker {
	t := &tracker{ident: map[string]string{}, direct: map[string]bool{}, altered: map[string]bool{}, converted: map[string][]string{}, renames: map[string]map[string]string{}, events: map[string]*RowEvents{}, rewritten: map[string]bool{}}
	for name := range tables {
		t.ident[name] = name
	}
	return t
}

// next begins a migration: what one migration names is not meant by the next.
func (t *tracker) next() {
	t.direct, t.events, t.results = map[string]bool{}, map[string]*RowEvents{}, nil
}

// saw is told what the statement being compiled would change.
func (t *tracker) saw(a sqlite.Access) {
	if a.Inner == "" {
		t.seen = append(t.seen, a)
	}
}

// statement is called between compiling a statement and running it.
func (t *tracker) statement(sql string) {
	for _, first := range rewrites(sql, t.ident) {
		t.rewritten[first] = true
	}
	dropped := map[string]bool{}
	for _, a := range t.seen {
		if a.Kind == sqlite.AccessDrop && (a.Type == "table" || a.Type == "vtable") {
			dropped[strings.ToLower(a.Table)] = true
		}
	}
	for _, a := range t.seen {
		name := strings.ToLower(a.Table)
		first, known := t.ident[name]
		if !known {
			continue
		}
		switch a.Kind {
		case sqlite.AccessInsert, sqlite.AccessUpdate, sqlite.AccessDelete:
			if !dropped[name] { // dropping a table is reported as a DELETE from it, too
				t.direct[first] = true
			}
		case sqlite.AccessAlter:
			t.altered[first] = true
		}
	}
	t.seen = t.seen[:0]
	for name := range dropped {
		if first, known := t.ident[name]; known {
			t.altered[first] = true
			delete(t.ident, name)
		}
	}
	if from, to, ok := renamed(sql); ok {
		if first, known := t.ident[from]; known {
			delete(t.ident, from)
			t.ident[to] = first
		}
	}
	if tbl, from, to, ok := columnRenamed(sql); ok {
		if first, known := t.ident[tbl]; known {
			t.renameColumn(first, from, to)
		}
	}
}

func (t *tracker) renameColumn(first, from, to string) {
	if t.renames[first] == nil {
		t.renames[first] = map[string]string{}
	}
	for old, now := range t.renames[first] {
		if now == from {
			t.renames[first][old] = to
			return
		}
	}
	t.renames[first][from] = to
}

// convert notes a conversion, which changes one column of every row.
func (t *tracker) convert(d *convert.Directive, result convert.Result) {
	if t == nil {
		return
	}
	t.results = append(t.results, Converted{d.String(), result})
	first, known := t.ident[strings.ToLower(d.Table)]
	if !known {
		return
	}
	t.altered[first], t.rewritten[first] = true, true
	column := strings.ToLower(d.Column)
	for old, now := range t.renames[first] {
		if now == column {
			column = old
		}
	}
	t.converted[first] = append(t.converted[first], column)
}

// changed counts a row.
func (t *tracker) changed(ch *sqlite.Change) {
	first, known := t.ident[strings.ToLower(ch.Table)]
	if !known {
		return
	}
	e := t.events[first]
	if e == nil {
		e = &RowEvents{}
		t.events[first] = e
	}
	switch ch.Op {
	case sqlite.RowInsert:
		e.Inserted++
	case sqlite.RowUpdate:
		e.Updated++
	case sqlite.RowDelete:
		e.Deleted++
	}
	if ch.Depth() > 0 {
		e.Indirect++
	}
}

// place is where the rows of a table are now: under the name it got, or in the table that was built in its place; "" when neither is there.
func (t *tracker) place(first string, now map[string]table) string {
	for name, f := range t.ident {
		if f == first {
			if _, ok := now[name]; ok {
				return name
			}
		}
	}
	if _, ok := now[first]; ok {
		return first
	}
	return ""
}

// free tells which tables a migration may change, and whether the file says so itself.
func (t *tracker) free(mig *Migration) (tables map[string]bool, declared bool) {
	if mig.Touches == nil {
		return t.direct, false
	}
	tables = map[string]bool{}
	for _, name := range mig.Touches {
		tables[name] = true
	}
	return tables, true
}

// check fails where rows changed that the migration does not name.
func (t *tracker) check(mig *Migration) error {
	free, declared := t.free(mig)
	for _, name := range slices.Sorted(maps.Keys(t.events)) {
		e := t.events[name]
		if free[name] || e.total() == 0 || len(t.converted[name]) > 0 { // what a conversion may change is checked column by column
			continue
		}
		how := "it is not listed in -- touches:"
		if !declared {
			how = "no statement of the migration names it: a trigger or a cascade did it"
		}
		return &RowsError{Table: name, Events: *e, Why: how}
	}
	return nil
}

// RowsError says that a migration changed or lost rows that it does not say it changes.
type RowsError struct {
	Table  string
	Events RowEvents
	Why    string
}

func (e *RowsError) Error() string {
	what := ""
	if e.Events.total() > 0 {
		what = fmt.Sprintf(" (%d inserted, %d updated, %d deleted, %d of them by triggers or cascades)", e.Events.Inserted, e.Events.Updated, e.Events.Deleted, e.Events.Indirect)
	}
	return fmt.Sprintf("rows of table %s changed%s: %s; if that is meant, add the table to the migration's -- touches: line", e.Table, what, e.Why)
}
