package bulk

import (
	"fmt"
	"slices"
	"strings"
)

// planner decides which columns the values of a row go to.
type planner struct {
	table *table
	names map[string]string // of the file → of the table, "" for none
	scale []int             // of each of the table's columns
	fixed *plan             // of a file whose header names the columns
	last  *plan             // of the row before
	known map[string]*plan  // by the names of the file, where rows name their own
}

// plan is an INSERT for one set of names.
type plan struct {
	names []string // of the file
	to    []int    // the table's column for each of them, or -1
	sql   string
	width int    // columns that are written
	why   string // why no row with these names can be imported; "" when it can
}

// maxPlans bounds the plans that are remembered; a file whose rows all have other names would fill memory.
const maxPlans = 256

func newPlanner(t *table, names map[string]string, scale map[string]int) (planner, error) {
	p := planner{table: t, names: names, known: map[string]*plan{}, scale: make([]int, len(t.columns))}
	for i := range p.scale {
		p.scale[i] = noScale
	}
	for from, to := range names {
		if to != "" && t.find(to) < 0 {
			return p, &TableError{t.name, fmt.Sprintf("%q of the file is mapped to %q, which is none of its columns (%s)", from, to, t.names())}
		}
	}
	for name, n := range scale {
		i := t.find(name)
		switch {
		case i < 0:
			return p, &TableError{t.name, fmt.Sprintf("a scale is given for %q, which is none of its columns (%s)", name, t.names())}
		case t.columns[i].Kind != Integer:
			return p, &TableError{t.name, fmt.Sprintf("a scale is given for %q, which is declared %s: only integers have one", name, t.columns[i].Decl)}
		case n < 0 || n > 18:
			return p, optionsf("the scale of %q must be between 0 and 18", name)
		}
		p.scale[i] = n
	}
	return p, nil
}

// header plans for all rows of a file at once; what does not fit is found before anything is written.
func (p *planner) header(names []string) error {
	fresh := p.make(names)
	if fresh.why != "" {
		return &TableError{p.table.name, fresh.why}
	}
	for from := range p.names {
		if !slices.Contains(names, from) {
			return &TableError{p.table.name, fmt.Sprintf("%q is mapped, and the file has no such column: it has %s", from, strings.Join(names, ", "))}
		}
	}
	for i, c := range p.table.columns {
		if c.required && !slices.Contains(fresh.to, i) {
			return &TableError{p.table.name, fmt.Sprintf("column %q must have a value, and the file has none for it: map one of %s to it, or give the column a DEFAULT",
				c.Name, strings.Join(names, ", "))}
		}
	}
	p.fixed = fresh
	return nil
}

// plan is the plan for a row.
func (p *planner) plan(names []string) *plan {
	if p.fixed != nil {
		return p.fixed
	}
	if p.last != nil && slices.Equal(p.last.names, names) {
		return p.last
	}
	key := fmt.Sprintf("%q", names)
	found := p.known[key]
	if found == nil {
		if len(p.known) >= maxPlans {
			clear(p.known)
		}
		found = p.make(slices.Clone(names))
		p.known[key] = found
	}
	p.last = found
	return found
}

func (p *planner) make(names []string) *plan {
	out := &plan{names: names, to: make([]int, len(names))}
	var columns []string
	for i, name := range names {
		to, mapped := p.names[name]
		if !mapped {
			to = name
		}
		if mapped && to == "" {
			out.to[i] = -1
			continue
		}
		at := p.table.find(to)
		switch {
		case at < 0:
			out.why = fmt.Sprintf("%q of the file is none of the table's columns (%s): map it to one, or to nothing to leave it out", name, p.table.names())
			return out
		case p.table.columns[at].computed:
			out.why = fmt.Sprintf("column %q is computed from others: map it to nothing to leave it out", p.table.columns[at].Name)
			return out
		case slices.Contains(out.to[:i], at):
			out.why = fmt.Sprintf("two values of the file go to column %q: map one of them to nothing", p.table.columns[at].Name)
			return out
		}
		out.to[i] = at
		columns = append(columns, quoteName(p.table.columns[at].Name))
	}
	out.width = len(columns)
	out.sql = "INSERT INTO " + quoteName(p.table.name)
	if len(columns) == 0 {
		out.sql += " DEFAULT VALUES"
		return out
	}
	out.sql += " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	return out
}

// row converts a record. What cannot be converted is a row with a reason.
func (p *planner) row(rec *Record, columns []string, room []any) row {
	out := row{line: rec.Line, after: rec.After, bad: rec.Bad}
	if out.bad != "" {
		return out
	}
	names := rec.Names
	if columns != nil {
		names = columns
	}
	out.plan = p.plan(names)
	if out.plan.why != "" {
		out.bad = out.plan.why
		return out
	}
	out.args = room[:0]
	for i := range rec.Cells {
		to := out.plan.to[i]
		if to < 0 {
			continue
		}
		v, why := convert(&rec.Cells[i], &p.table.columns[to].Column, p.scale[to])
		if why != "" {
			out.bad, out.column = why, p.table.columns[to].Name
			return out
		}
		out.args = append(out.args, v)
	}
	return out
}
