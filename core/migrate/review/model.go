package review

import (
	"maps"
	"sort"
	"strings"
)

// reference is a foreign key that points to a table.
type reference struct {
	child  string
	action string // what DELETE of the parent does: CASCADE, SET NULL, SET DEFAULT; "" for nothing
}

// model is what is known of a schema from the text that makes it. All names are in lower case.
type model struct {
	tables   map[string]bool   // true: virtual
	indexes  map[string]string // name → table
	triggers map[string]string
	views    map[string]bool
	parents  map[string][]reference
}

func newModel() *model {
	return &model{tables: map[string]bool{}, indexes: map[string]string{}, triggers: map[string]string{}, views: map[string]bool{}, parents: map[string][]reference{}}
}

func (m *model) clone() *model {
	return &model{tables: maps.Clone(m.tables), indexes: maps.Clone(m.indexes), triggers: maps.Clone(m.triggers), views: maps.Clone(m.views), parents: maps.Clone(m.parents)}
}

// made is what a statement does to the schema.
type made struct {
	verb, kind string // create, drop, rename; table, index, trigger, view
	name       string
	on         string // the table of an index or a trigger, the new name of a renamed table
	unique     bool
}

// effect reads CREATE, DROP and ALTER … RENAME TO.
func effect(s statement) (made, bool) {
	t := s.Tokens
	if len(t) < 3 {
		return made{}, false
	}
	e := made{verb: strings.ToLower(t[0].Text)}
	i := 1
	for i < len(t) && (t[i].Is("TEMP") || t[i].Is("TEMPORARY") || t[i].Is("UNIQUE") || t[i].Is("VIRTUAL")) {
		e.unique = e.unique || t[i].Is("UNIQUE")
		i++
	}
	if i >= len(t) {
		return made{}, false
	}
	e.kind = strings.ToLower(t[i].Text)
	i++
	for i < len(t) && (t[i].Is("IF") || t[i].Is("NOT") || t[i].Is("EXISTS")) {
		i++
	}
	name, next := s.NameAt(i)
	e.name = strings.ToLower(name)
	switch {
	case e.verb == "drop":
		return e, true
	case e.verb == "create":
		if on := s.Find("ON"); on >= 0 && (e.kind == "index" || e.kind == "trigger") {
			table, _ := s.NameAt(on + 1)
			e.on = strings.ToLower(table)
		}
		return e, true
	case e.verb == "alter" && next+1 < len(t) && t[next].Is("RENAME") && t[next+1].Is("TO"):
		to, _ := s.NameAt(next + 2)
		e.verb, e.on = "rename", strings.ToLower(to)
		return e, true
	}
	return made{}, false
}

// apply brings the model behind a statement.
func (m *model) apply(s statement) {
	e, ok := effect(s)
	if !ok {
		if s.Has("ALTER", "TABLE") && s.Has("ADD") {
			name, _ := s.NameAt(2)
			m.references(strings.ToLower(name), s)
		}
		return
	}
	switch e.verb + " " + e.kind {
	case "create table":
		m.tables[e.name] = s.Tokens[1].Is("VIRTUAL")
		m.references(e.name, s)
	case "create index":
		m.indexes[e.name] = e.on
	case "create trigger":
		m.triggers[e.name] = e.on
	case "create view":
		m.views[e.name] = true
	case "drop table":
		delete(m.tables, e.name)
		dropOn(m.indexes, e.name)
		dropOn(m.triggers, e.name)
		for parent, list := range m.parents {
			m.parents[parent] = without(list, e.name)
		}
	case "drop index":
		delete(m.indexes, e.name)
	case "drop trigger":
		delete(m.triggers, e.name)
	case "drop view":
		delete(m.views, e.name)
	case "rename table":
		m.rename(e.name, e.on)
	}
}

func (m *model) rename(from, to string) {
	m.tables[to] = m.tables[from]
	delete(m.tables, from)
	for _, list := range []map[string]string{m.indexes, m.triggers} {
		for name, on := range list {
			if on == from {
				list[name] = to
			}
		}
	}
	if list := m.parents[from]; list != nil {
		m.parents[to] = append(append([]reference(nil), m.parents[to]...), list...)
		delete(m.parents, from)
	}
	for parent, list := range m.parents {
		changed := append([]reference(nil), list...)
		for i := range changed {
			if changed[i].child == from {
				changed[i].child = to
			}
		}
		m.parents[parent] = changed
	}
}

// references notes the foreign keys of a table.
func (m *model) references(table string, s statement) {
	t := s.Tokens
	for i := range t {
		if !t[i].Is("REFERENCES") || i+1 >= len(t) {
			continue
		}
		parent := strings.ToLower(t[i+1].Name())
		r := reference{child: table}
		for k := i + 2; k+2 < len(t) && t[k].Text != "," && !t[k].Is("REFERENCES"); k++ {
			if t[k].Is("ON") && t[k+1].Is("DELETE") {
				if r.action = strings.ToUpper(t[k+2].Text); r.action == "SET" && k+3 < len(t) {
					r.action += " " + strings.ToUpper(t[k+3].Text)
				}
			}
		}
		m.parents[parent] = append(append([]reference(nil), m.parents[parent]...), r)
	}
}

func dropOn(list map[string]string, table string) {
	for name, on := range list {
		if on == table {
			delete(list, name)
		}
	}
}

func without(list []reference, child string) []reference {
	var out []reference
	for _, r := range list {
		if r.child != child {
			out = append(out, r)
		}
	}
	return out
}

// on returns the sorted names of what hangs on a table.
func on(list map[string]string, table string) []string {
	var out []string
	for name, t := range list {
		if t == table {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// target is the table whose rows a statement changes; "" for none.
func target(s statement) (verb, table string) {
	t := s.Tokens
	i := 0
	if len(t) > 0 && t[0].Is("WITH") {
		for depth := 0; i < len(t); i++ {
			switch {
			case t[i].Text == "(":
				depth++
			case t[i].Text == ")":
				depth--
			case depth == 0 && (t[i].Is("INSERT") || t[i].Is("UPDATE") || t[i].Is("DELETE") || t[i].Is("REPLACE")):
				return changed(s, i)
			}
		}
		return "", ""
	}
	return changed(s, i)
}

func changed(s statement, i int) (verb, table string) {
	t := s.Tokens
	if i+1 >= len(t) {
		return "", ""
	}
	verb = strings.ToUpper(t[i].Text)
	i++
	if t[i].Is("OR") {
		i += 2
	}
	switch verb {
	case "INSERT", "REPLACE", "DELETE":
		i++ // INTO, FROM
	case "UPDATE":
	default:
		return "", ""
	}
	name, _ := s.NameAt(i)
	return verb, strings.ToLower(name)
}
