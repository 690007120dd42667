package convert

import (
	"strings"

	"github.com/tidegate/engine/internal/sqltext"
)

// definition is the text of one column inside CREATE TABLE, by offsets into that text.
type definition struct {
	sql              string
	start, end       int
	name             sqltext.Token
	typeAt, typeEnd  int // equal where there is no type: the place where one would stand
	constraints      []sqltext.Token
	inBody, bodyRest []sqltext.Token // the tokens of the column, and those of all other columns and constraints
}

// definitionOf finds a column in the text of CREATE TABLE.
func definitionOf(sql, column string) (definition, bool) {
	all := sqltext.Tokenize(sql)
	open := 0
	for open < len(all) && all[open].Text != "(" {
		open++
	}
	if open == len(all) {
		return definition{}, false
	}
	var found definition
	ok := false
	var rest []sqltext.Token
	for i := open + 1; i < len(all); {
		end := partEnd(all, i)
		if part := all[i:end]; len(part) > 0 {
			if !ok && !tableConstraint(part[0]) && strings.EqualFold(part[0].Name(), column) {
				found, ok = readDefinition(sql, part), true
			} else {
				rest = append(rest, part...)
			}
		}
		if end >= len(all) || all[end].Text == ")" {
			break
		}
		i = end + 1
	}
	found.bodyRest = rest
	return found, ok
}

// partEnd returns the index of the comma or parenthesis that ends the part that begins at i.
func partEnd(all []sqltext.Token, i int) int {
	depth := 0
	for ; i < len(all); i++ {
		switch all[i].Text {
		case "(":
			depth++
		case ")":
			if depth == 0 {
				return i
			}
			depth--
		case ",":
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

func tableConstraint(t sqltext.Token) bool {
	for _, k := range []string{"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"} {
		if t.Is(k) {
			return true
		}
	}
	return false
}

func columnConstraint(t sqltext.Token) bool {
	for _, k := range []string{"CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS"} {
		if t.Is(k) {
			return true
		}
	}
	return false
}

func readDefinition(sql string, part []sqltext.Token) definition {
	d := definition{sql: sql, start: part[0].Start, end: part[len(part)-1].End, name: part[0], inBody: part}
	i := 1
	for i < len(part) && !columnConstraint(part[i]) {
		i++
	}
	d.typeAt, d.typeEnd = part[0].End, part[0].End
	if i > 1 {
		d.typeAt, d.typeEnd = part[1].Start, part[i-1].End
	}
	d.constraints = part[i:]
	return d
}

// has reports whether a keyword stands among the constraints, at any depth.
func (d definition) has(keyword string) bool { return d.find(keyword) >= 0 }

func (d definition) find(keyword string) int {
	for i, t := range d.constraints {
		if t.Is(keyword) {
			return i
		}
	}
	return -1
}

// defaultSpan returns the tokens of the default's value, and whether it is a plain literal.
func (d definition) defaultSpan() (span []sqltext.Token, plain bool) {
	i := d.find("DEFAULT")
	if i < 0 || i+1 >= len(d.constraints) {
		return nil, false
	}
	rest := d.constraints[i+1:]
	if rest[0].Text == "(" {
		depth := 0
		for n, t := range rest {
			switch t.Text {
			case "(":
				depth++
			case ")":
				if depth--; depth == 0 {
					return rest[:n+1], false
				}
			}
		}
		return rest, false
	}
	if n := len(rest); n > 1 && (rest[0].Text == "-" || rest[0].Text == "+") {
		return rest[:2], true
	}
	switch strings.ToUpper(rest[0].Text) {
	case "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP":
		return rest[:1], false
	}
	return rest[:1], true
}

func (d definition) text(span []sqltext.Token) string {
	if len(span) == 0 {
		return ""
	}
	return d.sql[span[0].Start:span[len(span)-1].End]
}

// collation returns the name behind COLLATE as it is written; "" without one.
func (d definition) collation() string {
	if i := d.find("COLLATE"); i >= 0 && i+1 < len(d.constraints) {
		return d.constraints[i+1].Text
	}
	return ""
}

// retype returns the text of the table with another type for the column, and another default where one is given.
func (d definition) retype(to, fallback string) string {
	sql := d.sql
	if span, _ := d.defaultSpan(); span != nil && fallback != "" {
		sql = sql[:span[0].Start] + fallback + sql[span[len(span)-1].End:]
	}
	if d.typeAt == d.typeEnd && to != "" {
		to = " " + to
	}
	return sql[:d.typeAt] + to + sql[d.typeEnd:]
}
