// Package seed fills the tables of a schema with rows that its constraints let in, so that a migration can be tried on something. It knows
// nothing of what the columns mean: it reads types, keys and the literals of CHECKs, tries values, and keeps what SQLite takes.
package seed

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// Conn is what filling needs; *sqlite.Conn is one.
type Conn interface {
	Exec(sql string) error
	Prepare(sql string) (*sqlite.Stmt, error)
	QueryText(sql string) (string, error)
	QueryInt(sql string) (int64, error)
	// DeferredFKs is not zero while references stand that COMMIT would refuse.
	DeferredFKs() (int64, error)
}

// Filled is what became of one table.
type Filled struct {
	Table   string
	Rows    int    // added
	Refused string // why the last row that did not get in was refused; "" where all did
}

// tries is how often a row is made up anew before it is given up.
const tries = 200

// Fill brings every table of the user's to n rows where it can, parents first; one that has as many is left as it is. The same seed makes the same rows. Virtual tables are
// left alone. The caller has begun a transaction, and commits.
func Fill(c Conn, n int, number uint64) ([]Filled, error) {
	tables, err := read(c)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(number, 1))
	var out []Filled
	for _, t := range order(tables) {
		f, err := t.fill(c, n, random)
		if err != nil {
			return out, err
		}
		out = append(out, f)
	}
	return out, nil
}

type column struct {
	Name, Type string
	Key        int
	NotNull    int
	Hidden     int
	pool       []any
	sizes      []int // that a CHECK of the table may want of a length
}

type foreign struct {
	ID       int
	Table    string
	From, To string
}

type table struct {
	name    string
	columns []column
	foreign []foreign
}

func rows[T any](c Conn, sql string) (out []T, err error) {
	text, err := c.QueryText(sql)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &out)
	}
	if err != nil {
		return nil, fmt.Errorf("seed: read the schema: %w", err)
	}
	return out, nil
}

func read(c Conn) ([]*table, error) {
	type row struct{ Name, SQL string }
	list, err := rows[row](c, `SELECT json_group_array(json_object('Name', l.name, 'SQL', s.sql) ORDER BY s.rowid) FROM pragma_table_list l JOIN sqlite_schema s ON s.name = l.name
 WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND l.name NOT LIKE '\_tg\_%' ESCAPE '\'`)
	if err != nil {
		return nil, err
	}
	var out []*table
	for _, r := range list {
		t := &table{name: r.Name}
		name := sqltext.QuoteText(r.Name)
		t.columns, err = rows[column](c, `SELECT json_group_array(json_object('Name', name, 'Type', upper(type), 'Key', pk, 'NotNull', "notnull", 'Hidden', hidden) ORDER BY cid) FROM pragma_table_xinfo(`+name+")")
		if err != nil {
			return nil, err
		}
		t.columns = slices.DeleteFunc(t.columns, func(c column) bool { return c.Hidden != 0 })
		t.foreign, err = rows[foreign](c, `SELECT json_group_array(json_object('ID', id, 'Table', "table", 'From', "from", 'To', coalesce("to", ''))) FROM pragma_foreign_key_list(`+name+")")
		if err != nil {
			return nil, err
		}
		tokens := sqltext.Tokenize(r.SQL)
		for i := range t.columns {
			t.columns[i].pool, t.columns[i].sizes = literals(tokens, t.columns[i].Name), sizes(tokens)
		}
		out = append(out, t)
	}
	return out, nil
}

// literals collects the constants that stand near a column in the text of its table, such as those of CHECK (side IN ('buy', 'sell')).
func literals(tokens []sqltext.Token, name string) (out []any) {
	for i, t := range tokens {
		if !strings.EqualFold(t.Name(), name) {
			continue
		}
		depth := 0
		for _, near := range tokens[i+1:] {
			switch near.Text {
			case "(":
				depth++
			case ")":
				depth--
			}
			if depth < 0 || depth == 0 && near.Text == "," {
				break
			}
			switch c := near.Text[0]; {
			case c == '\'':
				out = append(out, near.Name())
			case c >= '0' && c <= '9':
				out = append(out, json.Number(near.Text))
			}
		}
	}
	return out
}

