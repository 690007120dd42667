package review

import (
	"fmt"
	"slices"
	"strings"
)

// rebuilt returns how the file replaces tables that existed before by new ones of the same name: the name, and the line of the statement that
// takes the old one away. away is set where the old table was renamed first, and not the new one last.
func (x *file) rebuilt() (out []struct {
	table string
	line  int
	away  string
}) {
	for i, s := range x.up {
		e, ok := effect(s)
		if !ok {
			continue
		}
		switch {
		case e.verb == "drop" && e.kind == "table" && x.before.has(e.name):
			if x.renamedTo(e.name, x.up[i:]) || x.created(e.name, x.up[i:]) {
				out = append(out, struct {
					table string
					line  int
					away  string
				}{e.name, s.line, ""})
			}
		case e.verb == "rename" && x.before.has(e.name) && x.created(e.name, x.up[i:]):
			out = append(out, struct {
				table string
				line  int
				away  string
			}{e.name, s.line, e.on})
		}
	}
	return out
}

func (x *file) renamedTo(name string, list []statement) bool {
	return slices.ContainsFunc(list, func(s statement) bool {
		e, ok := effect(s)
		return ok && e.verb == "rename" && e.on == name
	})
}

func (x *file) created(name string, list []statement) bool {
	return slices.ContainsFunc(list, func(s statement) bool {
		e, ok := effect(s)
		return ok && e.verb == "create" && e.kind == "table" && e.name == name
	})
}

func (x *file) dropsTable(name string) bool {
	return slices.ContainsFunc(x.up, func(s statement) bool {
		e, ok := effect(s)
		return ok && e.verb == "drop" && e.kind == "table" && e.name == name
	})
}

func (x *file) isRebuilt(name string) bool {
	for _, r := range x.rebuilt() {
		if r.table == name || r.away == name {
			return true
		}
	}
	return false
}

func dropsTable(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		e, ok := effect(s)
		bad := ok && e.verb == "drop" && e.kind == "table" && x.before.has(e.name) && !x.isRebuilt(e.name) && !x.touched(e.name)
		return hit{message: "all rows of " + e.name + " go with it", remedy: "say that it is meant with -- touches: " + e.name}, bad
	})
}

func dropsColumn(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		if !s.Has("ALTER", "TABLE") || s.Find("DROP") < 0 || s.Has("DROP", "NOT") || s.Has("DROP", "CONSTRAINT") {
			return hit{}, false
		}
		name, _ := s.NameAt(2)
		name = strings.ToLower(name)
		return hit{message: "the values of a column of " + name + " go with it, and down cannot bring them back",
			remedy: "say that it is meant with -- touches: " + name + "; to change its type write -- convert:"}, !x.touched(name)
	})
}

func changesEveryRow(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		verb, table := target(s)
		bad := (verb == "DELETE" || verb == "UPDATE") && !s.Has("WHERE") && x.before.has(table) && !x.touched(table)
		return hit{message: verb + " without WHERE changes every row of " + table, remedy: "say that it is meant with -- touches: " + table + ", or write a WHERE"}, bad
	})
}

func rebuildLoses(x *file) (out []hit) {
	for _, r := range x.rebuilt() {
		for kind, list := range map[string][2]map[string]string{"index": {x.before.indexes, x.after.indexes}, "trigger": {x.before.triggers, x.after.triggers}} {
			for _, name := range on(list[0], r.table) {
				if !slices.Contains(on(list[1], r.table), name) && !x.dropsByName(kind, name) {
					out = append(out, hit{r.line, fmt.Sprintf("%s %s goes with the old %s and is not made again", kind, name, r.table),
						"make it again behind the rebuild, or drop it by name where that is meant; a -- convert: keeps everything"})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b hit) int { return strings.Compare(a.message, b.message) })
	return out
}

func (x *file) dropsByName(kind, name string) bool {
	return slices.ContainsFunc(x.up, func(s statement) bool {
		e, ok := effect(s)
		return ok && e.verb == "drop" && e.kind == kind && e.name == name
	})
}

func cascade(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		e, ok := effect(s)
		if !ok || e.verb != "drop" || e.kind != "table" {
			return hit{}, false
		}
		var children []string
		for _, r := range x.before.parents[e.name] {
			if r.child != e.name && x.after.has(r.child) && r.action != "" && r.action != "NO ACTION" && r.action != "RESTRICT" {
				children = append(children, r.child+" ON DELETE "+r.action)
			}
		}
		return hit{message: "with foreign keys on, dropping " + e.name + " would change the rows of its children (" + strings.Join(children, ", ") + ")",
			remedy: "nothing is lost here, because the migrator turns them off and compares the rows of all tables; never run this file by hand"}, len(children) > 0
	})
}

func renamedAway(x *file) (out []hit) {
	for _, r := range x.rebuilt() {
		if r.away == "" || !x.dropsTable(r.away) {
			continue
		}
		var children []string
		for _, p := range x.before.parents[r.table] {
			children = append(children, p.child)
		}
		if len(children) > 0 {
			out = append(out, hit{r.line, fmt.Sprintf("the references of %s follow the renamed table and point nowhere once %s is dropped", strings.Join(children, ", "), r.away),
				"make the new table under another name, drop the old one, and rename the new one last"})
		}
	}
	return out
}

func unverified(x *file) []hit {
	if len(x.verify) > 0 {
		return nil
	}
	for _, s := range x.up {
		verb, table := target(s)
		moves := verb == "UPDATE" || verb == "DELETE" || (verb == "INSERT" || verb == "REPLACE") && s.Has("SELECT") && s.Has("FROM")
		if moves && (x.before.has(table) || s.Has("FROM")) {
			return []hit{{s.line, "rows are moved or changed, and nothing checks the result", "write a query under -- +verify that finds what must not be; any row it returns rolls everything back"}}
		}
	}
	return nil
}

func wholeTable(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		e, ok := effect(s)
		what, table := "", ""
		switch verb, changed := target(s); {
		case ok && e.verb == "create" && e.kind == "index":
			what, table = "building "+e.name, e.on
		case (verb == "UPDATE" || verb == "DELETE") && !s.Has("WHERE"):
			what, table = verb, changed
		case s.Has("ALTER", "TABLE") && s.Has("DROP", "COLUMN"):
			name, _ := s.NameAt(2)
			what, table = "DROP COLUMN", strings.ToLower(name)
		}
		rows, large := x.large(table)
		size := "every row"
		if rows > 0 {
			size = fmt.Sprintf("%d rows", rows)
		}
		return hit{message: what + " goes through " + size + " of " + table + " while nobody else can write",
			remedy: "see how long with engine migrate plan --rehearse; a long change of rows can go under -- +background"}, large
	})
}

func touchesDiffer(x *file) []hit {
	if !x.hasTouches {
		return nil
	}
	out := x.ups(func(s statement) (hit, bool) {
		_, table := target(s)
		bad := table != "" && x.before.has(table) && !x.touched(table)
		return hit{message: "it changes rows of " + table + ", which touches does not name: the migrator rolls it back", remedy: "add " + table + " to -- touches:"}, bad
	})
	for _, t := range x.touches {
		if t != "" && !x.before.has(t) && !x.after.has(t) {
			out = append(out, hit{0, "touches names " + t + ", which is no table", "take it out, or correct the name"})
		}
	}
	return out
}
