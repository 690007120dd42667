package enginetest

import "strings"

// statements cuts a script at the semicolons that end statements. As SQLite's own shell does, it takes a CREATE TRIGGER to end at the
// semicolon behind "; END". Pieces that hold only space and comments are dropped.
func statements(script string) []string {
	var out []string
	var s piece
	for i := 0; i < len(script); {
		end := tokenEnd(script, i)
		if s.take(script[i:end]) {
			out = append(out, strings.TrimSpace(script[s.start:i]))
			s = piece{start: end}
		} else if script[i] == ';' && !s.content {
			s = piece{start: end} // an empty one
		}
		i = end
	}
	if s.content {
		out = append(out, strings.TrimSpace(script[s.start:]))
	}
	return out
}

// piece is the statement that is being read.
type piece struct {
	start          int
	content        bool // something but space and comments
	words          int
	create, temp   bool // it begins with CREATE, CREATE TEMP
	trigger        bool // it is a CREATE TRIGGER
	semicolon, end bool // the last token was a semicolon inside a trigger, or END behind one
}

// take looks at the next token and reports whether it ends the statement.
func (p *piece) take(token string) bool {
	switch c := token[0]; {
	case c == ';':
		if p.content && (!p.trigger || p.end) {
			return true
		}
		p.semicolon, p.end = true, false
	case isSpace(c), strings.HasPrefix(token, "--"), strings.HasPrefix(token, "/*"):
	case isLetter(c):
		word := strings.ToUpper(token)
		p.words++
		switch {
		case p.words == 1:
			p.create = word == "CREATE"
		case p.words == 2 && p.create:
			p.temp = word == "TEMP" || word == "TEMPORARY"
			p.trigger = word == "TRIGGER"
		case p.words == 3 && p.temp:
			p.trigger = word == "TRIGGER"
		}
		p.end = p.semicolon && word == "END"
		p.semicolon, p.content = false, true
	default:
		p.words += 3 // what follows is no keyword of its beginning
		p.semicolon, p.end, p.content = false, false, true
	}
	return false
}

// tokenEnd returns the end of the token at i, which is always behind i.
func tokenEnd(s string, i int) int {
	switch c := s[i]; {
	case strings.HasPrefix(s[i:], "--"):
		return behind(s, i+2, "\n")
	case strings.HasPrefix(s[i:], "/*"):
		return behind(s, i+2, "*/")
	case c == '\'' || c == '"' || c == '`':
		return behind(s, i+1, string(c)) // a doubled quote is two literals side by side, which cut no statement either
	case c == '[':
		return behind(s, i+1, "]")
	case isLetter(c):
		for i < len(s) && (isLetter(s[i]) || s[i] >= '0' && s[i] <= '9') {
			i++
		}
		return i
	}
	return i + 1
}

func behind(s string, from int, mark string) int {
	if n := strings.Index(s[from:], mark); n >= 0 {
		return from + n + len(mark)
	}
	return len(s)
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// isLetter reports whether c belongs to a name; bytes of other alphabets do.
func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
