package trace_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidegate/engine/core/trace"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, text, summary, operation, collection string }{
		{"", "", "SQL", "", ""},
		{"SELECT * FROM orders WHERE id = 42", "SELECT * FROM orders WHERE id = ?", "SELECT orders", "SELECT", "orders"},
		{"  select\n\t*  from Orders -- all of them\n where name='O''Hara';  ", "select * from Orders where name=?", "SELECT Orders", "SELECT", "Orders"},
		{"SELECT /* secret */ 1e-3, -5, a-5, .5, 0xFF, x'00ff', X'AB', 1_000", "SELECT ?, ?, a-?, ?, ?, ?, ?, ?", "SELECT", "SELECT", ""},
		{"SELECT a FROM t WHERE b = ?1 AND c = :c AND d = @d AND e = $e AND f = ?", "SELECT a FROM t WHERE b = ?1 AND c = :c AND d = @d AND e = $e AND f = ?", "SELECT t", "SELECT", "t"},
		{"SELECT $a::b(secret) FROM t", "SELECT ? FROM t", "SELECT t", "SELECT", "t"},
		{"SELECT \"name\" FROM \"my table\" WHERE \"name\" = \"Alice\"", "SELECT \"name\" FROM \"my table\" WHERE \"name\" = ?", "SELECT \"my table\"", "SELECT", "\"my table\""},
		{"SELECT u.\"id\" FROM [users] u JOIN `orders` o ON u.\"id\" = o.\"uid\"", "SELECT u.\"id\" FROM [users] u JOIN `orders` o ON u.\"id\" = o.\"uid\"", "SELECT [users] `orders`", "SELECT", ""},
		{"INSERT INTO t VALUES (1, \"Bob\"), (2, lower(\"Eve\"))", "INSERT INTO t VALUES (?, ?), (?, lower(?))", "INSERT t", "INSERT", "t"},
		{"INSERT OR REPLACE INTO t(a) VALUES (replace('a','b','c')) ON CONFLICT(a) DO UPDATE SET a=1", "INSERT OR REPLACE INTO t(a) VALUES (replace(?,?,?)) ON CONFLICT(a) DO UPDATE SET a=?", "INSERT t", "INSERT", "t"},
		{"INSERT INTO shipping (a) SELECT a FROM orders WHERE id = 7", "INSERT INTO shipping (a) SELECT a FROM orders WHERE id = ?", "INSERT shipping SELECT orders", "INSERT", ""},
		{"SELECT * FROM songs, artists WHERE songs.a == artists.a", "SELECT * FROM songs, artists WHERE songs.a == artists.a", "SELECT songs artists", "SELECT", ""},
		{"SELECT d FROM (SELECT * FROM orders o JOIN customers c ON o.c = c.id)", "SELECT d FROM (SELECT * FROM orders o JOIN customers c ON o.c = c.id)", "SELECT SELECT orders customers", "SELECT", ""},
		{"SELECT * FROM a x JOIN (b JOIN c ON f(1, 2)) ON x.i = b.i, d", "SELECT * FROM a x JOIN (b JOIN c ON f(?, ?)) ON x.i = b.i, d", "SELECT a b c d", "SELECT", ""},
		{"SELECT * FROM emp e, emp m WHERE e.boss = m.id", "SELECT * FROM emp e, emp m WHERE e.boss = m.id", "SELECT emp", "SELECT", "emp"},
		{"WITH RECURSIVE r(x) AS (SELECT a FROM orders UNION ALL SELECT x+1 FROM r) SELECT * FROM r", "WITH RECURSIVE r(x) AS (SELECT a FROM orders UNION ALL SELECT x+? FROM r) SELECT * FROM r", "SELECT orders", "SELECT", "orders"},
		{"WITH r AS MATERIALIZED (SELECT 1) DELETE FROM main.t WHERE a IS NOT DISTINCT FROM b", "WITH r AS MATERIALIZED (SELECT ?) DELETE FROM main.t WHERE a IS NOT DISTINCT FROM b", "SELECT DELETE main.t", "DELETE", "main.t"},
		{"UPDATE OR IGNORE t SET a = 'x' FROM u WHERE t.i = u.i", "UPDATE OR IGNORE t SET a = ? FROM u WHERE t.i = u.i", "UPDATE t u", "UPDATE", ""},
		{"VALUES (1),(2)", "VALUES (?),(?)", "VALUES", "VALUES", ""},
		{"CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)", "CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)", "CREATE INDEX i t", "CREATE INDEX", "t"},
		{"CREATE TABLE c AS SELECT * FROM d", "CREATE TABLE c AS SELECT * FROM d", "CREATE TABLE c SELECT d", "CREATE TABLE", ""},
		{"CREATE TRIGGER g AFTER UPDATE ON t BEGIN DELETE FROM u; END", "CREATE TRIGGER g AFTER UPDATE ON t BEGIN DELETE FROM u; END", "CREATE TRIGGER g", "CREATE TRIGGER", ""},
		{"PRAGMA journal_mode = 'wal'", "PRAGMA journal_mode = ?", "PRAGMA journal_mode", "PRAGMA", ""},
		{"EXPLAIN QUERY PLAN SELECT * FROM t", "EXPLAIN QUERY PLAN SELECT * FROM t", "EXPLAIN SELECT t", "EXPLAIN", "t"},
		{"SAVEPOINT secret", "SAVEPOINT secret", "SAVEPOINT", "SAVEPOINT", ""},
		{"ATTACH 'secret.db' AS s", "ATTACH ? AS s", "ATTACH", "ATTACH", ""},
		{"SELECT a FROM t WHERE b BETWEEN \"x\" AND \"y\" AND \"c\" IN (\"p\", 'q') AND d LIKE \"z\"", "SELECT a FROM t WHERE b BETWEEN ? AND ? AND \"c\" IN (?, ?) AND d LIKE ?", "SELECT t", "SELECT", "t"},
		{"SELECT a FROM t WHERE b IN (SELECT \"c\" FROM u)", "SELECT a FROM t WHERE b IN (SELECT \"c\" FROM u)", "SELECT t SELECT u", "SELECT", ""},
		{"SELECT 'never closed", "SELECT ?", "SELECT", "SELECT", ""},
		{"SELECT 1 /* never closed 'secret'", "SELECT ?", "SELECT", "SELECT", ""},
		{"SELECT 1\x00, 'after the end'", "SELECT ?", "SELECT", "SELECT", ""},
		{"SELECT a FROM 'secret'", "SELECT a FROM ?", "SELECT", "SELECT", ""},
		{"SELECT 12abc, TRUE, \\", "SELECT ?, ?, ?", "SELECT", "SELECT", ""},
	} {
		q := trace.Describe(c.sql)
		if q.Text != c.text || q.Summary != c.summary || q.Operation != c.operation || q.Collection != c.collection {
			t.Errorf("Describe(%q)\n got text %q, summary %q, operation %q, collection %q\nwant text %q, summary %q, operation %q, collection %q",
				c.sql, q.Text, q.Summary, q.Operation, q.Collection, c.text, c.summary, c.operation, c.collection)
		}
	}
}

