package migrate

import "strings"

// words cuts one statement into its tokens, without space and comments. Names lose their quotes and their case, since SQLite ignores
// both; strings keep theirs. Two texts with equal words are the same statement.
func words(sql string) []string {
	var out []string
	for i := 0; i < len(sql); {
		end, kind := scanToken(sql, i)
		if kind != tokenText { // a semicolon inside a trigger separates nothing that its words would not
			i = end
			continue
		}
		c := sql[i]
		switch {
		case c == '\'':
			out = append(out, sql[i:end])
		case c == '"' || c == '`':
			q := string(c)
			out = append(out, strings.ToLower(strings.ReplaceAll(strings.Trim(sql[i:end], q), q+q, q)))
		case c == '[':
			out = append(out, strings.ToLower(strings.Trim(sql[i:end], "[]")))
		case wordByte(c):
			for end < len(sql) && wordByte(sql[end]) {
				end++
			}
			out = append(out, strings.ToLower(sql[i:end]))
		default:
			out = append(out, sql[i:end])
		}
		i = end
	}
	return out
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// renamed reads ALTER TABLE a RENAME TO b.
func renamed(stmt string) (from, to string, ok bool) {
	w := words(stmt)
	if len(w) < 6 || w[0] != "alter" || w[1] != "table" {
		return "", "", false
	}
	w = w[2:]
	if w[1] == "." && len(w) > 3 {
		w = w[2:]
	}
	if len(w) >= 4 && w[1] == "rename" && w[2] == "to" {
		return w[0], w[3], true
	}
	return "", "", false
}

// columnRenamed reads ALTER TABLE t RENAME [COLUMN] a TO b.
func columnRenamed(stmt string) (table, from, to string, ok bool) {
	w := words(stmt)
	if len(w) < 7 || w[0] != "alter" || w[1] != "table" {
		return "", "", "", false
	}
	w = w[2:]
	if w[1] == "." && len(w) > 3 {
		w = w[2:]
	}
	table, w = w[0], w[1:]
	if w[0] != "rename" || w[1] == "to" {
		return "", "", "", false
	}
	w = w[1:]
	if w[0] == "column" && len(w) >= 4 {
		w = w[1:]
	}
	if len(w) >= 3 && w[1] == "to" {
		return table, w[0], w[2], true
	}
	return "", "", "", false
}
