// Package sqltext reads SQL as text: tokens, and statements with the bodies of triggers in one piece. It is for tools that look at migrations
// before anything runs; what runs is split by SQLite itself.
package sqltext

import "strings"

// Token is a piece of SQL text. Blanks and comments are none.
type Token struct {
	Start, End int
	Text       string
}

// Is reports whether the token is the bare keyword; a quoted name never is.
func (t Token) Is(keyword string) bool { return strings.EqualFold(t.Text, keyword) }

// Name is the identifier that the token stands for, without its quotes.
func (t Token) Name() string { return Unquote(t.Text) }

// Tokenize splits SQL as far as column definitions need it: words, quoted names, strings, numbers and single signs.
func Tokenize(sql string) []Token {
	var out []Token
	for i := 0; i < len(sql); {
		end := i + 1
		switch c := sql[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			i = end
			continue
		case strings.HasPrefix(sql[i:], "--"):
			i = past(sql, i+2, "\n")
			continue
		case strings.HasPrefix(sql[i:], "/*"):
			i = past(sql, i+2, "*/")
			continue
		case c == '\'' || c == '"' || c == '`':
			end = closing(sql, i, c)
		case c == '[':
			end = past(sql, i+1, "]")
		case WordByte(c):
			for end < len(sql) && (WordByte(sql[end]) || sql[end] == '.' && c >= '0' && c <= '9') {
				end++
			}
		}
		out = append(out, Token{i, end, sql[i:end]})
		i = end
	}
	return out
}

// WordByte reports whether a byte can be a part of a name or a keyword.
func WordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

func past(sql string, from int, mark string) int {
	if n := strings.Index(sql[from:], mark); n >= 0 {
		return from + n + len(mark)
	}
	return len(sql)
}

// closing finds the end of a literal in which a doubled quote stands for one.
func closing(sql string, i int, quote byte) int {
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

// Unquote takes the quotes off an identifier or a string.
func Unquote(s string) string {
	if len(s) < 2 {
		return s
	}
	switch q := s[0]; {
	case q == '[' && s[len(s)-1] == ']':
		return s[1 : len(s)-1]
	case (q == '"' || q == '`' || q == '\'') && s[len(s)-1] == q:
		return strings.ReplaceAll(s[1:len(s)-1], string([]byte{q, q}), string(q))
	}
	return s
}

// QuoteName writes an identifier.
func QuoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// QuoteText writes a string.
func QuoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Mentions reports whether the text has a word or a quoted name equal to name.
func Mentions(sql, name string) bool {
	for _, t := range Tokenize(sql) {
		if strings.EqualFold(t.Name(), name) {
			return true
		}
	}
	return false
}
