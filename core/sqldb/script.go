package sqldb

import (
	"strings"

	"github.com/tidegate/engine/core/lane"
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
		end, kind := scan(t.sql, i)
		word := t.sql[i:end]
		switch {
		case kind == tokenBlank:
		case kind == tokenWord && insert:
			upsert = upsert || do && strings.EqualFold(word, "UPDATE")
			do = strings.EqualFold(word, "DO")
		case kind == tokenWord && depth == 0:
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

// split cuts a text at the semicolons that end statements and drops pieces without a statement. It knows strings, quoted names,
// comments, and the bodies of triggers, whose own statements end in semicolons too: a trigger ends at "; END ;".
func split(sql string) []string {
	var out []string
	var s splitter
	start := -1
	for i := 0; i < len(sql); {
		end, kind := scan(sql, i)
		switch {
		case kind == tokenEnd && !s.inside():
			if start >= 0 {
				out = append(out, strings.TrimRight(sql[start:i], blanks))
			}
			start, s = -1, splitter{}
		case kind != tokenBlank:
			if start < 0 {
				start = i
			}
			s.token(sql[i:end], kind)
		}
		i = end
	}
	if start >= 0 {
		out = append(out, strings.TrimRight(sql[start:], blanks))
	}
	return out
}

// splitter follows one statement.
type splitter struct {
	words   int  // seen so far, EXPLAIN and QUERY PLAN left out
	create  bool // it begins with CREATE
	trigger bool // it is a CREATE TRIGGER
	semi    bool // the last token was a semicolon
	ended   bool // the last tokens were a semicolon and END
}

// inside reports whether a semicolon here belongs to the statement.
func (s *splitter) inside() bool { return s.trigger && !s.ended }

func (s *splitter) token(t string, kind tokenKind) {
	s.ended = s.semi && kind == tokenWord && strings.EqualFold(t, "END")
	s.semi = kind == tokenEnd
	if kind != tokenWord {
		s.words++
		return
	}
	switch {
	case s.words == 0 && (strings.EqualFold(t, "EXPLAIN") || strings.EqualFold(t, "QUERY") || strings.EqualFold(t, "PLAN")):
		return
	case s.words == 0:
		s.create = strings.EqualFold(t, "CREATE")
	case s.words == 1 && s.create && (strings.EqualFold(t, "TEMP") || strings.EqualFold(t, "TEMPORARY")):
		return
	case s.words == 1 && s.create:
		s.trigger = strings.EqualFold(t, "TRIGGER")
	}
	s.words++
}

type tokenKind uint8

const (
	tokenOther tokenKind = iota
	tokenBlank           // space or a comment
	tokenWord            // a keyword or a bare name
	tokenEnd             // a semicolon
)

// scan returns the end of the token that starts at i, which is always beyond i, and its kind.
func scan(sql string, i int) (int, tokenKind) {
	switch c := sql[i]; {
	case c == ';':
		return i + 1, tokenEnd
	case space(c):
		return i + 1, tokenBlank
	case strings.HasPrefix(sql[i:], "\ufeff"):
		return i + len("\ufeff"), tokenBlank
	case strings.HasPrefix(sql[i:], "--"):
		return after(sql, i+2, "\n"), tokenBlank
	case strings.HasPrefix(sql[i:], "/*"):
		return after(sql, i+2, "*/"), tokenBlank
	case c == '\'' || c == '"' || c == '`':
		return quoted(sql, i, c), tokenOther
	case c == '[':
		return after(sql, i+1, "]"), tokenOther
	case wordByte(c):
		for i++; i < len(sql) && wordByte(sql[i]); i++ {
		}
		return i, tokenWord
	}
	return i + 1, tokenOther
}

// blanks is what SQLite takes for white space.
const blanks = " \t\n\r\f"

func space(c byte) bool { return strings.IndexByte(blanks, c) >= 0 }

// wordByte counts digits in, so that 1END is not taken for END; bytes of other alphabets are parts of names.
func wordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

func after(sql string, from int, mark string) int {
	if n := strings.Index(sql[from:], mark); n >= 0 {
		return from + n + len(mark)
	}
	return len(sql)
}

// quoted finds the end of a literal in which a doubled quote stands for one.
func quoted(sql string, i int, quote byte) int {
	for i++; i < len(sql); i++ {
		if sql[i] != quote {
			continue
		}
		if i+1 < len(sql) && sql[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(sql)
}

// nextWord returns the first token at or after i where it is a word, else "", and where that token is.
func nextWord(sql string, i int) (word string, at int) {
	for i < len(sql) {
		end, kind := scan(sql, i)
		switch kind {
		case tokenBlank, tokenEnd:
			i = end
		case tokenWord:
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
