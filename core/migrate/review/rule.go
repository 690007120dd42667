package review

import (
	"fmt"
	"strings"
)

// hit is a place where a rule applies.
type hit struct {
	line            int
	message, remedy string
}

type rule struct {
	Rule
	check func(*file) []hit
}

// rules is every rule in the order of its code.
var rules = []rule{
	{Rule{"L01", "drops a table", Error}, dropsTable},
	{Rule{"L02", "drops a column", Error}, dropsColumn},
	{Rule{"L03", "changes every row", Warning}, changesEveryRow},
	{Rule{"L04", "no way back", Error}, noWayBack},
	{Rule{"L05", "a rebuild loses an index, a trigger or a view", Error}, rebuildLoses},
	{Rule{"L06", "NOT NULL without a default", Error}, notNullWithoutDefault},
	{Rule{"L07", "PRAGMA in a migration", Error}, pragma},
	{Rule{"L08", "ends or leaves the transaction", Error}, transaction},
	{Rule{"L09", "not the same on every database", Warning}, nondeterministic},
	{Rule{"L10", "moves data without a check", Warning}, unverified},
	{Rule{"L11", "a parent with children is dropped", Warning}, cascade},
	{Rule{"L12", "references follow a renamed table", Error}, renamedAway},
	{Rule{"L13", "reads a whole table under the lock", Note}, wholeTable},
	{Rule{"L14", "converts with CAST", Warning}, casts},
	{Rule{"L15", "touches says something else", Error}, touchesDiffer},
	{Rule{"L16", "hides a difference", Warning}, ifExists},
	{Rule{"L17", "drops rows silently", Warning}, conflictClause},
	{Rule{"L18", "columns by position", Warning}, byPosition},
	{Rule{"L19", "a name that is not yours", Error}, reservedName},
	{Rule{"L20", "old programs may go on", Warning}, compatTooLow},
}

// everywhere gives each statement of up and down to f.
func (x *file) everywhere(f func(s statement) (hit, bool)) (out []hit) {
	for _, list := range [][]statement{x.up, x.down, x.background} {
		for _, s := range list {
			if h, ok := f(s); ok {
				h.line = s.line
				out = append(out, h)
			}
		}
	}
	return out
}

// ups gives each statement of up to f.
func (x *file) ups(f func(s statement) (hit, bool)) (out []hit) {
	for _, s := range x.up {
		if h, ok := f(s); ok {
			h.line = s.line
			out = append(out, h)
		}
	}
	return out
}

func pragma(x *file) []hit {
	return x.everywhere(func(s statement) (hit, bool) {
		return hit{message: "PRAGMA is refused: inside the transaction foreign_keys does nothing, and other settings outlive the migration",
			remedy: "take it out: foreign keys are off while a migration runs and are checked at its end"}, s.Tokens[0].Is("PRAGMA")
	})
}

func transaction(x *file) []hit {
	return x.everywhere(func(s statement) (hit, bool) {
		switch w := strings.ToUpper(s.Tokens[0].Text); w {
		case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "DETACH", "VACUUM":
			return hit{message: w + " is refused: all pending migrations are one transaction", remedy: "take it out"}, true
		}
		return hit{}, false
	})
}

func notNullWithoutDefault(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		bad := s.Has("ALTER", "TABLE") && s.Has("ADD") && s.Has("NOT", "NULL") && (!s.Has("DEFAULT") || s.Has("DEFAULT", "NULL")) && !s.Has("GENERATED") && !s.Has("AS") && !s.Has("CONSTRAINT") && !s.Has("ADD", "CHECK")
		return hit{message: "SQLite adds a NOT NULL column only with a default that is not NULL",
			remedy: "add it with DEFAULT, or add it nullable, fill it, and write ALTER TABLE … ALTER COLUMN … SET NOT NULL"}, bad
	})
}

// nowFunctions give another answer on every database.
func nondeterministic(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		if e, ok := effect(s); ok && (e.kind == "trigger" || e.kind == "view") {
			return hit{}, false // they ask when they run, which is what they are for
		}
		what := ""
		for i, t := range s.Tokens {
			call := i+1 < len(s.Tokens) && s.Tokens[i+1].Text == "("
			switch w := strings.ToUpper(t.Text); {
			case w == "CURRENT_TIMESTAMP" || w == "CURRENT_DATE" || w == "CURRENT_TIME" || w == "'NOW'":
				what = strings.ToLower(t.Text)
			case call && (w == "RANDOM" || w == "RANDOMBLOB" || w == "LAST_INSERT_ROWID" || w == "CHANGES" || w == "TOTAL_CHANGES" || w == "SQLITE_VERSION"):
				what = strings.ToLower(t.Text) + "()"
			}
		}
		if e, ok := effect(s); ok && e.verb == "create" && e.kind == "table" {
			return hit{}, false // a default is asked for each new row
		}
		return hit{message: what + " gives another value on every database, so that no two are the same afterwards",
			remedy: "write the value, or take it from the rows; as the default of an added column SQLite refuses it where rows exist"}, what != ""
	})
}

