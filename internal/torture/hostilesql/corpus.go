package hostilesql

import (
	"fmt"
	"strings"
)

// Corpus returns the statements that were written by hand, by what they attack. None of them is bound to succeed.
func Corpus() []string {
	var all []string
	for _, part := range [][]string{memory(), instructions(), recursion(), depth(), width(), text(), settings(), modules(), schema(), nonsense()} {
		all = append(all, part...)
	}
	return all
}

const (
	forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
	million = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000000) "
)

// memory asks for more than there is.
func memory() []string {
	return []string{
		"SELECT hex(zeroblob(200000000))", "SELECT zeroblob(1000000000)", "SELECT zeroblob(2147483647)", "SELECT length(zeroblob(16000000)||zeroblob(16000000))",
		"SELECT randomblob(1000000000)", "SELECT length(hex(hex(hex(hex(zeroblob(4000000))))))",
		"SELECT printf('%1000000000d', 1)", "SELECT printf('%.1000000000f', 1.0)", "SELECT printf('%.*c', 1000000000, 'x')", "SELECT format('%2147483647s%2147483647s', 'a', 'b')",
		"SELECT printf('%999999999999999999999d', 1)", "SELECT length(printf('%,.16000000f', 1e300))",
		"SELECT replace(hex(zeroblob(4000000)), '0', hex(zeroblob(1000)))", "SELECT length(replace(hex(zeroblob(100000)), '0', hex(zeroblob(100000))))",
		forever + "SELECT group_concat(hex(zeroblob(1000))) FROM n", forever + "SELECT length(group_concat(i, hex(zeroblob(100000)))) FROM n",
		forever + "SELECT json_group_array(hex(zeroblob(1000))) FROM n", forever + "SELECT json_group_object(i, zeroblob(10)) FROM n",
		forever + "SELECT jsonb_group_array(i) FROM n", forever + "SELECT json_group_object(i, json_array(i, i, i)) FROM n",
		forever + "SELECT sum(i) OVER (ORDER BY i DESC) FROM n", forever + "SELECT group_concat(i) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM n",
		forever + "SELECT ntile(1000000000) OVER (ORDER BY i) FROM n", forever + "SELECT lag(zeroblob(100000), 1000000) OVER () FROM n",
		forever + "SELECT DISTINCT i FROM n", forever + "SELECT i FROM n ORDER BY -i", forever + "SELECT i, hex(randomblob(1000)) x FROM n ORDER BY x",
		forever + "SELECT count(DISTINCT hex(randomblob(100))) FROM n", forever + "SELECT i % 7, count(*) FROM n GROUP BY hex(randomblob(100))",
		million + "SELECT a.i FROM n a, n b ORDER BY a.i * b.i", "SELECT max(zeroblob(15000000), zeroblob(15000001), zeroblob(15000002))",
		"SELECT * FROM json_each(printf('[%.*c]', 8000000, '0'))", "SELECT json_array_length('[' || replace(hex(zeroblob(3000000)), '0', '1,') || '1]')",
		"SELECT json(printf('%.*c', 2000, '[') || printf('%.*c', 2000, ']'))", "SELECT json_patch('{\"a\":' || hex(zeroblob(0)) || '1}', '{}')",
		"SELECT json_insert('[]', '$[1000000000]', 1)", "SELECT json_extract('[1]', '$' || replace(hex(zeroblob(10000)), '00', '[0]'))",
		"INSERT INTO victim (b) VALUES (zeroblob(1000000000))", "INSERT INTO victim (b) " + forever + "SELECT zeroblob(1000000) FROM n",
		"UPDATE victim SET b = zeroblob(15000000)", "INSERT INTO victim (a) " + forever + "SELECT i FROM n", "SELECT quote(zeroblob(15000000))",
		"SELECT unhex(hex(zeroblob(8000000)))", "SELECT unistr(printf('%.*c', 8000000, '\\'))", "SELECT concat_ws(hex(zeroblob(1000000)), 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15)",
		"CREATE TABLE eaten AS " + forever + "SELECT i, zeroblob(4000) z FROM n", "CREATE INDEX eaten ON victim (hex(b) || hex(b))",
		"SELECT string_agg(b, b) FROM victim, victim, victim, victim", "SELECT total(i) FROM (" + forever + "SELECT i FROM n)",
	}
}

