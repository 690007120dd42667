package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// Conn is what a conversion needs of a connection that nobody else uses meanwhile; *sqlite.Conn is one. Its guard has to let the engine's
// own tables be written.
type Conn interface {
	// Exec runs one control statement past the guard; the schema is changed with it.
	Exec(sql string) error
	Prepare(sql string) (*sqlite.Stmt, error)
	// QueryInt and QueryText return the first column of the first row.
	QueryInt(sql string) (int64, error)
	QueryText(sql string) (string, error)
	// Autocommit reports whether no transaction is open.
	Autocommit() bool
}

// ErrSchema matches a directive that does not fit the database: no such table or column, another type, a leftover in the way.
var ErrSchema = errors.New("the conversion does not fit the schema")

func misfit(d *Directive, format string, args ...any) error {
	return fmt.Errorf("convert %s.%s: %w: %s", d.Table, d.Column, ErrSchema, fmt.Sprintf(format, args...))
}

// column as SQLite sees it.
type column struct {
	Name, Type string
	Key        int // place in the primary key, from 1; 0 outside
	Hidden     int // 2 and 3: generated
	NotNull    int
}

// object is an index, a trigger or a view with its text.
type object struct{ Type, Name, SQL string }

// table is what a conversion has to know of the table.
type table struct {
	name    string // as the schema writes it
	sql     string
	columns []column
	at      int    // the column, in columns
	rowid   string // the name under which the rowid can be read; "" without one
	alias   string // the INTEGER PRIMARY KEY column; "" without one
	without bool   // WITHOUT ROWID
	indexes []object
	others  []object // all views and triggers of the database, in the order they were made
	foreign []string // columns that are part of a foreign key
	unique  []string // columns of UNIQUE and PRIMARY KEY constraints
}

// query reads rows of one JSON array.
func query[T any](c Conn, what, sql string) (out []T, err error) {
	text, err := c.QueryText(sql)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &out)
	}
	if err != nil {
		return nil, fmt.Errorf("convert: read %s: %w", what, err)
	}
	return out, nil
}

// readTable reads the schema around the directive's table.
func readTable(c Conn, d *Directive) (*table, error) {
	t := &table{at: -1}
	found, err := query[object](c, "the table", "SELECT json_group_array(json_object('Type', type, 'Name', name, 'SQL', sql)) FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower("+sqltext.QuoteText(d.Table)+")")
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, misfit(d, "there is no such table")
	}
	t.name, t.sql = found[0].Name, found[0].SQL
	if f := sqltext.Tokenize(t.sql); len(f) > 1 && f[1].Is("VIRTUAL") {
		return nil, misfit(d, "it is a virtual table, which has no column types of its own")
	}
	name := sqltext.QuoteText(t.name)
	if t.columns, err = query[column](c, "the columns", "SELECT json_group_array(json_object('Name', name, 'Type', type, 'Key', pk, 'Hidden', hidden, 'NotNull', \"notnull\") ORDER BY cid) FROM pragma_table_xinfo("+name+")"); err != nil {
		return nil, err
	}
	if t.indexes, err = query[object](c, "the indexes", "SELECT json_group_array(json_object('Type', type, 'Name', name, 'SQL', sql) ORDER BY rowid) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = "+name); err != nil {
		return nil, err
	}
	if t.others, err = query[object](c, "views and triggers", "SELECT json_group_array(json_object('Type', type, 'Name', name, 'SQL', sql) ORDER BY rowid) FROM sqlite_schema WHERE type IN ('view', 'trigger')"); err != nil {
		return nil, err
	}
	if t.foreign, err = query[string](c, "the foreign keys", `SELECT json_group_array(DISTINCT "from") FROM pragma_foreign_key_list(`+name+")"); err != nil {
		return nil, err
	}
	if t.unique, err = query[string](c, "the unique constraints", "SELECT json_group_array(DISTINCT x.name) FROM pragma_index_list("+name+") l, pragma_index_info(l.name) x WHERE l.origin IN ('u', 'pk') AND x.name IS NOT NULL"); err != nil {
		return nil, err
	}
	without, err := c.QueryInt("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = " + name)
	if err != nil {
		return nil, fmt.Errorf("convert: read the kind of table: %w", err)
	}
	t.without = without != 0
	return t, t.settle(d)
}

// settle finds the column and how rows are told apart.
func (t *table) settle(d *Directive) error {
	taken := map[string]bool{}
	keys := 0
	for i, c := range t.columns {
		taken[strings.ToLower(c.Name)] = true
		if strings.EqualFold(c.Name, d.Column) {
			t.at = i
		}
		if c.Key > 0 {
			keys++
		}
	}
	if t.at < 0 {
		return misfit(d, "there is no such column")
	}
	c := t.columns[t.at]
	switch {
	case c.Hidden != 0:
		return misfit(d, "the column is generated; convert what it is made of")
	case !strings.EqualFold(squeeze(c.Type), squeeze(d.From)):
		return misfit(d, "the column is declared as %s, not as %s", typeName(c.Type), typeName(d.From))
	case taken[strings.ToLower(shadow(d.Column))]:
		return misfit(d, "a column %s is in the way; drop it first", shadow(d.Column))
	}
	if t.without {
		return nil
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !taken[name] {
			t.rowid = name
			break
		}
	}
	for _, c := range t.columns {
		if keys == 1 && c.Key == 1 && strings.EqualFold(c.Type, "INTEGER") && !t.ownIndex() {
			t.alias = c.Name
			if t.rowid == "" {
				t.rowid = sqltext.QuoteName(c.Name)
			}
		}
	}
	if t.rowid == "" {
		return misfit(d, "its columns hide every name of the rowid; rename one of rowid, _rowid_, oid")
	}
	return nil
}

// ownIndex reports whether the primary key has an index of its own, so that it is no alias of the rowid (INTEGER PRIMARY KEY DESC).
func (t *table) ownIndex() bool {
	for _, c := range t.columns {
		for _, u := range t.unique {
			if c.Key == 1 && strings.EqualFold(u, c.Name) {
				def, ok := definitionOf(t.sql, c.Name)
				return ok && def.has("DESC")
			}
		}
	}
	return false
}

// squeeze makes types comparable: blanks and letter case say nothing.
func squeeze(s string) string {
	var words []string
	for _, t := range sqltext.Tokenize(s) {
		words = append(words, t.Text)
	}
	return strings.ToLower(strings.Join(words, " "))
}

func shadow(column string) string { return "_tg_new_" + column }

func oldName(table string) string { return "_tg_old_" + table }

// stored returns the names of the columns that are written, the generated ones left out.
func (t *table) stored() []string {
	var out []string
	for _, c := range t.columns {
		if c.Hidden == 0 {
			out = append(out, c.Name)
		}
	}
	return out
}

// unstable reports whether VACUUM may number the rows anew, so that nothing outside of the table can name one for long.
func (t *table) unstable() bool {
	return !t.without && t.alias == "" && len(t.indexes) == 0 && len(t.unique) == 0
}

// readers lists what mentions the column and is kept as it is: whoever converts has to look at it.
func (t *table) readers(d *Directive) []string {
	var out []string
	for _, o := range append(append([]object{}, t.indexes...), t.others...) {
		if sqltext.Mentions(o.SQL, d.Column) && (o.Type == "index" || sqltext.Mentions(o.SQL, t.name)) {
			out = append(out, o.Type+" "+o.Name)
		}
	}
	return out
}