// sizes collects the small numbers in the text of a table, for CHECK (length(key) = 33).
func sizes(tokens []sqltext.Token) (out []int) {
	for _, t := range tokens {
		if n, err := strconv.Atoi(t.Text); err == nil && n > 0 && n <= 4096 && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// order puts parents in front of their children as far as that can be done.
func order(list []*table) []*table {
	var out []*table
	placed := map[string]bool{}
	ready := func(t *table) bool {
		for _, f := range t.foreign {
			known := slices.ContainsFunc(list, func(o *table) bool { return strings.EqualFold(o.name, f.Table) })
			if known && !strings.EqualFold(f.Table, t.name) && !placed[strings.ToLower(f.Table)] {
				return false
			}
		}
		return true
	}
	for len(out) < len(list) {
		before := len(out)
		for _, t := range list {
			if !placed[strings.ToLower(t.name)] && ready(t) {
				placed[strings.ToLower(t.name)] = true
				out = append(out, t)
			}
		}
		if len(out) == before { // a cycle: take the first that is left
			for _, t := range list {
				if !placed[strings.ToLower(t.name)] {
					placed[strings.ToLower(t.name)] = true
					out = append(out, t)
					break
				}
			}
		}
	}
	return out
}

func (t *table) fill(c Conn, n int, random *rand.Rand) (Filled, error) {
	f := Filled{Table: t.name}
	var names, marks []string
	for _, col := range t.columns {
		names, marks = append(names, sqltext.QuoteName(col.Name)), append(marks, "?")
	}
	if len(names) == 0 {
		return f, nil
	}
	s, err := c.Prepare("INSERT INTO " + sqltext.QuoteName(t.name) + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ",") + ")")
	if err != nil {
		return Filled{Table: t.name, Refused: err.Error()}, nil
	}
	defer s.Release()
	there, err := c.QueryInt("SELECT count(*) FROM " + sqltext.QuoteName(t.name))
	if err != nil {
		return f, fmt.Errorf("seed: count the rows of %s: %w", t.name, err)
	}
	wanted := max(0, n-int(there))
	for i := range wanted {
		parents, err := t.parents(c, random)
		if err != nil {
			return f, err
		}
		in, complaint := false, ""
		args := make([]any, len(t.columns))
		for try := 0; try < tries && !in; try++ {
			blamed := 0
			for k, col := range t.columns {
				if try > 0 && !sqltext.Mentions(complaint, col.Name) {
					continue // the complaint is about other columns: this one may be right
				}
				blamed++
				v, linked := parents[strings.ToLower(col.Name)]
				if !linked || v == nil && col.NotNull != 0 || try > 0 && random.IntN(3) == 0 {
					v = col.value(i, try, random)
				}
				args[k] = v
			}
			if blamed == 0 {
				complaint = strings.Join(names, " ") // nobody is named: all of them
				continue
			}
			err := insert(c, s, args)
			if in = err == nil; in {
				f.Rows++
			} else if c := sqlite.ClassOf(err); c == sqlite.Constraint || c == sqlite.SQL || c == sqlite.Mismatch {
				f.Refused, complaint = err.Error(), err.Error()
			} else {
				return f, fmt.Errorf("seed: fill %s: %w", t.name, err)
			}
		}
	}
	if f.Rows == wanted {
		f.Refused = ""
	}
	return f, nil
}

// errDangling is a reference to a row that is not there, which only COMMIT would have refused.
var errDangling = &sqlite.Error{Class: sqlite.Constraint, Op: "commit", Msg: "FOREIGN KEY constraint failed"}

// insert adds one row or leaves no trace of it.
func insert(c Conn, s *sqlite.Stmt, args []any) error {
	before, err := c.DeferredFKs()
	if err == nil {
		err = c.Exec("SAVEPOINT seed_row")
	}
	if err != nil {
		return err
	}
	if err = s.Bind(args); err == nil {
		_, err = s.Step()
	}
	if e := s.Reset(); err == nil {
		err = e
	}
	if err == nil {
		after, e := c.DeferredFKs()
		if err = e; e == nil && after != 0 && before == 0 {
			err = errDangling
		}
	}
	if err != nil {
		if e := c.Exec("ROLLBACK TO seed_row"); e != nil {
			return e
		}
	}
	if e := c.Exec("RELEASE seed_row"); err == nil {
		err = e
	}
	return err
}

// parents picks a row of each parent for the columns that refer to it.
func (t *table) parents(c Conn, random *rand.Rand) (map[string]any, error) {
	out := map[string]any{}
	groups := map[int][]foreign{}
	for _, f := range t.foreign {
		groups[f.ID] = append(groups[f.ID], f)
	}
	for _, id := range slices.Sorted(keys(groups)) {
		group := groups[id]
		columns := make([]string, len(group))
		for i, f := range group {
			if columns[i] = sqltext.QuoteName(f.To); f.To == "" {
				name, err := c.QueryText(fmt.Sprintf("SELECT name FROM pragma_table_info(%s) WHERE pk = %d", sqltext.QuoteText(f.Table), i+1))
				if err != nil {
					return nil, fmt.Errorf("seed: read the key of %s: %w", f.Table, err)
				}
				columns[i] = sqltext.QuoteName(name)
			}
		}
		text := ""
		s, err := c.Prepare("SELECT json_array(" + strings.Join(columns, ", ") + ") FROM " + sqltext.QuoteName(group[0].Table) + fmt.Sprintf(" LIMIT 1 OFFSET %d", random.IntN(4)))
		if err == nil {
			text = first(s)
		} // a parent that is not there, or a key that is a blob, gives none
		var values []any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&values) != nil || len(values) != len(group) {
			values = make([]any, len(group))
		}
		for i, f := range group {
			if out[strings.ToLower(f.From)] == nil {
				out[strings.ToLower(f.From)] = bindable(values[i])
			}
		}
	}
	return out, nil
}