func TestDescribeBounds(t *testing.T) {
	t.Parallel()
	long := trace.Describe("SELECT * FROM " + strings.Repeat("a_rather_long_name, ", 2000) + "b")
	if len(long.Text) > trace.MaxText || !strings.HasSuffix(long.Text, "…") {
		t.Errorf("text has %d bytes and ends in %q; want at most %d and an ellipsis", len(long.Text), long.Text[len(long.Text)-8:], trace.MaxText)
	}
	many := trace.Describe("SELECT * FROM t0" + strings.Repeat(", another_table_with_a_name", 1) + ", " + strings.Repeat("x", 250) + ", y")
	if len(many.Summary) > trace.MaxSummary || strings.Contains(many.Summary, "xx") || !strings.HasSuffix(many.Summary, " y") {
		t.Errorf("summary %q: want at most %d bytes and no name cut", many.Summary, trace.MaxSummary)
	}
	wide := trace.Describe("SELECT * FROM \"" + strings.Repeat("\xffa", 100) + "\", " + strings.Repeat("\xffa ", 4000))
	if len(wide.Text) > trace.MaxText || len(wide.Summary) > trace.MaxSummary {
		t.Errorf("repaired UTF-8 gives a text of %d bytes and a summary of %d", len(wide.Text), len(wide.Summary))
	}
	broken := trace.Describe("SELECT \"\xff\xfe\" FROM \"t\xff\"")
	for _, s := range []string{broken.Text, broken.Summary, broken.Collection} {
		if !utf8.ValidString(s) {
			t.Errorf("%q is not valid UTF-8", s)
		}
	}
}

// literals lists SQL literals that must not be told apart.
func literals(value string) []string {
	value = strings.ReplaceAll(value, "\x00", "")
	return []string{"'" + strings.ReplaceAll(value, "'", "''") + "'", "1", "-1.5e+10", "x'c0ffee'", ".5", "0x1F", "+7"}
}

