package sqltext

import "strings"

// Kind is what a piece of SQL is.
type Kind uint8

// The kinds.
const (
	// Other is a sign, or what SQLite does not know.
	Other Kind = iota
	// Blank is white space or a comment.
	Blank
	// Word is a keyword, a bare name or a number.
	Word
	// Literal is '…'.
	Literal
	// Quoted is a name in "…", `…` or […].
	Quoted
	// Parameter is ?, ?1, :a, @a or $a.
	Parameter
	// End is a semicolon.
	End
)

// Blanks is what SQLite takes for white space.
const Blanks = " \t\n\r\f"

// Scan returns the end of the piece that starts at i, which is always beyond i, and its kind. open is the mark that would have closed it, where that
// is missing; a number has its point and its digits in one piece, so that 1END is not taken for END.
func Scan(sql string, i int) (to int, k Kind, open string) {
	switch c := sql[i]; {
	case c == ';':
		return i + 1, End, ""
	case strings.IndexByte(Blanks, c) >= 0:
		return i + 1, Blank, ""
	case strings.HasPrefix(sql[i:], "\ufeff"):
		return i + len("\ufeff"), Blank, ""
	case strings.HasPrefix(sql[i:], "--"):
		to, open = Closing(sql, i+2, "\n")
		return to, Blank, open
	case strings.HasPrefix(sql[i:], "/*"):
		to, open = Closing(sql, i+2, "*/")
		return to, Blank, open
	case c == '\'':
		to, open = Closing(sql, i+1, "'")
		return to, Literal, open
	case c == '"' || c == '`':
		to, open = Closing(sql, i+1, string(c))
		return to, Quoted, open
	case c == '[':
		to, open = Closing(sql, i+1, "]")
		return to, Quoted, open
	case c == '?', c == ':' || c == '@' || c == '$':
		to = i + 1
		for to < len(sql) && WordByte(sql[to]) && (c != '?' || Digit(sql[to])) {
			to++
		}
		if to == i+1 && c != '?' {
			return to, Other, ""
		}
		return to, Parameter, ""
	case WordByte(c):
		for to = i + 1; to < len(sql) && (WordByte(sql[to]) || sql[to] == '.' && Digit(c)); to++ {
		}
		return to, Word, ""
	}
	return i + 1, Other, ""
}

// Digit reports whether a byte is a decimal digit.
func Digit(c byte) bool { return c >= '0' && c <= '9' }

// WordByte reports whether a byte can be a part of a name, a keyword or a number. Bytes of other alphabets are parts of names.
func WordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || Digit(c) || c == '_' || c == '$' || c >= 0x80
}

// Closing finds the end of what mark closes; open is the mark where it is missing. A doubled quote stands for one.
func Closing(sql string, i int, mark string) (to int, open string) {
	for i < len(sql) {
		n := strings.Index(sql[i:], mark)
		if n < 0 {
			break
		}
		i += n + len(mark)
		if strings.ContainsAny(mark, "'\"`") && strings.HasPrefix(sql[i:], mark) {
			i++
			continue
		}
		return i, ""
	}
	return len(sql), mark
}
