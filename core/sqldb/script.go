package sqldb

import (
	"strings"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/internal/sqltext"
)

// text is SQL with what the driver must know of it before SQLite sees it. It does not change once it is made.
type text struct {
	sql    string
	verb   verb
	script []text // the statements, where there is more than one
}

// verb is a kind of statement.
type verb uint8

const (
	verbOther     verb = iota
	verbNone           // no statement at all: blanks and comments
	verbSavepoint      // SAVEPOINT and RELEASE
	verbChange         // UPDATE and DELETE
	verbInsert         // INSERT, REPLACE and WITH, which may lead to all of them
)

// readText looks at the first word, and for a second statement.
func readText(sql string) *text {
	t := &text{sql: sql}
	first, at := nextWord(sql, 0)
	t.verb = verbOf(first)
	if first == "" && at >= len(sql) {
		t.verb = verbNone
	}
	end := strings.IndexByte(sql, ';')
	if end < 0 || blank(sql[end+1:]) {
		return t
	}
	pieces := split(sql)
	if len(pieces) < 2 {
		return t
	}
	t.script = make([]text, len(pieces))
	for i, p := range pieces {
		word, _ := nextWord(p, 0)
		t.script[i] = text{sql: p, verb: verbOf(word)}
	}
	return t
}

func verbOf(word string) verb {
	switch {
	case strings.EqualFold(word, "SAVEPOINT"), strings.EqualFold(word, "RELEASE"):
		return verbSavepoint
	case strings.EqualFold(word, "INSERT"), strings.EqualFold(word, "REPLACE"), strings.EqualFold(word, "WITH"):
		return verbInsert
	case strings.EqualFold(word, "UPDATE"), strings.EqualFold(word, "DELETE"):
		return verbChange
	}
	return verbOther
}

// own leaves out what the statement cannot have done: SQLite counts the rows of the last statement that changes any, and that may have
// been somebody else's.
func (t *text) own(done lane.Result) lane.Result {
	if t.verb < verbChange {
		done.RowsAffected, done.LastInsertID = 0, 0
	}
	return done
}

// inserts reports whether the statement is an INSERT, and whether it may update instead (ON CONFLICT … DO UPDATE).
func (t *text) inserts() (insert, upsert bool) {
	if t.verb != verbInsert {
		return false, false
	}
	depth := 0
	do := false
	for i := 0; i < len(t.sql); {
		end, kind, _ := sqltext.Scan(t.sql, i)
		word := t.sql[i:end]
		switch {
		case kind == sqltext.Blank:
		case kind == sqltext.Word && insert:
			upsert = upsert || do && strings.EqualFold(word, "UPDATE")
			do = strings.EqualFold(word, "DO")
		case kind == sqltext.Word && depth == 0:
			switch {
			case strings.EqualFold(word, "INSERT"), strings.EqualFold(word, "REPLACE"):
				insert = true
			case strings.EqualFold(word, "SELECT"), strings.EqualFold(word, "UPDATE"), strings.EqualFold(word, "DELETE"):
				return false, false
			}
		case word == "(":
			depth++
		case word == ")":
			depth--
		}
		i = end
	}
	return insert, upsert
}

// split cuts a text at the semicolons that end statements and drops pieces without a statement.
func split(sql string) []string {
	var out []string
	var b sqltext.Boundary
	start := -1
	for i := 0; i < len(sql); {
		end, kind, _ := sqltext.Scan(sql, i)
		switch {
		case kind == sqltext.End && !b.Inside():
			if start >= 0 {
				out = append(out, strings.TrimRight(sql[start:i], sqltext.Blanks))
			}
			start, b = -1, sqltext.Boundary{}
		case kind != sqltext.Blank:
			if start < 0 {
				start = i
			}
			b.Add(sql[i:end], kind)
		}
		i = end
	}
	if start >= 0 {
		out = append(out, strings.TrimRight(sql[start:], sqltext.Blanks))
	}
	return out
}

// nextWord returns the first token at or after i where it is a word, else "", and where that token is.
func nextWord(sql string, i int) (word string, at int) {
	for i < len(sql) {
		end, kind, _ := sqltext.Scan(sql, i)
		switch kind {
		case sqltext.Blank, sqltext.End:
			i = end
		case sqltext.Word:
			return sql[i:end], i
		default:
			return "", i
		}
	}
	return "", i
}

// blank reports whether there is no statement in the text.
func blank(sql string) bool {
	_, at := nextWord(sql, 0)
	return at >= len(sql)
}
