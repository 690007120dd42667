package convert

import (
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// rebuild moves the rows to a table with the given text. value makes the new value of the column; everything else is copied as it is.
//
// The old table is renamed and not the new one: the text of the new one then stays exactly as given. In SQLite's legacy mode of ALTER TABLE,
// and with foreign keys off, the references of other tables are left alone and point to the new table as soon as it has the name.
func (j *job) rebuild(p *plan, text string, value func(rowid sqlite.Value, values []sqlite.Value, out *table) (sqlite.Value, error)) error {
	on, err := j.c.QueryInt("PRAGMA foreign_keys")
	if err != nil {
		return fmt.Errorf("convert: read foreign_keys: %w", err)
	}
	if on != 0 {
		return misfit(j.d, "the table has to be rebuilt, and with foreign keys on that would delete its children by cascade: set PRAGMA foreign_keys = OFF before the transaction")
	}
	legacy, err := j.c.QueryInt("PRAGMA legacy_alter_table")
	if err != nil {
		return fmt.Errorf("convert: read legacy_alter_table: %w", err)
	}
	table, old := sqltext.QuoteName(p.t.name), sqltext.QuoteName(oldName(p.t.name))
	sequence, err := j.sequence(p.t.name)
	if err != nil {
		return err
	}
	steps := append(p.rebuildDrops(), "PRAGMA legacy_alter_table = ON", "ALTER TABLE "+table+" RENAME TO "+old, fmt.Sprintf("PRAGMA legacy_alter_table = %d", legacy), text)
	if err := j.exec(steps); err != nil {
		return err
	}
	out, err := readTable(j.c, &Directive{Table: p.t.name, Column: j.d.Column, From: j.d.To})
	if err != nil {
		return err
	}
	if err := j.copyRows(p, out, value); err != nil {
		return err
	}
	steps = []string{"DROP TABLE " + old}
	if sequence != "" && sqltext.Mentions(text, "AUTOINCREMENT") {
		steps = append(steps, "DELETE FROM sqlite_sequence WHERE name = "+sqltext.QuoteText(p.t.name), "INSERT INTO sqlite_sequence (name, seq) VALUES ("+sqltext.QuoteText(p.t.name)+", "+sequence+")")
	}
	return j.exec(append(steps, p.recreations()...))
}

// rebuildDrops takes all indexes of the table along: their names are needed for the new one.
func (p *plan) rebuildDrops() []string {
	p.method = Rebuild
	return p.drops()
}

// sequence returns the table's row in sqlite_sequence as text; "" without one.
func (j *job) sequence(name string) (string, error) {
	n, err := j.c.QueryInt("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'")
	if err != nil || n == 0 {
		return "", err
	}
	return j.c.QueryText("SELECT seq FROM sqlite_sequence WHERE name = " + sqltext.QuoteText(name))
}

// copyRows fills the new table and proves that it holds what was computed: every value of every row, whatever the order.
func (j *job) copyRows(p *plan, out *table, value func(sqlite.Value, []sqlite.Value, *table) (sqlite.Value, error)) error {
	columns := out.stored()
	from := make([]int, len(columns)) // where each column comes from
	source := p.t.stored()
	for i, name := range columns {
		from[i] = -1
		for k, s := range source {
			if strings.EqualFold(s, name) {
				from[i] = k
			}
		}
	}
	if len(columns) != len(source) || contains(from, -1) {
		return misfit(j.d, "the columns of the table are not what they were")
	}
	rowid := p.t.rowid != "" && out.rowid != "" && out.alias == ""
	insert, err := j.c.Prepare(insertInto(out, rowid))
	if err != nil {
		return fmt.Errorf("convert: fill %s: %w", out.name, err)
	}
	defer insert.Release()
	written, args, row := newMultiset(), make([]any, 0, len(columns)+1), make([]sqlite.Value, len(columns))
	err = j.scan(oldName(p.t.name), p.t, func(id sqlite.Value, values []sqlite.Value) error {
		now, err := value(id, values, out)
		if err != nil || j.lossy > 0 && !j.d.Quarantine {
			return err
		}
		args = args[:0]
		if rowid {
			args = append(args, id)
		}
		for i, k := range from {
			row[i] = values[k]
			if k == p.t.storedAt() {
				row[i] = now
			}
			args = append(args, row[i])
		}
		written.add(row)
		if err := run(insert, args); err != nil {
			return fmt.Errorf("convert %s.%s: row %s: %w", j.d.Table, j.d.Column, show(p.t.keyOf(id, values)), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := j.given(); err != nil {
		return err
	}
	rows := j.rows
	j.phase, j.rows = "prove", 0
	read := newMultiset()
	read.seed = written.seed
	err = j.scan(out.name, out, func(_ sqlite.Value, values []sqlite.Value) error {
		read.add(values)
		return nil
	})
	if err == nil && (rows != j.total || j.rows != j.total || read.sum != written.sum) {
		err = fmt.Errorf("convert %s.%s: %w: %d rows were read, %d are in the new table, and what is stored there is not what was computed", j.d.Table, j.d.Column, ErrProof, rows, j.rows)
	}
	return err
}

func contains(list []int, n int) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

func insertInto(t *table, rowid bool) string {
	var names, marks []string
	if rowid {
		names, marks = append(names, t.rowid), append(marks, "?")
	}
	for _, n := range t.stored() {
		names, marks = append(names, sqltext.QuoteName(n)), append(marks, "?")
	}
	return "INSERT INTO " + sqltext.QuoteName(t.name) + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ",") + ")"
}

// multiset is a hash of rows in no order: equal sets of rows have equal sums, and others do not but for one case in 2^64.
type multiset struct {
	seed maphash.Seed
	sum  uint64
	buf  []byte
}

func newMultiset() *multiset { return &multiset{seed: maphash.MakeSeed()} }

func (m *multiset) add(row []sqlite.Value) {
	m.buf = sqlite.AppendExact(m.buf[:0], row)
	m.sum += maphash.Bytes(m.seed, m.buf)
}
