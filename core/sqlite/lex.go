package sqlite

import "strings"

// skipBlank returns the length of the white space and comments at the start of sql, and of the semicolons when semi is set.
func skipBlank(sql string, semi bool) int {
	i := 0
	for i < len(sql) {
		switch c := sql[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == ';' && semi:
			i++
		case strings.HasPrefix(sql[i:], "--"):
			end := strings.IndexByte(sql[i:], '\n')
			if end < 0 {
				return len(sql)
			}
			i += end + 1
		case strings.HasPrefix(sql[i:], "/*"):
			end := strings.Index(sql[i+2:], "*/")
			if end < 0 {
				return len(sql) // SQLite, too, ends an open comment at the end of the text
			}
			i += 2 + end + 2
		case strings.HasPrefix(sql[i:], "\ufeff"):
			i += len("\ufeff")
		default:
			return i
		}
	}
	return i
}

// firstWord returns the first keyword of sql in upper case.
func firstWord(sql string) string {
	sql = sql[skipBlank(sql, true):]
	n := 0
	for n < len(sql) && (sql[n]|0x20 >= 'a' && sql[n]|0x20 <= 'z') {
		n++
	}
	return strings.ToUpper(sql[:n])
}

func isTransactionControl(sql string) bool {
	switch firstWord(sql) {
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return true
	}
	return false
}