// instructions take for ever inside one step of SQLite's machine.
func instructions() []string {
	return []string{
		"SELECT instr(zeroblob(8000000)||x'02', zeroblob(4000000)||x'01')", "SELECT instr(hex(zeroblob(4000000)), hex(zeroblob(2000000))||'1')",
		"SELECT length(replace(hex(zeroblob(4000000)), hex(zeroblob(1500000))||'1', 'x'))",
		"SELECT length(trim(hex(zeroblob(4000000)), '1' || hex(randomblob(500000))))", "SELECT rtrim(hex(zeroblob(4000000)), hex(x'01') || hex(randomblob(400000)))",
		"SELECT ltrim(printf('%.*c', 8000000, 'z'), hex(randomblob(300000)) || 'z')",
		"SELECT printf('%.*c', 4000000, 'a') LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%b'", "SELECT printf('%.*c', 4000000, 'a') GLOB '*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b'",
		"SELECT printf('%.*c', 15000000, 'a') LIKE '%' || printf('%.*c', 190, '_') || 'b'", "SELECT hex(zeroblob(4000000)) GLOB '*[^1]*[^1]*[^1]*[^1]*1'",
		"SELECT 'x' LIKE printf('%.*c', 40000, '%')", "SELECT 'x' LIKE printf('%.*c', 199, '%')", "SELECT 'x' GLOB printf('%.*c', 199, '[')", "SELECT 'a' LIKE 'a' ESCAPE 'aa'",
		"SELECT json_patch(o, o) FROM (" + million + "SELECT json_group_object(i, i) o FROM n WHERE i < 200000)",
		million + "SELECT json_extract(o, '$.k199999') FROM (SELECT json_group_object('k'||i, i) o FROM n WHERE i < 200000), n",
		"SELECT count(*) FROM victim a, victim b, victim c, victim d, victim e, victim f, victim g", "SELECT sum(a.a*b.a) FROM victim a, victim b, victim c, victim d",
		"SELECT a.a FROM victim a JOIN victim b ON a.t LIKE '%'||b.t||'%' JOIN victim c ON b.t GLOB c.t",
		"DELETE FROM victim WHERE a IN (SELECT a.a FROM victim a, victim b, victim c, victim d)", "UPDATE victim SET a = (SELECT count(*) FROM victim b, victim c, victim d)",
		"SELECT randomblob(15000000) < randomblob(15000000)", "SELECT hex(randomblob(7000000)) = lower(upper(hex(randomblob(7000000))))",
		"SELECT CAST(hex(zeroblob(7000000)) AS INTEGER), CAST(printf('%.*c', 8000000, '9') AS REAL)", "SELECT printf('%.*f', 100000, 1e308)",
		"SELECT soundex(hex(zeroblob(7000000)))", "SELECT length(CAST(randomblob(15000000) AS TEXT))", "SELECT substr(hex(zeroblob(7000000)), -7000000, 6999999)",
		"SELECT datetime('now', printf('%.*c', 8000000, ' '))", "SELECT strftime(printf('%.*c', 4000000, '%'))", "SELECT strftime(replace(hex(zeroblob(1000000)), '0', '%Y'))",
		"SELECT timediff('0000-01-01', '9999-12-31'), datetime(1e308), datetime(-1e308), julianday(9e99)", "PRAGMA integrity_check(1000000)",
	}
}

