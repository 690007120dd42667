package shell

import "strings"

// kind is what a piece of SQL is.
type kind uint8

const (
	other     kind = iota
	blank          // space or a comment
	word           // a keyword or a bare name
	literal        // '…'
	name           // "…", `…` or […]
	parameter      // ?, ?1, :a, @a, $a
	end            // a semicolon
)

// blanks is what SQLite takes for white space.
const blanks = " \t\n\r\f"

// scan returns the end of the token that starts at i, which is always beyond i, and its kind. open is the mark that would have closed
// it, where it is missing.
func scan(sql string, i int) (to int, k kind, open string) {
	switch c := sql[i]; {
	case c == ';':
		return i + 1, end, ""
	case strings.IndexByte(blanks, c) >= 0:
		return i + 1, blank, ""
	case strings.HasPrefix(sql[i:], "\ufeff"):
		return i + len("\ufeff"), blank, ""
	case strings.HasPrefix(sql[i:], "--"):
		to, open = closing(sql, i+2, "\n")
		return to, blank, open
	case strings.HasPrefix(sql[i:], "/*"):
		to, open = closing(sql, i+2, "*/")
		return to, blank, open
	case c == '\'':
		to, open = closing(sql, i+1, "'")
		return to, literal, open
	case c == '"' || c == '`':
		to, open = closing(sql, i+1, string(c))
		return to, name, open
	case c == '[':
		to, open = closing(sql, i+1, "]")
		return to, name, open
	case c == '?', c == ':' || c == '@' || c == '$':
		to = i + 1
		for to < len(sql) && wordByte(sql[to]) && (c != '?' || digit(sql[to])) {
			to++
		}
		if to == i+1 && c != '?' {
			return to, other, ""
		}
		return to, parameter, ""
	case wordByte(c):
		for i++; i < len(sql) && wordByte(sql[i]); i++ {
		}
		return i, word, ""
	}
	return i + 1, other, ""
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// wordByte counts digits in, so that 1END is not taken for END; bytes of other alphabets are parts of names.
func wordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || digit(c) || c == '_' || c == '$' || c >= 0x80
}

// closing finds the end of what mark closes. A doubled quote stands for one.
func closing(sql string, i int, mark string) (to int, open string) {
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

// collector puts lines together to statements. It reads each line once, so that a statement may have any number of them. Triggers end
// at "; END ;": their own statements end in semicolons too.
type collector struct {
	text  strings.Builder // of the statement that has begun
	begun bool
	open  string // what closes the literal or comment in which the last line ended
	rule  rule
}

// add takes a line and returns the statements that it completes.
func (c *collector) add(line string) (done []string) {
	line += "\n"
	at, from := 0, 0
	if c.open != "" {
		at, c.open = closing(line, 0, c.open)
		if !c.begun {
			from = at
		}
	}
	for at < len(line) {
		to, k, open := scan(line, at)
		if open != "\n" {
			c.open = open
		}
		switch {
		case k == end && !c.rule.inside():
			if c.begun {
				c.text.WriteString(line[from:at])
				done = append(done, strings.TrimRight(c.text.String(), blanks))
			}
			c.reset()
			from = to
		case k == blank && !c.begun:
			from = to
		case k != blank:
			if !c.begun {
				c.begun, from = true, at
			}
			c.rule.token(line[at:to], k)
		}
		at = to
	}
	if c.begun {
		c.text.WriteString(line[from:])
	}
	return done
}

// pending reports whether a statement, or a comment, waits for its end.
func (c *collector) pending() bool { return c.begun || c.open != "" }

// reset forgets what was not completed.
func (c *collector) reset() { *c = collector{} }

// rest is the statement that lacks nothing but its semicolon, "" when there is none; whole is false when it lacks more.
func (c *collector) rest() (sql string, whole bool) {
	if !c.begun {
		return "", c.open == ""
	}
	return strings.TrimRight(c.text.String(), blanks), c.open == "" && !c.rule.inside()
}

// rule knows where a statement ends.
type rule struct {
	words   int  // seen so far, EXPLAIN and QUERY PLAN left out
	create  bool // it begins with CREATE
	trigger bool // it is a CREATE TRIGGER
	semi    bool // the last token was a semicolon
	ended   bool // the last tokens were a semicolon and END
}

// inside reports whether a semicolon here belongs to the statement.
func (r *rule) inside() bool { return r.trigger && !r.ended }

func (r *rule) token(t string, k kind) {
	is := func(w string) bool { return k == word && strings.EqualFold(t, w) }
	r.ended = r.semi && is("END")
	r.semi = k == end
	switch {
	case r.words == 0 && (is("EXPLAIN") || is("QUERY") || is("PLAN")):
		return
	case r.words == 0:
		r.create = is("CREATE")
	case r.words == 1 && r.create && (is("TEMP") || is("TEMPORARY")):
		return
	case r.words == 1 && r.create:
		r.trigger = is("TRIGGER")
	}
	r.words++
}
