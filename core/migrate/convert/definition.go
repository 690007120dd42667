package convert

import "strings"

// definition is the text of one column inside CREATE TABLE, by offsets into that text.
type definition struct {
	sql              string
	start, end       int
	name             token
	typeAt, typeEnd  int // equal where there is no type: the place where one would stand
	constraints      []token
	inBody, bodyRest []token // the tokens of the column, and those of all other columns and constraints
}

// definitionOf finds a column in the text of CREATE TABLE.
func definitionOf(sql, column string) (definition, bool) {
	all := tokenize(sql)
	open := 0
	for open < len(all) && all[open].text != "(" {
		open++
	}
	if open == len(all) {
		return definition{}, false
	}
	var found definition
	ok := false
	var rest []token
	for i := open + 1; i < len(all); {
		end := partEnd(all, i)
		if part := all[i:end]; len(part) > 0 {
			if !ok && !tableConstraint(part[0]) && strings.EqualFold(part[0].name(), column) {
				found, ok = readDefinition(sql, part), true
			} else {
				rest = append(rest, part...)
			}
		}
		if end >= len(all) || all[end].text == ")" {
			break
		}
		i = end + 1
	}
	found.bodyRest = rest
	return found, ok
}

// partEnd returns the index of the comma or parenthesis that ends the part that begins at i.
func partEnd(all []token, i int) int {
	depth := 0
	for ; i < len(all); i++ {
		switch all[i].text {
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

func tableConstraint(t token) bool {
	for _, k := range []string{"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"} {
		if t.is(k) {
			return true
		}
	}
	return false
}

func columnConstraint(t token) bool {
	for _, k := range []string{"CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS"} {
		if t.is(k) {
			return true
		}
	}
	return false
}

func readDefinition(sql string, part []token) definition {
	d := definition{sql: sql, start: part[0].start, end: part[len(part)-1].end, name: part[0], inBody: part}
	i := 1
	for i < len(part) && !columnConstraint(part[i]) {
		i++
	}
	d.typeAt, d.typeEnd = part[0].end, part[0].end
	if i > 1 {
		d.typeAt, d.typeEnd = part[1].start, part[i-1].end
	}
	d.constraints = part[i:]
	return d
}

// has reports whether a keyword stands among the constraints, at any depth.
func (d definition) has(keyword string) bool { return d.find(keyword) >= 0 }

func (d definition) find(keyword string) int {
	for i, t := range d.constraints {
		if t.is(keyword) {
			return i
		}
	}
	return -1
}

// defaultSpan returns the tokens of the default's value, and whether it is a plain literal.
func (d definition) defaultSpan() (span []token, plain bool) {
	i := d.find("DEFAULT")
	if i < 0 || i+1 >= len(d.constraints) {
		return nil, false
	}
	rest := d.constraints[i+1:]
	if rest[0].text == "(" {
		depth := 0
		for n, t := range rest {
			switch t.text {
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
	if n := len(rest); n > 1 && (rest[0].text == "-" || rest[0].text == "+") {
		return rest[:2], true
	}
	switch strings.ToUpper(rest[0].text) {
	case "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP":
		return rest[:1], false
	}
	return rest[:1], true
}

func (d definition) text(span []token) string {
	if len(span) == 0 {
		return ""
	}
	return d.sql[span[0].start:span[len(span)-1].end]
}

// collation returns the name behind COLLATE as it is written; "" without one.
func (d definition) collation() string {
	if i := d.find("COLLATE"); i >= 0 && i+1 < len(d.constraints) {
		return d.constraints[i+1].text
	}
	return ""
}

// retype returns the text of the table with another type for the column, and another default where one is given.
func (d definition) retype(to, fallback string) string {
	sql := d.sql
	if span, _ := d.defaultSpan(); span != nil && fallback != "" {
		sql = sql[:span[0].start] + fallback + sql[span[len(span)-1].end:]
	}
	if d.typeAt == d.typeEnd && to != "" {
		to = " " + to
	}
	return sql[:d.typeAt] + to + sql[d.typeEnd:]
}
