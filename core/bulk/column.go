package bulk

import (
	"context"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// Kind is what a column holds, by its declared type.
type Kind uint8

// The kinds. Any is the zero value: a column without a type, one that is declared ANY, and an expression.
const (
	Any Kind = iota
	Integer
	Real
	Text
	Blob
	Numeric // DECIMAL, DATE, BOOLEAN…: numbers where a value is one, else text
)

// String is the kind as messages name it.
func (k Kind) String() string {
	return [...]string{"ANY", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC"}[k]
}

// Column is a column of a table, or of a query's result.
type Column struct {
	Name string
	Decl string // as declared, "" for an expression
	Kind Kind
	// Bool says that it is declared BOOL or BOOLEAN: true and false are 1 and 0.
	Bool bool
}

// NewColumn derives the kind from the declared type, by SQLite's rules of affinity.
func NewColumn(name, decl string) Column {
	c := Column{Name: name, Decl: decl}
	d := strings.ToUpper(decl)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(d, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("INT"):
		c.Kind = Integer
	case has("CHAR", "CLOB", "TEXT"):
		c.Kind = Text
	case has("BLOB"):
		c.Kind = Blob
	case d == "", d == "ANY":
		c.Kind = Any
	case has("REAL", "FLOA", "DOUB"):
		c.Kind = Real
	default:
		c.Kind = Numeric
		c.Bool = strings.HasPrefix(d, "BOOL")
	}
	return c
}

// target is a column that rows are imported into.
type target struct {
	Column
	required bool // NOT NULL, and nothing stands in where the file has no value
	computed bool // generated: cannot be written
}

// table is what the schema says about a table.
type table struct {
	name    string
	view    bool
	columns []target
	order   string // of a stable export: ORDER BY this; "" where there is no such order
}

// describe reads the table's columns. Names are compared as SQLite does, without regard to case.
func describe(ctx context.Context, r Reader, name string) (*table, error) {
	t := &table{}
	var withoutRowid, strict bool
	err := each(ctx, r, `SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE`, []any{name}, func(v []sqlite.Value) error {
		t.name, t.view = string(v[0].Bytes), string(v[1].Bytes) == "view"
		withoutRowid, strict = v[2].Int != 0, v[3].Int != 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	if t.name == "" {
		return nil, &TableError{name, "there is no such table: create it first, or apply the migrations"}
	}
	var key []string
	rowid := []string{"rowid", "_rowid_", "oid"} // a column of that name hides it
	alias := -1
	err = each(ctx, r, `SELECT name, type, "notnull", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid`, []any{t.name}, func(v []sqlite.Value) error {
		c := target{Column: NewColumn(string(v[0].Bytes), string(v[1].Bytes))}
		if c.Kind == Any && c.Decl != "" && !strict {
			c.Kind = Numeric // ANY means what it says in STRICT tables alone
		}
		pk, hidden := v[4].Int, v[5].Int
		c.computed = hidden == 2 || hidden == 3
		c.required = v[2].Int != 0 && v[3].Int == 0 && !c.computed
		if pk > 0 {
			key = append(key, quoteName(c.Name))
			if strings.EqualFold(c.Decl, "INTEGER") {
				alias = len(t.columns)
			}
		}
		rowid = slices.DeleteFunc(rowid, func(name string) bool { return strings.EqualFold(name, c.Name) })
		if hidden != 1 {
			t.columns = append(t.columns, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if alias >= 0 && len(key) == 1 && !withoutRowid {
		t.columns[alias].required = false // SQLite numbers the row where the file does not
	}
	switch {
	case t.view:
	case withoutRowid:
		t.order = strings.Join(key, ", ")
	case len(rowid) > 0:
		t.order = rowid[0]
	}
	return t, nil
}

// find returns the place of a column, or -1.
func (t *table) find(name string) int {
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// names lists the columns that can be written, for messages.
func (t *table) names() string {
	var out []string
	for _, c := range t.columns {
		if !c.computed {
			out = append(out, c.Name)
		}
	}
	return strings.Join(out, ", ")
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
