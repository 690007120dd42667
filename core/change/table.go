package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/contract"
)

// table is a watched table as the schema has it now.
type table struct {
	name  string
	cols  []string // of an image: every column that a rule or the key needs
	cids  []int    // their numbers in the table
	pk    []int    // the primary key's places in an image, of a table WITHOUT ROWID; nil of others
	rules []bound
	whole bool // a rule asks at commit
	rowid string
	kind  string // "table", or what no hook can see: "view", "virtual"
	err   error  // why nothing may be written to it
}

// bound is a rule with its columns' places in an image.
type bound struct {
	contract.Rule
	at     []int
	counts *counts
	query  string // of a declared check
	misfit error  // why it cannot be asked, of one that refuses nothing when it fails
}

// lenient is a rule whose failure refuses nothing.
func (r *bound) lenient() bool { return r.Allow || r.Shadow }

// column is a row of PRAGMA table_xinfo.
type column struct {
	name    string
	cid     int
	pk      int  // place in the primary key, from 1
	virtual bool // generated, and not stored: no hook can read it
}

// bind looks the watched tables up. A rule that does not fit its table is no error here: the table cannot be written, others can.
func (w *warden) bind() error {
	w.tables = map[string]*table{}
	guard := w.conn.Guard()
	w.conn.SetGuard(sqlite.Guard{Trusted: true})
	defer w.conn.SetGuard(guard)
	for _, r := range w.rules {
		t := w.find(r.Table)
		if t == nil {
			var err error
			if t, err = w.describe(r.Table); err != nil {
				return err
			}
			if t == nil {
				continue // there is no such table, or not yet: nothing can be written to it
			}
			w.tables[t.name] = t
			w.tables[strings.ToLower(t.name)] = t
		}
		t.rules = append(t.rules, bound{Rule: r, counts: w.e.countsOf(&r)})
		t.whole = t.whole || r.When == contract.AtCommit
	}
	seen := map[*table]bool{}
	for _, t := range w.tables {
		if !seen[t] {
			seen[t] = true
			if err := w.fit(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// describe finds a table of the main schema; nil when there is none.
func (w *warden) describe(name string) (*table, error) {
	rows, err := w.read("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE AND type <> 'shadow'", name)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	t := &table{name: string(rows[0][0].Bytes), kind: string(rows[0][1].Bytes)}
	if rows[0][2].Int != 0 {
		t.pk = []int{}
	}
	return t, nil
}

// fit finds the columns of the rules of a table.
func (w *warden) fit(t *table) error {
	rows, err := w.read("SELECT name, cid, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid", t.name)
	if err != nil {
		return err
	}
	columns := make([]column, len(rows))
	for i, r := range rows {
		columns[i] = column{string(r[0].Bytes), int(r[1].Int), int(r[2].Int), r[3].Int == 2}
	}
	place := func(c column) int {
		if i := slices.Index(t.cids, c.cid); i >= 0 {
			return i
		}
		t.cols, t.cids = append(t.cols, c.name), append(t.cids, c.cid)
		return len(t.cids) - 1
	}
	if t.pk != nil {
		t.pk = primaryKey(columns, place)
	}
	t.rowid = rowidName(columns)
	for i := range t.rules {
		r := &t.rules[i]
		if c, ok := r.Validator.(*check); ok {
			r.Columns, r.query = c.columns(columns), c.query(t)
		}
		r.at, r.misfit = places(r, columns, place)
		if r.misfit != nil && !r.lenient() && t.err == nil {
			who := r.Validator.Identity()
			t.err = &FaultError{Plugin: who.Name, Version: who.Version, Table: t.name, Reason: r.misfit.Error()}
		}
	}
	return nil
}

// unseen reports whether a rule watches what no hook shows.
func (w *warden) unseen() bool {
	for _, t := range w.tables {
		if t.kind != "table" {
			return true
		}
	}
	return false
}

// unseen is why a statement may not write to what is no table: a view's rows are those of its triggers, and nobody would ask its rules about any of them.
func (t *table) unseen(verb string) error {
	if t.kind == "table" {
		return nil
	}
	for i := range t.rules {
		if r := &t.rules[i]; !r.lenient() {
			return &unseenError{verb, t.kind, t.name, r.Validator.Identity().Name}
		}
	}
	return nil
}

// unseenError is what the authorizer's refusal says.
type unseenError struct{ verb, kind, name, who string }

func (e *unseenError) Error() string {
	return e.verb + " of rows of the " + e.kind + " " + e.name + ", which no hook shows to " + e.who + " that watches it (have the rule watch the tables below it),"
}

func places(r *bound, columns []column, place func(column) int) ([]int, error) {
	at := make([]int, 0, len(r.Columns))
	for _, name := range r.Columns {
		i := slices.IndexFunc(columns, func(c column) bool { return strings.EqualFold(c.name, name) })
		switch {
		case i < 0:
			return nil, fmt.Errorf("its rule names the column %q, which the table does not have: mend the rule, or the table by a migration", name)
		case columns[i].virtual:
			return nil, fmt.Errorf("its rule names the column %q, which is computed when it is read: name the columns that it is computed from", name)
		}
		at = append(at, place(columns[i]))
	}
	return at, nil
}

func primaryKey(columns []column, place func(column) int) []int {
	var key []column
	for _, c := range columns {
		if c.pk > 0 {
			key = append(key, c)
		}
	}
	slices.SortFunc(key, func(a, b column) int { return a.pk - b.pk })
	pk := make([]int, 0, len(key))
	for _, c := range key {
		pk = append(pk, place(c))
	}
	return pk
}

// rowidName is a name of the rowid that no column has taken; "" where all are.
func rowidName(columns []column) string {
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !slices.ContainsFunc(columns, func(c column) bool { return strings.EqualFold(c.name, name) }) {
			return name
		}
	}
	return ""
}

// hiddenRowid is why rows of a table cannot be found again.
const hiddenRowid = "its columns hide every name of the rowid: rename one of rowid, _rowid_ and oid"

// came refuses tables that were not there before a statement and have rows after it, of which no hook tells: CREATE TABLE … AS and ALTER TABLE … RENAME TO.
func (w *warden) came(before map[string]*table) error {
	for _, t := range w.tables {
		if t.err != nil || t.kind != "table" || before[strings.ToLower(t.name)] != nil {
			continue
		}
		rows, err := w.read("SELECT 1 FROM main." + quoted(t.name) + " LIMIT 1")
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			who := t.rules[0].Validator.Identity()
			return &FaultError{Plugin: who.Name, Version: who.Version, Table: t.name, Reason: "it came into being with rows that nobody was asked about: make it empty and INSERT them, or write a migration"}
		}
	}
	return nil
}

// read runs a query of the engine's own and returns its rows.
func (w *warden) read(sql string, args ...any) ([][]sqlite.Value, error) {
	defer w.quietly()()
	s, err := w.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	defer s.Release()
	if err := s.Bind(args); err != nil {
		return nil, err
	}
	var b sqlite.Block
	if err := s.FetchAll(&b); err != nil {
		return nil, err
	}
	rows := make([][]sqlite.Value, b.Len())
	for i := range rows {
		rows[i] = b.Row(i)
	}
	return rows, nil
}

// quietly keeps the hook from hearing the engine's own statements.
func (w *warden) quietly() (done func()) {
	before := w.own
	w.own = true
	return func() { w.own = before }
}

// quoted is a name as SQL has it.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