// recursion does not end, or ends after a geological age.
func recursion() []string {
	return []string{
		forever + "SELECT count(*) FROM n", forever + "SELECT max(i) FROM n WHERE i < 0", forever + "SELECT * FROM n WHERE i = -1", forever + "SELECT i FROM n LIMIT -1",
		"WITH RECURSIVE x(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM x UNION ALL SELECT a+2 FROM x) SELECT count(*) FROM x",
		"WITH RECURSIVE x(a) AS (SELECT 'a' UNION ALL SELECT a||a FROM x) SELECT length(a) FROM x", "WITH RECURSIVE x(a) AS (SELECT '' UNION SELECT a||'0' FROM x UNION SELECT a||'1' FROM x) SELECT count(*) FROM x",
		"WITH RECURSIVE x AS (SELECT * FROM x) SELECT * FROM x", "WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n ORDER BY 1 DESC) SELECT i FROM n", "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i FROM n LIMIT 9223372036854775807) SELECT count(*) FROM n",
		"INSERT INTO chain VALUES (1)", "INSERT INTO chain " + million + "SELECT i FROM n", "UPDATE chain SET a = a + 1", "DELETE FROM chain", "INSERT INTO fork VALUES (1)",
		"SELECT (SELECT (SELECT (SELECT count(*) FROM victim a, victim b WHERE a.a+b.a+c.a+d.a > 0) FROM victim c LIMIT 1) FROM victim d LIMIT 1)",
		"SELECT EXISTS (" + forever + "SELECT 1 FROM n WHERE i < 0)", "SELECT 1 WHERE 5 IN (" + forever + "SELECT i*0 FROM n)", forever + "DELETE FROM victim WHERE a IN (SELECT -i FROM n)",
		forever + "UPDATE victim SET a = (SELECT max(i) FROM n)", forever + "INSERT INTO victim (a) SELECT i FROM n ON CONFLICT DO UPDATE SET a = a + 1", "SELECT * FROM generate_series(1, 9223372036854775807)",
		"SELECT * FROM victim WHERE a = (" + forever + "SELECT i FROM n WHERE i = -victim.a)", "EXPLAIN " + forever + "SELECT * FROM n", "EXPLAIN QUERY PLAN " + forever + "SELECT * FROM n",
		"REINDEX", "ANALYZE", "SELECT * FROM loop", "SELECT * FROM loop a, loop b",
	}
}

// depth nests further than anybody would write by hand.
func depth() []string {
	var all []string
	for _, n := range []int{90, 110, 1000, 50000} {
		all = append(all,
			"SELECT "+strings.Repeat("(", n)+"1"+strings.Repeat(")", n),
			"SELECT "+strings.Repeat("-", n%2)+strings.Repeat("NOT ", n)+"1",
			"SELECT 1"+strings.Repeat("+1", n),
			"SELECT "+strings.Repeat("abs(", n)+"1"+strings.Repeat(")", n),
			"SELECT "+strings.Repeat("CASE WHEN 1 THEN ", n)+"1"+strings.Repeat(" END", n),
			strings.Repeat("SELECT * FROM (", n)+"SELECT 1"+strings.Repeat(")", n),
			"SELECT 1"+strings.Repeat(" UNION ALL SELECT 1", n),
			"SELECT "+strings.Repeat("(SELECT ", n)+"1"+strings.Repeat(")", n),
			"SELECT 1 WHERE "+strings.Repeat("EXISTS (SELECT 1 WHERE ", n)+"1"+strings.Repeat(")", n),
			"SELECT json('"+strings.Repeat("[", n)+strings.Repeat("]", n)+"')",
			"SELECT json('"+strings.Repeat(`{"a":`, n)+"1"+strings.Repeat("}", n)+"')",
			"SELECT 1 "+strings.Repeat("COLLATE nocase ", n),
			"SELECT '1'"+strings.Repeat("||'1'", n),
			"WITH "+joined(n, func(i int) string { return fmt.Sprintf("c%d AS (SELECT * FROM c%d)", i, i+1) })+" SELECT * FROM c0",
			"SELECT * FROM docs WHERE docs MATCH '"+strings.Repeat("(", n)+"a"+strings.Repeat(")", n)+"'",
			"SELECT * FROM docs WHERE docs MATCH 'a"+strings.Repeat(" OR a", n)+"'",
		)
	}
	return all
}

