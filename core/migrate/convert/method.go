package convert

import (
	"slices"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// Method is how a conversion is carried out.
type Method string

// The methods.
const (
	InPlace Method = "in place" // a shadow column; the table stays
	Rebuild Method = "rebuild"  // a new table takes the rows over
)

// plan is what will be done to the schema.
type plan struct {
	d        *Directive
	t        *table
	def      definition
	method   Method
	why      string // of a rebuild
	fallback string // the converted default; "" where the column has none
	retyped  string // the text of the table with the new type
}

// newPlan decides how to convert, without writing.
func newPlan(c Conn, d *Directive) (*plan, error) {
	t, err := readTable(c, d)
	if err != nil {
		return nil, err
	}
	p := &plan{d: d, t: t, method: InPlace}
	ok := false
	if p.def, ok = definitionOf(t.sql, d.Column); !ok {
		return nil, misfit(d, "its column cannot be found in the text of the table")
	}
	if err := p.convertDefault(); err != nil {
		return nil, err
	}
	if d.Quarantine && d.loss.Type == sqlite.Null && (t.columns[t.at].NotNull != 0 || t.without && t.columns[t.at].Key > 0) {
		return nil, misfit(d, "the column is NOT NULL, so that quarantine leaves a hole: say what stands there instead, as in on_loss=quarantine(0)")
	}
	if p.why = p.obstacle(); p.why != "" {
		p.method = Rebuild
	}
	p.retyped = p.def.retype(d.To, p.fallback)
	return p, nil
}

// convertDefault finds the default of the new column.
func (p *plan) convertDefault() error {
	span, plain := p.def.defaultSpan()
	if span == nil {
		return nil
	}
	text := p.def.text(span)
	if !plain {
		return misfit(p.d, "its default is the expression %s, which no codec can convert: drop the default in a migration before", text)
	}
	old := parseLiteral(strings.ReplaceAll(text, " ", ""))
	if span[0].Text[0] == '\'' || span[0].Text[0] == '"' {
		old = textValue(sqltext.Unquote(text))
	}
	if old.Type == sqlite.Null {
		p.fallback = "NULL"
		return nil
	}
	out, v, reason := p.d.convert(old)
	if v == failed {
		return misfit(p.d, "its default cannot be converted (%s): change the default in a migration before", reason)
	}
	p.fallback = literal(out)
	return nil
}

// obstacle says why the table has to be rebuilt; "" where it has not.
func (p *plan) obstacle() string {
	c := p.t.columns[p.t.at]
	fold := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, c.Name) })
	}
	switch {
	case p.d.KeepPosition:
		return "position=keep"
	case p.t.without:
		return "the table is WITHOUT ROWID"
	case c.Key > 0:
		return "the column is part of the primary key"
	case fold(p.t.unique):
		return "the column is UNIQUE"
	case fold(p.t.foreign):
		return "the column is part of a foreign key"
	case p.def.has("CHECK"):
		return "the column has a CHECK"
	case p.def.has("CONFLICT"):
		return "a constraint of the column says what to do on conflict, which ALTER TABLE cannot add"
	case p.def.has("CONSTRAINT"):
		return "a constraint of the column has a name, which ALTER TABLE would lose"
	case len(p.t.stored()) == 1:
		return "the table has no other column"
	}
	for _, t := range p.def.bodyRest {
		if strings.EqualFold(t.Name(), c.Name) {
			return "a constraint or a generated column mentions the column"
		}
	}
	return ""
}

// shadowColumn is the definition of the column that is added.
func (p *plan) shadowColumn() string {
	s := word(shadow(p.d.Column))
	if p.d.To != "" {
		s += " " + p.d.To
	}
	if p.fallback != "" && p.fallback != "NULL" {
		s += " DEFAULT " + p.fallback
	}
	if name := p.def.collation(); name != "" {
		s += " COLLATE " + name
	}
	return s
}

// dependents are the objects that are dropped and made again with the same text: all views and triggers, because the fill must fire no
// trigger and SQLite looks through all of them when a column goes.
func (p *plan) dependents() (indexes, others []object) {
	for _, o := range p.t.indexes {
		if p.method == Rebuild || sqltext.Mentions(o.SQL, p.d.Column) {
			indexes = append(indexes, o)
		}
	}
	return indexes, p.t.others
}

// drops are the statements that take the dependents away.
func (p *plan) drops() []string {
	var out []string
	indexes, others := p.dependents()
	for _, kind := range []string{"trigger", "view"} { // a view takes its triggers along
		for _, o := range others {
			if o.Type == kind {
				out = append(out, "DROP "+strings.ToUpper(kind)+" "+sqltext.QuoteName(o.Name))
			}
		}
	}
	for _, o := range indexes {
		out = append(out, "DROP INDEX "+sqltext.QuoteName(o.Name))
	}
	return out
}

// recreations bring them back, in the order in which they were made.
func (p *plan) recreations() []string {
	var out []string
	indexes, others := p.dependents()
	for _, o := range append(append([]object{}, indexes...), others...) {
		out = append(out, o.SQL)
	}
	return out
}

// swap are the statements between the fill and the end of a conversion in place.
func (p *plan) swap() []string {
	table, name := sqltext.QuoteName(p.t.name), p.def.name.Text
	out := []string{
		"ALTER TABLE " + table + " DROP COLUMN " + name,
		"ALTER TABLE " + table + " RENAME COLUMN " + word(shadow(p.d.Column)) + " TO " + name,
	}
	if p.t.columns[p.t.at].NotNull != 0 {
		out = append(out, "ALTER TABLE "+table+" ALTER COLUMN "+name+" SET NOT NULL")
	}
	return out
}

// statements is what Apply will run, for people.
func (p *plan) statements() []string {
	out := p.drops()
	table := sqltext.QuoteName(p.t.name)
	if p.method == InPlace {
		out = append(out, "ALTER TABLE "+table+" ADD COLUMN "+p.shadowColumn(),
			"UPDATE "+table+" SET "+sqltext.QuoteName(shadow(p.d.Column))+" = ? WHERE "+p.t.rowid+" = ?  -- row by row: "+p.d.Codec)
		out = append(out, p.swap()...)
	} else {
		out = append(out, "ALTER TABLE "+table+" RENAME TO "+sqltext.QuoteName(oldName(p.t.name)), p.retyped,
			"INSERT INTO "+table+" SELECT … FROM "+sqltext.QuoteName(oldName(p.t.name))+"  -- row by row: "+p.d.Codec,
			"DROP TABLE "+sqltext.QuoteName(oldName(p.t.name)))
	}
	return append(out, p.recreations()...)
}
