package trace

import "strings"

// kind says what a token is. The words are SQL's, not Go's.
type kind uint8

const (
	word      kind = iota // keyword or bare identifier
	quoted                // "id", [id] or `id`
	literal               // 'text', x'blob', 12, 1.5e3, 0xFF
	parameter             // ? ?1 :a @a $a
	operator              // punctuation; one token per operator, so that <= is not < and =
	unknown               // a byte that SQLite's own tokenizer refuses
)

// token is one piece of SQL. Its text is a slice of the input, quotes included.
type token struct {
	kind  kind
	space bool // white space or a comment stood before it
	text  string
}

// is reports whether the token is the given keyword, written in any case.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

// op reports whether the token is the given operator.
func (t token) op(text string) bool { return t.kind == operator && t.text == text }

// IsLiteral reports whether SQL begins with a text, a blob, a number or something that is no SQL at all.
func IsLiteral(sql string) bool {
	if sql == "" {
		return false
	}
	k, _ := scan(sql)
	return k == literal || k == unknown
}

// tokenize splits SQL the way SQLite's tokenizer does. It accepts every input: what is not SQL becomes unknown tokens, and what is not
// closed (a string, a comment) reaches to the end. A NUL byte ends the statement, as it does for SQLite.
func tokenize(sql string) []token {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		sql = sql[:i]
	}
	tokens := make([]token, 0, 8+len(sql)/5)
	for space := false; len(sql) > 0; {
		if n := blank(sql); n > 0 {
			sql, space = sql[n:], true
			continue
		}
		k, n := scan(sql)
		tokens = append(tokens, token{kind: k, space: space, text: sql[:n]})
		sql, space = sql[n:], false
	}
	return tokens
}

// blank returns the length of the white space or comment at the start of sql.
func blank(sql string) int {
	n := 0
	for n < len(sql) && strings.IndexByte(" \t\n\f\r", sql[n]) >= 0 {
		n++
	}
	if strings.HasPrefix(sql, "\ufeff") {
		return len("\ufeff")
	}
	if n > 0 {
		return n
	}
	switch {
	case strings.HasPrefix(sql, "--"):
		return upTo(sql, "\n")
	case strings.HasPrefix(sql, "/*"):
		return 2 + upTo(sql[2:], "*/")
	}
	return 0
}

// upTo returns the length of sql up to and including stop, or all of it.
func upTo(sql, stop string) int {
	if i := strings.Index(sql, stop); i >= 0 {
		return i + len(stop)
	}
	return len(sql)
}

// scan returns the kind and length of the token at the start of sql, which is not empty and does not start with white space.
func scan(sql string) (kind, int) {
	c := sql[0]
	next := byte(0)
	if len(sql) > 1 {
		next = sql[1]
	}
	switch {
	case c == '\'':
		return literal, quotedLen(sql, '\'')
	case c == '"' || c == '`':
		return quoted, quotedLen(sql, c)
	case c == '[':
		return quoted, upTo(sql, "]")
	case (c == 'x' || c == 'X') && next == '\'':
		return literal, 1 + quotedLen(sql[1:], '\'')
	case digit(c), c == '.' && digit(next):
		return literal, numberLen(sql)
	case c == '?', c == ':' || c == '@' || c == '$' || c == '#':
		return parameterToken(sql)
	case inWord(c):
		return word, wordLen(sql)
	case strings.IndexByte("()+-*/%<>=!|&~,;.", c) >= 0:
		return operator, operatorLen(sql)
	}
	return unknown, 1
}

// quotedLen returns the length of the quoted text at the start of sql. A doubled quote stands for one of them.
func quotedLen(sql string, quote byte) int {
	for i := 1; i < len(sql); i++ {
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

// numberLen returns the length of the number at the start of sql. It takes everything that touches the number, as SQLite does before it
// refuses it: half a number must not be left over as a word.
func numberLen(sql string) int {
	i := 0
	for i < len(sql) {
		c := sql[i]
		exponent := (c == '+' || c == '-') && (sql[i-1] == 'e' || sql[i-1] == 'E') && i+1 < len(sql) && digit(sql[i+1])
		if !inWord(c) && c != '.' && !exponent {
			break
		}
		if exponent && strings.HasPrefix(strings.ToLower(sql[:min(2, len(sql))]), "0x") {
			break // 0xE+1 is an addition
		}
		i++
	}
	return i
}

// parameterToken scans ?, ?1, :a, @a, $a and Tcl's $a::b(c). The suffix in brackets may hold anything, so that form counts as a literal.
func parameterToken(sql string) (kind, int) {
	if sql[0] == '?' {
		i := 1
		for i < len(sql) && digit(sql[i]) {
			i++
		}
		return parameter, i
	}
	i := 1
	for i < len(sql) {
		switch {
		case inWord(sql[i]):
			i++
		case strings.HasPrefix(sql[i:], "::"):
			i += 2
		case sql[i] == '(' && i > 1:
			for i < len(sql) && sql[i] != ')' && strings.IndexByte(" \t\n\f\r", sql[i]) < 0 {
				i++
			}
			return literal, min(i+1, len(sql))
		default:
			return named(i), i
		}
	}
	return named(i), i
}

// named tells a named parameter from a prefix that no name follows.
func named(length int) kind {
	if length == 1 {
		return unknown
	}
	return parameter
}

func wordLen(sql string) int {
	i := 0
	for i < len(sql) && inWord(sql[i]) {
		i++
	}
	return i
}

func operatorLen(sql string) int {
	for _, long := range [...]string{"->>", "->", "<=", "<>", "<<", ">=", ">>", "==", "!=", "||"} {
		if strings.HasPrefix(sql, long) {
			return len(long)
		}
	}
	return 1
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// inWord reports whether c may stand inside a word; every byte outside ASCII may.
func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit(c) || c == '_' || c == '$' || c >= 0x80
}