// FuzzLiteral puts any text into a statement as a literal: nothing of it may be seen, in whatever position.
func FuzzLiteral(f *testing.F) {
	for _, seed := range []string{"", "Alice", "it's", "-- no comment", "/*", "*/", "\"", "?", "x' OR 1=1", "\xff", "é", "',''"} {
		f.Add(seed)
	}
	frames := []string{
		"SELECT a FROM t WHERE b = %",
		"INSERT INTO t (a, b) VALUES (%, %)",
		"SELECT % AS x, f(%) FROM t WHERE c IN (%, %) AND d BETWEEN % AND % -- %",
		"UPDATE t SET a=%,b=a - % WHERE c>=% LIMIT %",
		"SELECT CASE WHEN a THEN % ELSE % END FROM t ORDER BY a COLLATE nocase",
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, frame := range frames {
			want := trace.Describe(strings.ReplaceAll(frame, "%", "'x'"))
			for _, literal := range literals(value) {
				if strings.Contains(frame, "-- ") && strings.ContainsAny(literal, "\n") {
					continue // the comment would end inside the literal
				}
				got := trace.Describe(strings.ReplaceAll(frame, "%", literal))
				if got.Text != want.Text || got.Summary != want.Summary || got.Fingerprint != want.Fingerprint {
					t.Fatalf("literal %q in %q:\n got %q (%x)\nwant %q (%x)", literal, frame, got.Text, got.Fingerprint, want.Text, want.Fingerprint)
				}
			}
		}
	})
}

// FuzzDescribe feeds anything. The text must be clean by a scan that shares no code with the tokenizer, and describing it again must
// change nothing.
func FuzzDescribe(f *testing.F) {
	for _, seed := range []string{
		"SELECT 1", "'", "\"", "[", "`", "x'", "--", "/*", "$a(", "1e", "1e+", "0x", "?1", "IN (", "VALUES (", "VALUES (1),(2),(3)",
		"WITH WITH WITH", "in (in (in (", "CREATE", "EXPLAIN QUERY PLAN", "a IN ((1,2),(3,4))", "\xef\xbb\xbfSELECT", "- -1", ")))(((", "1.2.3",
		"FROM FROM ,,,", "REPLACE INTO t", "#1", ":a::b", "\x00", "a'b'c", "UPDATE OR",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		q := trace.Describe(sql)
		if len(q.Text) > trace.MaxText || len(q.Summary) > trace.MaxSummary || q.Summary == "" {
			t.Fatalf("%q: text of %d bytes, summary %q", sql, len(q.Text), q.Summary)
		}
		if !utf8.ValidString(q.Text) || !utf8.ValidString(q.Summary) || !utf8.ValidString(q.Collection) {
			t.Fatalf("%q: not valid UTF-8: %q %q %q", sql, q.Text, q.Summary, q.Collection)
		}
		if i := leak(q.Text); i >= 0 {
			t.Fatalf("%q: a literal is left in %q at %d", sql, q.Text, i)
		}
		if again := trace.Describe(q.Text); !strings.HasSuffix(q.Text, "…") && again.Text != q.Text {
			t.Fatalf("%q: describing %q again gives %q", sql, q.Text, again.Text)
		}
	})
}

// leak returns the position of the first literal in s, or -1: a single quote, or a digit that no word and no parameter holds.
func leak(s string) int {
	inName := byte(0)
	inWord := false
	for i := range len(s) {
		c := s[i]
		if inName != 0 {
			if c == inName {
				inName = 0
			}
			continue
		}
		isDigit := c >= '0' && c <= '9'
		switch {
		case c == '"' || c == '`':
			inName, inWord = c, false
		case c == '[':
			inName, inWord = ']', false
		case c == '\'', isDigit && !inWord:
			return i
		default:
			inWord = isDigit || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 || strings.IndexByte("_$?:@#", c) >= 0
		}
	}
	return -1
}

func BenchmarkDescribe(b *testing.B) {
	const sql = `SELECT o.id, o.qty, e.px FROM orders o JOIN executions e ON e.order_id = o.id WHERE o.account_id = ?1 AND o.state IN ('new','open') AND e.ts_event >= 1700000000000 ORDER BY e.ts_event DESC LIMIT 50`
	b.ReportAllocs()
	for b.Loop() {
		trace.Describe(sql)
	}
}
