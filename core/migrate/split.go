package migrate

import "strings"

// splitQueries cuts text at the semicolons that end statements and drops
// pieces that hold only space and comments. It knows strings, quoted names and
// comments but not the bodies of triggers, so it serves verify queries; the
// statements of up and down are split by SQLite itself.
func splitQueries(text string) []string {
	var out []string
	start, content := 0, false
	for i := 0; i < len(text); {
		end, kind := scanToken(text, i)
		switch kind {
		case tokenEnd:
			if content {
				out = append(out, strings.TrimSpace(text[start:i]))
			}
			start, content = end, false
		case tokenText:
			content = true
		}
		i = end
	}
	if content {
		out = append(out, strings.TrimSpace(text[start:]))
	}
	return out
}

type tokenKind int

const (
	tokenText  tokenKind = iota // anything that makes a statement
	tokenBlank                  // space or a comment
	tokenEnd                    // the semicolon
)

// scanToken returns the end of the token that starts at i; it is always > i.
func scanToken(text string, i int) (int, tokenKind) {
	switch c := text[i]; {
	case c == ';':
		return i + 1, tokenEnd
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
		return i + 1, tokenBlank
	case strings.HasPrefix(text[i:], "--"):
		return after(text, i+2, "\n"), tokenBlank
	case strings.HasPrefix(text[i:], "/*"):
		return after(text, i+2, "*/"), tokenBlank
	case c == '\'' || c == '"' || c == '`':
		return quoted(text, i, c), tokenText
	case c == '[':
		return after(text, i+1, "]"), tokenText
	}
	return i + 1, tokenText
}

func after(text string, from int, mark string) int {
	if n := strings.Index(text[from:], mark); n >= 0 {
		return from + n + len(mark)
	}
	return len(text)
}

// quoted finds the end of a literal in which a doubled quote stands for one.
func quoted(text string, i int, quote byte) int {
	for i++; i < len(text); i++ {
		if text[i] != quote {
			continue
		}
		if i+1 < len(text) && text[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}

// firstWord returns the first keyword of a statement in upper case.
func firstWord(sql string) string {
	for i := 0; i < len(sql); {
		end, kind := scanToken(sql, i)
		if kind == tokenText {
			end = i
			for end < len(sql) && (sql[end]|0x20 >= 'a' && sql[end]|0x20 <= 'z') {
				end++
			}
			return strings.ToUpper(sql[i:end])
		}
		i = end
	}
	return ""
}
