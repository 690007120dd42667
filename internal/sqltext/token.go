// Package sqltext reads SQL as text: pieces, statements with the bodies of triggers in one, names and their quotes. It is for what must know of a text
// before SQLite sees it: scripts, a shell, tools that look at migrations. It accepts every text.
package sqltext

import "strings"

// Token is a piece of SQL text. Blanks and comments are none.
type Token struct {
	Start, End int
	Kind       Kind
	Text       string
}

// Is reports whether the token is the bare keyword; a quoted name never is.
func (t Token) Is(keyword string) bool { return strings.EqualFold(t.Text, keyword) }

// Name is the identifier that the token stands for, without its quotes.
func (t Token) Name() string { return Unquote(t.Text) }

// Tokenize splits SQL: words, quoted names, strings, parameters, numbers and single signs.
func Tokenize(sql string) []Token {
	var out []Token
	for i := 0; i < len(sql); {
		end, kind, _ := Scan(sql, i)
		if kind != Blank {
			out = append(out, Token{i, end, kind, sql[i:end]})
		}
		i = end
	}
	return out
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