func keys[V any](m map[int]V) func(func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// first returns the text of the first row; "" without one.
func first(s *sqlite.Stmt) string {
	defer s.Release()
	if more, err := s.Step(); err != nil || !more {
		return ""
	}
	var r sqlite.Row
	if s.Row(&r) != nil || len(r.Values) == 0 {
		return ""
	}
	return string(r.Values[0].Bytes)
}

func bindable(v any) any {
	if n, ok := v.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return i
		}
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	return v
}

// value makes one up: constants of the column's CHECK first, then what its type suggests, then anything.
func (c *column) value(row, try int, random *rand.Rand) any {
	if len(c.pool) > 0 && random.IntN(10) < 7 {
		return bindable(c.pool[random.IntN(len(c.pool))])
	}
	if c.NotNull == 0 && random.IntN(6) == 0 {
		return nil
	}
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(c.Type, w) })
	}
	switch {
	case c.Key == 1 && c.Type == "INTEGER":
		return int64(row + 1 + try*1000)
	case has("BOOL"):
		return int64(random.IntN(2))
	case has("INT", "DATE", "TIME") && !has("CHAR", "TEXT"):
		return []any{int64(row), int64(1), int64(row + 1), int64(random.IntN(1000)), int64(1 + random.IntN(1_000_000_000)), int64(0), int64(-1 - row)}[pick(try, 7, random)]
	case has("REAL", "FLOA", "DOUB", "NUM", "DEC"):
		return []any{float64(row) + 0.25, float64(1), random.Float64()}[random.IntN(3)]
	case has("BLOB") && len(c.sizes) > 0 && random.IntN(2) == 0:
		b := make([]byte, c.sizes[random.IntN(len(c.sizes))])
		for i := range b {
			b[i] = byte(random.IntN(256))
		}
		return b
	case has("BLOB"):
		return []any{[]byte{byte(row), 0, 255, byte(random.IntN(256))}, []byte{}, make([]byte, 16), make([]byte, 32)}[pick(try, 4, random)]
	}
	return []any{fmt.Sprintf("v%d-%d", row, random.IntN(1000)), fmt.Sprintf("it's \"%d\" é", row), fmt.Sprintf("X%02d", random.IntN(100)), "{}",
		fmt.Sprintf("2024-01-%02d", 1+random.IntN(28)), fmt.Sprintf("2024-01-%02dT00:00:00Z", 1+random.IntN(28)), "[]", strings.Repeat("a", 32), ""}[pick(try, 9, random)]
}

// pick prefers the first values while nothing has been refused.
func pick(try, n int, random *rand.Rand) int {
	if try == 0 {
		return random.IntN(2)
	}
	return random.IntN(n)
}
