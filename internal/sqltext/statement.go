package sqltext

import "strings"

// Statement is one statement of a script. Offsets are into the script.
type Statement struct {
	Start, End int // without the semicolon and the comments around it
	Text       string
	Tokens     []Token // their offsets are into the script, too
}

// Statements splits a script at the semicolons that end statements.
func Statements(sql string) []Statement {
	var out []Statement
	var current []Token
	var b Boundary
	flush := func() {
		if len(current) > 0 {
			start, end := current[0].Start, current[len(current)-1].End
			out = append(out, Statement{Start: start, End: end, Text: sql[start:end], Tokens: current})
		}
		current, b = nil, Boundary{}
	}
	for _, t := range Tokenize(sql) {
		if t.Kind == End && !b.Inside() {
			flush()
			continue
		}
		b.Add(t.Text, t.Kind)
		current = append(current, t)
	}
	flush()
	return out
}

// Line is the number of the line that an offset lies in, from 1.
func Line(sql string, offset int) int { return 1 + strings.Count(sql[:min(offset, len(sql))], "\n") }

// Words returns the first n tokens in upper case, fewer where the statement is shorter.
func (s Statement) Words(n int) []string {
	out := make([]string, 0, n)
	for _, t := range s.Tokens[:min(n, len(s.Tokens))] {
		out = append(out, strings.ToUpper(t.Text))
	}
	return out
}

// Has reports whether the keywords stand next to one another somewhere in the statement.
func (s Statement) Has(keywords ...string) bool { return s.Find(keywords...) >= 0 }

// Find returns the index of the token at which the keywords begin; -1 where they do not.
func (s Statement) Find(keywords ...string) int {
	for i := 0; i+len(keywords) <= len(s.Tokens); i++ {
		all := true
		for k, w := range keywords {
			if !s.Tokens[i+k].Is(w) {
				all = false
				break
			}
		}
		if all {
			return i
		}
	}
	return -1
}

// NameAt returns the name at a token, and where the next token stands; a schema in front of it (main.x) is passed over.
func (s Statement) NameAt(i int) (name string, next int) {
	if i >= len(s.Tokens) {
		return "", i
	}
	if i+2 < len(s.Tokens) && s.Tokens[i+1].Text == "." {
		i += 2
	}
	return s.Tokens[i].Name(), i + 1
}
