package migrate

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// object is a table, an index, a trigger or a view of the user's.
type object struct {
	Type, Name, Table, SQL string
}

// readObjects lists the user's schema: nothing of ours (a guard of a table of the user's included), of SQLite's, and no table that a virtual table keeps for itself.
func readObjects(conn *sqlite.Conn) ([]object, error) {
	var out []object
	virtual := false
	err := ownRows(conn, `SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema
 WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_tg\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_tg\_%' ESCAPE '\' ORDER BY rowid`, nil,
		func(v []sqlite.Value) error {
			o := object{text(v[0]), text(v[1]), text(v[2]), text(v[3])}
			virtual = virtual || o.Type == "table" && strings.HasPrefix(o.SQL, "CREATE VIRTUAL")
			out = append(out, o)
			return nil
		})
	if err == nil && virtual { // asking for the list of tables costs as much as all the rest
		out, err = withoutShadows(conn, out)
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: read the schema: %w", err)
	}
	return out, nil
}

// withoutShadows leaves out the tables that virtual tables keep for themselves, with their indexes.
func withoutShadows(conn *sqlite.Conn, objects []object) ([]object, error) {
	shadows := map[string]bool{}
	err := ownRows(conn, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'", nil, func(v []sqlite.Value) error {
		shadows[text(v[0])] = true
		return nil
	})
	return slices.DeleteFunc(objects, func(o object) bool { return shadows[o.Table] }), err
}

// ofComponent keeps what belongs to a component: by prefix, and to the main schema what has none of the others' prefixes.
func ofComponent(objects []object, component string, others []string) []object {
	return slices.DeleteFunc(slices.Clone(objects), func(o object) bool {
		if component != Component {
			return !strings.HasPrefix(strings.ToLower(o.Table), prefixOf(component))
		}
		for _, c := range others {
			if c != Component && strings.HasPrefix(strings.ToLower(o.Table), prefixOf(c)) {
				return true
			}
		}
		return false
	})
}

// prefixOf is what the names of a plug-in's tables begin with.
func prefixOf(component string) string {
	return "p_" + strings.ReplaceAll(strings.ToLower(component), "-", "_") + "_"
}

// hashTag names how a schema hash is made: statements without space, comments, quotes, case, and with the definitions of a table in
// sorted order, because a conversion moves its column to the end and taking it back does not move it again.
const hashTag = "s2-sha256:"

func hashObjects(objects []object) string {
	lines := make([]string, len(objects))
	for i, o := range objects {
		lines[i] = strings.Join([]string{o.Type, strings.ToLower(o.Name), strings.ToLower(o.Table), canonical(o)}, "\x00")
	}
	sort.Strings(lines)
	return hashTag + digest(strings.Join(lines, "\x01"))
}

// oldHash is how schemas were hashed by versions before components: the texts as they are.
func oldHash(conn *sqlite.Conn) (string, error) {
	text, err := conn.QueryText(`SELECT json_group_array(json_array(type, name, tbl_name, sql) ORDER BY type, name) FROM sqlite_schema
 WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_tg\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_tg\_%' ESCAPE '\'`)
	if err != nil {
		return "", fmt.Errorf("migrate: hash the schema: %w", err)
	}
	return oldTag + digest(text), nil
}

const oldTag = "s1-sha256:"

func canonical(o object) string {
	w := words(o.SQL)
	if o.Type != "table" {
		return strings.Join(w, " ")
	}
	open := slices.Index(w, "(")
	if open < 0 || len(w) > 1 && w[1] == "virtual" {
		return strings.Join(w, " ")
	}
	var defs []string
	depth, start, end := 0, open+1, len(w)
	for i := open; i < len(w); i++ {
		switch w[i] {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				end = i
			}
		case ",":
			if depth == 1 {
				defs = append(defs, strings.Join(w[start:i], " "))
				start = i + 1
			}
		}
		if depth == 0 {
			break
		}
	}
	defs = append(defs, strings.Join(w[min(start, end):end], " "))
	sort.Strings(defs)
	return strings.Join(w[:open], " ") + " (" + strings.Join(defs, ", ") + ") " + strings.Join(w[min(end+1, len(w)):], " ")
}

// Difference is one object in which the database and what its history builds do not agree.
type Difference struct {
	Type, Name string
	Want, Have string // SQL; "" where the object is missing on that side
}

// String says what is different.
func (d Difference) String() string {
	switch {
	case d.Want == "":
		return d.Type + " " + d.Name + " is in the database only"
	case d.Have == "":
		return d.Type + " " + d.Name + " is missing from the database"
	}
	return d.Type + " " + d.Name + " differs"
}

// compareObjects lists the differences, sorted by name.
func compareObjects(want, have []object) []Difference {
	type key struct{ typ, name string }
	have2 := map[key]object{}
	for _, o := range have {
		have2[key{o.Type, strings.ToLower(o.Name)}] = o
	}
	var out []Difference
	for _, o := range want {
		k := key{o.Type, strings.ToLower(o.Name)}
		h, ok := have2[k]
		delete(have2, k)
		switch {
		case !ok:
			out = append(out, Difference{o.Type, o.Name, o.SQL, ""})
		case canonical(o) != canonical(h) || !strings.EqualFold(o.Table, h.Table):
			out = append(out, Difference{o.Type, o.Name, o.SQL, h.SQL})
		}
	}
	for _, o := range have2 {
		out = append(out, Difference{o.Type, o.Name, "", o.SQL})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// script is the SQL that builds the objects in an empty database: tables first, and what hangs on them in the order it was made.
func script(objects []object) string {
	var b strings.Builder
	for _, tables := range []bool{true, false} {
		for _, o := range objects {
			if (o.Type == "table") == tables && o.SQL != "" {
				b.WriteString(o.SQL)
				b.WriteString(";\n")
			}
		}
	}
	return b.String()
}

// table is a table of the user's with the columns that hold data of their own.
type table struct {
	Name    string
	Virtual bool
	NoRowid bool
	Columns []string
}

// readTables lists the user's tables by lower-case name.
func readTables(conn *sqlite.Conn) (map[string]table, error) {
	text, err := conn.QueryText(`SELECT json_group_array(json_array(l.name, l.type = 'virtual', l.wr,
  (SELECT json_group_array(x.name ORDER BY x.cid) FROM pragma_table_xinfo(l.name) x WHERE x.hidden = 0)) ORDER BY l.name)
 FROM pragma_table_list l WHERE l.schema = 'main' AND l.type IN ('table', 'virtual')
 AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND l.name NOT LIKE '\_tg\_%' ESCAPE '\'`)
	if err != nil {
		return nil, fmt.Errorf("migrate: list the tables: %w", err)
	}
	var rows [][4]json.RawMessage
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, fmt.Errorf("migrate: list the tables: %w", err)
	}
	out := make(map[string]table, len(rows))
	for _, r := range rows {
		var t table
		var virtual, wr int
		var columns json.RawMessage = r[3]
		if err := errorsIn(json.Unmarshal(r[0], &t.Name), json.Unmarshal(r[1], &virtual), json.Unmarshal(r[2], &wr), unmarshalNested(columns, &t.Columns)); err != nil {
			return nil, fmt.Errorf("migrate: list the tables: %w", err)
		}
		t.Virtual, t.NoRowid = virtual != 0, wr != 0
		out[strings.ToLower(t.Name)] = t
	}
	return out, nil
}

// unmarshalNested reads an array that may have come as a string, for SQLite forgets that a subquery's text is JSON.
func unmarshalNested(raw json.RawMessage, to *[]string) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	return json.Unmarshal(raw, to)
}

func errorsIn(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
