package trace

import (
	"slices"
	"strings"
)

// fingerprint hashes the statement's shape. The tokens have no literals left.
func fingerprint(tokens []token) uint64 {
	h := fnv(14695981039346656037)
	for _, part := range collapseRows(collapseLists(shape(tokens))) {
		h = h.add(part)
	}
	return uint64(h)
}

// fnv is FNV-1a with 64 bits; hash/fnv would cost an allocation a token.
type fnv uint64

// add hashes a part and a separator, so that "a b" and "ab" differ.
func (h fnv) add(part string) fnv {
	for i := range len(part) {
		h = (h ^ fnv(part[i])) * 1099511628211
	}
	return (h ^ 0xff) * 1099511628211
}

// shape writes each token in its one canonical form.
func shape(tokens []token) []string {
	parts := make([]string, 0, len(tokens))
	for _, t := range tokens {
		switch t.kind {
		case word:
			parts = append(parts, lower(t.text))
		case quoted:
			parts = append(parts, unquote(t.text))
		case parameter:
			parts = append(parts, "?")
		case operator:
			switch t.text {
			case "==":
				parts = append(parts, "=")
			case "<>":
				parts = append(parts, "!=")
			default:
				parts = append(parts, t.text)
			}
		}
	}
	return parts
}

// lower folds ASCII only: SQLite compares other letters as they are.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// unquote gives "Orders" the form of the bare orders, unless it would read as something else without its quotes.
func unquote(name string) string {
	quote := name[0]
	if quote == '[' {
		quote = ']'
	}
	inner := strings.TrimSuffix(name[1:], string(quote))
	plain := inner != "" && !digit(inner[0])
	for i := 0; plain && i < len(inner); i++ {
		plain = inWord(inner[i])
	}
	inner = lower(inner)
	if !plain || reserved(inner) {
		return "\"" + inner + "\""
	}
	return inner
}

// reserved reports whether a bare word could be read as a keyword that this package gives a meaning.
func reserved(folded string) bool {
	switch folded {
	case "select", "from", "where", "in", "values", "order", "group", "by", "join", "on", "and", "or", "not", "null", "limit", "as", "set",
		"case", "when", "then", "else", "union", "table", "index", "default", "check", "exists", "using", "with", "to", "all", "distinct",
		"having", "between", "is", "like", "glob", "current_time", "current_date", "current_timestamp", "rowid":
		return true
	}
	return false
}

// collapseLists makes IN (?, ?, ?) one part, whatever its length. Rows as members, ((?, ?), (?, ?)), count as well.
func collapseLists(parts []string) []string {
	out := parts[:0:len(parts)]
	for i := 0; i < len(parts); i++ {
		out = append(out, parts[i])
		if parts[i] != "in" || i+1 >= len(parts) || parts[i+1] != "(" {
			continue
		}
		if closing := onlyValues(parts, i+1); closing > 0 {
			out = append(out, "(?*)")
			i = closing
		}
	}
	return out
}

// onlyValues returns the index of the bracket that closes the one at open, if nothing but values stands between; else 0.
func onlyValues(parts []string, open int) int {
	depth := 0
	for i := open; i < len(parts); i++ {
		switch parts[i] {
		case "(":
			depth++
		case ")":
			depth--
			if depth == 0 {
				return i
			}
		case "?", ",":
		default:
			return 0
		}
	}
	return 0
}

// collapseRows keeps the first row of VALUES (…), (…), … and the power of ten of how many equal ones follow: inserting one row and
// inserting a thousand are different work, 500 and 600 are the same.
func collapseRows(parts []string) []string {
	out := parts[:0:len(parts)]
	for i := 0; i < len(parts); i++ {
		out = append(out, parts[i])
		if parts[i] != "values" || i+1 >= len(parts) || parts[i+1] != "(" {
			continue
		}
		closing := matching(parts, i+1)
		if closing == 0 {
			return append(out, parts[i+1:]...) // brackets that never close: nothing further to fold
		}
		row := slices.Clone(parts[i+1 : closing+1])
		out = append(out, row...)
		i = closing
		rows := 1
		for next := i + 2; i+1 < len(parts) && parts[i+1] == "," && hasPrefix(parts[min(next, len(parts)):], row); next = i + 2 {
			i += 1 + len(row)
			rows++
		}
		if rows > 1 {
			out = append(out, "×"+magnitude(rows))
		}
	}
	return out
}

func matching(parts []string, open int) int {
	depth := 0
	for i := open; i < len(parts); i++ {
		switch parts[i] {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return 0
}

func hasPrefix(parts, prefix []string) bool {
	return len(parts) >= len(prefix) && slices.Equal(parts[:len(prefix)], prefix)
}

// magnitude returns a zero for each power of ten in n: "1" up to 9, "10" up to 99.
func magnitude(n int) string {
	m := "1"
	for ; n >= 10; n /= 10 {
		m += "0"
	}
	return m
}