func casts(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		verb, _ := target(s)
		return hit{message: "CAST makes 12 of '12abc' and 0 of 'abc' without an error",
			remedy: "write -- convert: table.column FROM -> TO using a codec, which proves every row"}, verb != "" && s.Has("CAST")
	})
}

func ifExists(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		ddl := s.Tokens[0].Is("CREATE") || s.Tokens[0].Is("DROP")
		return hit{message: "IF [NOT] EXISTS lets databases differ: whatever has the name already stays as it is",
			remedy: "leave it out: the history knows what exists, and drift is reported"}, ddl && (s.Has("IF", "NOT", "EXISTS") || s.Has("IF", "EXISTS"))
	})
}

func conflictClause(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		_, table := target(s)
		word := ""
		for _, w := range []string{"IGNORE", "REPLACE"} {
			if table != "" && s.Has("OR", w) {
				word = "OR " + w
			}
		}
		if table != "" && s.Tokens[0].Is("REPLACE") {
			word = "REPLACE"
		}
		return hit{message: word + " drops rows of " + table + " that collide, without a word",
			remedy: "find the collisions with a query under -- +verify, or say which row wins with ON CONFLICT … DO UPDATE"}, word != ""
	})
}

func byPosition(x *file) []hit {
	return x.ups(func(s statement) (hit, bool) {
		verb, table := target(s)
		if verb != "INSERT" && verb != "REPLACE" || !s.Has("SELECT", "*") {
			return hit{}, false
		}
		return hit{message: "SELECT * puts columns into " + table + " by their position, which is not the same on every database",
			remedy: "name the columns on both sides"}, true
	})
}

func reservedName(x *file) []hit {
	return x.everywhere(func(s statement) (hit, bool) {
		name := ""
		if e, ok := effect(s); ok {
			name = e.name
			if e.verb == "rename" {
				name = e.on
			}
		} else if _, t := target(s); t != "sqlite_sequence" { // which a rebuild may have to set
			name = t
		}
		bad := strings.HasPrefix(name, "_tg_") || strings.HasPrefix(name, "sqlite_")
		return hit{message: name + " belongs to the engine or to SQLite", remedy: "use a name of your own"}, bad
	})
}

func noWayBack(x *file) []hit {
	if len(x.up) == 0 && len(x.converts) == 0 {
		return []hit{{0, "the file has nothing under -- +up", "write what it is to do"}}
	}
	line := 0
	if len(x.down) > 0 {
		line = x.down[0].line
	}
	for _, s := range x.down {
		if _, ok := effect(s); ok || s.Tokens[0].Is("ALTER") {
			return nil
		}
		if _, table := target(s); table != "" {
			return nil
		}
	}
	changes := len(x.converts) > 0
	for _, s := range x.up {
		_, schema := effect(s)
		_, table := target(s)
		changes = changes || schema || table != "" || s.Tokens[0].Is("ALTER")
	}
	switch {
	case len(x.converts) > 0 && len(x.up) == 0 || !changes:
		return nil // a conversion is taken back by its inverse
	case len(x.down) == 0:
		return []hit{{line, "there is nothing under -- +down", "write what takes it back; it is stored in the database and is the way back for an older program"}}
	}
	return []hit{{line, "what stands under -- +down takes nothing back", "write the opposite of up: an older program has no other way back"}}
}

func compatTooLow(x *file) []hit {
	if x.compat < 0 || x.compat >= x.version {
		return nil
	}
	return x.ups(func(s statement) (hit, bool) {
		e, ok := effect(s)
		gone := ok && (e.verb == "drop" && e.kind != "index" && e.kind != "trigger" && x.before.knows(e) || e.verb == "rename" && x.before.has(e.name))
		gone = gone || s.Has("ALTER", "TABLE") && (s.Has("DROP", "COLUMN") || s.Has("RENAME", "COLUMN"))
		return hit{message: fmt.Sprintf("compat %04d lets programs open the database that still use what is dropped or renamed here", x.compat),
			remedy: fmt.Sprintf("write -- compat: %04d, or drop it in a later migration when no such program runs any more", x.version)}, gone
	})
}

func (m *model) has(table string) bool {
	_, ok := m.tables[table]
	return ok
}

func (m *model) knows(e made) bool { return m.has(e.name) || m.views[e.name] }