func joined(n int, part func(int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = part(i)
	}
	return strings.Join(parts, ", ")
}

// width is many of something.
func width() []string {
	number := func(i int) string { return fmt.Sprint(i) }
	column := func(i int) string { return fmt.Sprintf("c%d INTEGER DEFAULT (c%d) CHECK (c%d > 0)", i, i, i) }
	plain := func(i int) string { return fmt.Sprintf("c%d", i) }
	return []string{
		"SELECT 1 WHERE 5 IN (" + joined(100000, number) + ")", "SELECT " + joined(2000, number), "SELECT " + joined(2001, number), "SELECT max(" + joined(1000, number) + ")",
		"CREATE TABLE wide (" + joined(2000, plain) + ")", "CREATE TABLE wide (" + joined(2001, plain) + ")", "CREATE TABLE wide (" + joined(1500, column) + ")",
		"CREATE INDEX wide ON victim (" + joined(2000, func(i int) string { return fmt.Sprintf("a+%d", i) }) + ")",
		"SELECT * FROM " + joined(64, func(i int) string { return fmt.Sprintf("victim v%d", i) }), "SELECT * FROM " + joined(65, func(i int) string { return fmt.Sprintf("victim v%d", i) }),
		"SELECT count(*) FROM " + joined(30, func(i int) string { return fmt.Sprintf("victim v%d", i) }), "VALUES " + joined(20000, func(i int) string { return fmt.Sprintf("(%d)", i) }),
		"INSERT INTO victim (a) VALUES " + joined(20000, func(i int) string { return fmt.Sprintf("(%d)", i) }), "SELECT ?32766", "SELECT ?32767", "SELECT " + joined(2000, func(int) string { return "?" }),
		"SELECT '" + strings.Repeat("x", 5_000_000) + "'", "SELECT x'" + strings.Repeat("00", 3_000_000) + "'", "SELECT " + strings.Repeat("9", 1_000_000), "SELECT 0x" + strings.Repeat("f", 100_000),
		"SELECT 1e" + strings.Repeat("9", 100_000), "SELECT /*" + strings.Repeat("*", 3_000_000) + "*/ 1", "SELECT 1 --" + strings.Repeat("-", 3_000_000), strings.Repeat(" ", 4_000_000) + "SELECT 1",
		"SELECT \"" + strings.Repeat("i", 1_000_000) + "\"", "SELECT 1 AS [" + strings.Repeat("i", 1_000_000) + "]", "SELECT " + strings.Repeat("a.", 10_000) + "b", strings.Repeat("SELECT 1;", 50_000),
		"SELECT * FROM victim ORDER BY " + joined(2000, func(i int) string { return fmt.Sprintf("a+%d", i) }), "SELECT * FROM victim GROUP BY " + joined(500, func(i int) string { return fmt.Sprintf("a+%d", i) }),
		"SELECT " + joined(200, func(i int) string { return fmt.Sprintf("sum(a) OVER (ORDER BY a+%d)", i) }) + " FROM victim", "SELECT coalesce(" + joined(1001, func(int) string { return "NULL" }) + ")",
		"SELECT CASE a " + strings.Repeat("WHEN 1 THEN 2 ", 50_000) + "END FROM victim", "SELECT 1 WHERE " + strings.Repeat("1 OR ", 90) + "1", "SELECT * FROM victim WHERE " + strings.Repeat("a = 1 OR ", 20_000) + "0",
		"SELECT * FROM victim WHERE a BETWEEN " + strings.Repeat("1 AND ", 5000) + "2", "UPDATE victim SET " + joined(2000, func(int) string { return "a = 1" }),
	}
}
