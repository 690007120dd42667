package hostilesql

import "strings"

// text is what no keyboard types.
func text() []string {
	return []string{
		"", " ", ";", ";;;;", "--", "/*", "/**/", "'", "\"", "`", "[", "(", ")", "\x00", "SELECT\x001", "SELECT '\x00'", "SELECT 'a\x00b' || char(0)", "SELECT \xff\xfe", "SELECT '\xff\xfe\xfd'", "SELECT '\xed\xa0\x80'",
		"SELECT '\xf8\x88\x80\x80\x80'", "SELECT CAST(x'ff00ff' AS TEXT) LIKE CAST(x'ff%' AS TEXT)", "SELECT upper(CAST(x'c0c1f5ff' AS TEXT))", "SELECT length(char(1114112, -1, 55296, 0))", "SELECT unicode(CAST(x'f4908080' AS TEXT))",
		"SELECT substr(CAST(x'f0' AS TEXT), 1, 9223372036854775807)", "SELECT substr('abc', -9223372036854775808, -9223372036854775808)", "SELECT instr(x'00', ''), instr('', x'00')", "SELECT printf('%s%s%s%s%n%p%x', 1)", "SELECT printf(CAST(x'25ff' AS TEXT), 1)",
		"SELECT printf('%')", "SELECT printf('%-+#0,!llz')", "SELECT printf('%c', '\xff')", "SELECT 'a' LIKE CAST(x'25ff25' AS TEXT) ESCAPE CAST(x'ff' AS TEXT)", "\xef\xbb\xbfSELECT 1", "SELECT 1\u202e", "SELECT\u00a01", "SELECT '" + strings.Repeat("\xff", 100000) + "'",
		"SELECT json('{\"a\":\"\\ud800\"}')", "SELECT json(x'ffffffffffffffff')", "SELECT jsonb(x'cf00')", "SELECT json(x'0cfffffffb')", "SELECT json_extract(x'fbffffffff', '$.a')", "SELECT json_each.value FROM json_each(x'dbffffff7f00')", "SELECT json_type(randomblob(20))",
		"SELECT json_set(x'8c', '$.a', x'8c')", "SELECT jsonb_remove(x'ccff', '$[0]')", "SELECT json_valid(randomblob(100), 15)", "SELECT json_error_position(x'00ff')", "SELECT json('[1e999999999999]')", "SELECT json('{' || char(0) || '}')", "SELECT json_extract('{}', '$' || char(0))",
		"SELECT -9223372036854775808 / -1, -9223372036854775808 % -1, abs(-9223372036854775807 - 1)", "SELECT sum(9223372036854775807) FROM victim", "SELECT 1 << 9223372036854775807, 1 >> -9223372036854775808", "SELECT round(1e308, 1000000000), round(1, -2147483648)",
		"SELECT 9e999, -9e999, 9e999 - 9e999, CAST(9e999 AS INTEGER)", "SELECT CAST('0x7fffffffffffffffffff' AS INTEGER)", "SELECT 1/0, 1%0, 1.0/0", "SELECT sqlite_compileoption_get(2147483647)", "SELECT likely(unlikely(likelihood(1, 2.0)))",
		"SELECT zeroblob(-1), randomblob(-9223372036854775808), char()", "SELECT sqlite_offset(a) FROM victim", "SELECT subtype(json('[]')), sqlite_source_id()", "SELECT nth_value(a, 0) OVER () FROM victim", "SELECT lead(a, -9223372036854775808) OVER () FROM victim",
		"SELECT sum(a) OVER (ROWS BETWEEN -1 PRECEDING AND 1 FOLLOWING) FROM victim", "SELECT sum(a) OVER (RANGE BETWEEN 1e308 PRECEDING AND 9e999 FOLLOWING) FROM victim", "SELECT percentile(a, 1e9) FROM victim",
	}
}

// settings try to change what is shared, or to reach what is outside.
func settings() []string {
	all := []string{
		"ATTACH '/etc/passwd' AS p", "ATTACH ':memory:' AS m", "ATTACH 'file:/dev/zero?mode=ro' AS z", "DETACH main", "SELECT load_extension('libc.so.6')", "SELECT load_extension('a', 'b')", "SELECT fts3_tokenizer('x', x'4141414141414141')",
		"SELECT readfile('/etc/passwd')", "SELECT writefile('hostile.txt', 'x')", "SELECT edit('x')", "VACUUM", "VACUUM INTO 'hostile.db'", "VACUUM INTO zeroblob(100)", "BEGIN", "COMMIT", "ROLLBACK", "END", "SAVEPOINT a", "RELEASE a", "ROLLBACK TO a", "SAVEPOINT _tg_job",
		"RELEASE _tg_job", "BEGIN EXCLUSIVE", "SELECT * FROM pragma_journal_mode('delete')", "SELECT * FROM pragma_wal_checkpoint", "SELECT * FROM sqlite_dbpage", "UPDATE sqlite_dbpage SET data = zeroblob(4096)", "SELECT * FROM sqlite_stmt", "SELECT * FROM dbstat",
		"DELETE FROM sqlite_schema", "UPDATE sqlite_schema SET sql = 'x'", "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 99999, 'CREATE TABLE x (a)')", "DROP TABLE sqlite_schema", "CREATE TABLE sqlite_x (a)", "ALTER TABLE sqlite_schema RENAME TO x", "DELETE FROM sqlite_stat1",
		"SELECT sqlite_rename_table('main','table','x','CREATE TABLE x(a)','x','y',0)", "SELECT sqlite_rename_column('a','b','c','d','e',0,'f',0,0)", "SELECT sqlite_drop_column(0,'CREATE TABLE x(a)',-1)", "CREATE TEMP TABLE x (a)", "CREATE TABLE temp.x (a)", "CREATE TEMP TRIGGER x AFTER INSERT ON victim BEGIN SELECT 1; END",
		"SELECT last_insert_rowid(), changes(), total_changes()",
	}
	for _, name := range strings.Fields("writable_schema journal_mode locking_mode synchronous cache_size temp_store mmap_size page_size max_page_count wal_autocheckpoint wal_checkpoint integrity_check foreign_keys query_only trusted_schema cell_size_check recursive_triggers reverse_unordered_selects schema_version user_version application_id encoding auto_vacuum incremental_vacuum optimize shrink_memory soft_heap_limit hard_heap_limit threads busy_timeout temp_store_directory data_store_directory hexkey key rekey default_cache_size empty_result_callbacks full_column_names legacy_alter_table ignore_check_constraints secure_delete stats read_uncommitted cache_spill case_sensitive_like count_changes data_version database_list analysis_limit checkpoint_fullfsync") {
		all = append(all, "PRAGMA "+name, "PRAGMA "+name+" = -9223372036854775808", "PRAGMA main."+name+"('x')", "SELECT * FROM pragma_"+name)
	}
	return all
}

// modules feeds virtual tables what they do not expect.
func modules() []string {
	return []string{
		"SELECT * FROM docs WHERE docs MATCH '\"'", "SELECT * FROM docs WHERE docs MATCH 'NEAR(' ", "SELECT * FROM docs WHERE docs MATCH 'NEAR(a b, 99999999999)'", "SELECT * FROM docs WHERE docs MATCH '* ^ - : { }'", "SELECT * FROM docs WHERE docs MATCH char(0)", "SELECT * FROM docs WHERE docs MATCH zeroblob(1000000)",
		"SELECT * FROM docs WHERE docs MATCH printf('%.*c', 100000, '\"')", "SELECT * FROM docs WHERE rowid MATCH 'a'", "SELECT * FROM docs('{t}: a AND (b OR (c NOT d))')", "SELECT bm25(docs, 9e999), highlight(docs, 0, '<', '>') FROM docs WHERE docs MATCH 'a*'", "SELECT snippet(docs, -1, '', '', '', 2147483647) FROM docs WHERE docs MATCH 'a'",
		"SELECT bm25(victim) FROM victim", "INSERT INTO docs (docs) VALUES ('rebuild')", "INSERT INTO docs (docs) VALUES ('integrity-check')", "INSERT INTO docs (docs, rank) VALUES ('pgsz', -1)", "INSERT INTO docs (docs, rank) VALUES ('pgsz', 2147483647)", "INSERT INTO docs (docs, rank) VALUES ('merge', -2147483648)",
		"INSERT INTO docs (docs, rank) VALUES ('automerge', 1000000)", "INSERT INTO docs (docs, rank) VALUES ('crisismerge', -1)", "INSERT INTO docs (docs) VALUES ('optimize')", "INSERT INTO docs (docs) VALUES (zeroblob(10))", "INSERT INTO docs (docs) VALUES ('delete-all')", "DELETE FROM docs_data", "UPDATE docs_data SET block = randomblob(length(block))",
		"UPDATE docs_config SET v = 99", "DROP TABLE docs_data", "INSERT INTO docs (rowid, t) VALUES (9223372036854775807, 'a')", "INSERT INTO docs (rowid, t) VALUES (-9223372036854775808, zeroblob(1000))", "INSERT INTO docs (t) " + forever + "SELECT hex(randomblob(100)) FROM n", "CREATE VIRTUAL TABLE x USING fts5()", "CREATE VIRTUAL TABLE x USING fts5(a, tokenize='unicode61 categories x')",
		"CREATE VIRTUAL TABLE x USING fts5(a, content='x')", "CREATE VIRTUAL TABLE x USING fts5(a, prefix='1 2 3 4 5 6 7 8 9 99999999')", "CREATE VIRTUAL TABLE x USING fts5(rank, rowid, rank)", "CREATE VIRTUAL TABLE x USING fts5vocab(docs, row)", "CREATE VIRTUAL TABLE x USING fts5vocab(x, instance)", "CREATE VIRTUAL TABLE x USING fts5(" + strings.Repeat("a,", 3000) + "b)",
		"CREATE VIRTUAL TABLE x USING rtree(a)", "CREATE VIRTUAL TABLE x USING rtree(" + strings.Repeat("a,", 12) + "b)", "INSERT INTO box VALUES (1, 9e999, -9e999)", "INSERT INTO box VALUES ('x', zeroblob(10), 'nan')", "INSERT INTO box " + forever + "SELECT i, i, i+1 FROM n", "SELECT * FROM box WHERE lo MATCH zeroblob(40)", "SELECT * FROM box WHERE id MATCH x'00'",
		"SELECT rtreecheck('box'), rtreecheck('main', 'victim'), rtreedepth(x'ffff'), rtreenode(9999, x'00000fff')", "SELECT rtreenode(-1, randomblob(1000))", "UPDATE box_node SET data = x'ffffffffff'", "DELETE FROM box_parent", "CREATE VIRTUAL TABLE x USING json_each('[1]')", "CREATE VIRTUAL TABLE x USING pragma_table_info", "CREATE VIRTUAL TABLE x USING nothing(a)", "CREATE VIRTUAL TABLE x USING sqlite_dbpage",
		"SELECT * FROM json_tree('[[[[]]]]') a, json_tree(a.value) b, json_tree(b.value) c", "SELECT * FROM json_each('{}', '$.a.b.c[9999999999999]')", "SELECT * FROM json_tree(zeroblob(1000000))", million + "SELECT count(*) FROM n, json_each('[1,2,3,4,5,6,7,8]'), json_each('[1,2,3,4,5,6,7,8]')",
		"SELECT * FROM pragma_table_info(hex(zeroblob(1000000)))", "SELECT * FROM pragma_table_xinfo('victim') a, pragma_table_xinfo('victim') b, pragma_function_list c, pragma_function_list d, pragma_function_list e", "SELECT * FROM geopoly_x", "SELECT fts5(NULL), fts5_source_id(), fts5_locale(1, 2), fts5_get_locale(docs, 0) FROM docs", "SELECT fts5_insttoken(zeroblob(1000000))",
	}
}

// schema are definitions that bite whoever uses them.
func schema() []string {
	return []string{
		"CREATE VIEW loop2 AS SELECT * FROM loop2", "CREATE VIEW v AS SELECT * FROM (SELECT * FROM victim, victim, victim)", "CREATE TRIGGER t AFTER INSERT ON victim BEGIN INSERT INTO victim (a) VALUES (NEW.a+1); END", "CREATE TRIGGER t BEFORE INSERT ON victim BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
		"CREATE TRIGGER t AFTER INSERT ON victim BEGIN SELECT load_extension('x'); END", "CREATE TRIGGER t AFTER INSERT ON victim BEGIN ATTACH 'x' AS y; END", "CREATE TRIGGER t AFTER DELETE ON chain BEGIN " + strings.Repeat("DELETE FROM chain; ", 10000) + "END", "CREATE TABLE g (a AS (b), b AS (a))", "CREATE TABLE g (a INTEGER AS (a+1))",
		"CREATE TABLE g (a, b AS (hex(zeroblob(a))) STORED)", "CREATE TABLE g (a DEFAULT (" + strings.Repeat("abs(", 99) + "1" + strings.Repeat(")", 99) + "))", "CREATE TABLE g (a CHECK (a IN (SELECT 1)))", "CREATE INDEX i ON victim (a) WHERE a IN (SELECT a FROM victim)", "CREATE INDEX i ON victim (random())", "CREATE INDEX i ON victim (a COLLATE nothing)",
		"CREATE TABLE g (a PRIMARY KEY, a PRIMARY KEY)", "CREATE TABLE g (a REFERENCES g(a) ON DELETE CASCADE ON UPDATE CASCADE, PRIMARY KEY (a)) WITHOUT ROWID", "ALTER TABLE victim RENAME TO \"" + strings.Repeat("x", 100000) + "\"", "ALTER TABLE victim ADD COLUMN c DEFAULT (random())", "ALTER TABLE victim DROP COLUMN a", "ALTER TABLE victim RENAME a TO t",
		"ALTER TABLE victim ADD COLUMN c REFERENCES nothing DEFAULT 1", "DROP TABLE victim", "DROP VIEW loop", "DROP INDEX sqlite_autoindex_victim_1", "CREATE TABLE x AS SELECT * FROM loop", "CREATE TABLE \"\" (\"\")", "CREATE TABLE [\x00] (a)", "CREATE TABLE x (\"a\nb\", 'a\tb', [a]]b])", "CREATE TABLE IF NOT EXISTS victim (z)", "CREATE UNIQUE INDEX u ON victim (0)",
		"INSERT INTO victim SELECT * FROM victim", "INSERT INTO victim DEFAULT VALUES RETURNING *, (" + forever + "SELECT count(*) FROM n)", "INSERT OR ROLLBACK INTO victim (a) VALUES (1)", "INSERT OR REPLACE INTO victim (a) SELECT a FROM victim", "UPDATE OR ROLLBACK victim SET a = 1", "REPLACE INTO victim (a, u) VALUES (1, 1), (2, 1)", "UPDATE victim SET (a, b) = (SELECT 1)",
		"UPDATE victim SET a = a FROM victim b, victim c, victim d, victim e", "DELETE FROM victim RETURNING (SELECT count(*) FROM victim a, victim b, victim c, victim d)", "INSERT INTO victim (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = excluded.nothing", "INSERT INTO _tg_x VALUES (1)", "CREATE TABLE _tg_hostile (a)", "CREATE TRIGGER _tg_t AFTER INSERT ON victim BEGIN SELECT 1; END",
	}
}

// nonsense is what a generator of words would send.
func nonsense() []string {
	return []string{
		"SELECT", "SELECT FROM", "SELECT * FROM", "INSERT", "INSERT INTO", "UPDATE", "DELETE", "WITH", "WITH x", "EXPLAIN", "EXPLAIN EXPLAIN SELECT 1", "PRAGMA", "CREATE", "ALTER", "DROP", "VALUES", "VALUES (", "SELECT 1 1", "SELECT * * *", "SELECT SELECT", "SELECT 1 FROM 1", "SELECT ??", "SELECT ?0", "SELECT ?99999999999", "SELECT :", "SELECT @a, $b, :c, ?5",
		"SELECT 'unterminated", "SELECT \"unterminated", "SELECT 1 /* unterminated", "SELECT x'0'", "SELECT x'zz'", "SELECT 0x", "SELECT 1e", "SELECT .", "SELECT 1..2", "SELECT #", "SELECT a.b.c.d FROM victim", "SELECT * FROM nowhere", "SELECT nothing()", "SELECT count(*) OVER w FROM victim", "SELECT a FROM victim WINDOW w AS (w)", "SELECT 1 ORDER BY 99", "SELECT 1 LIMIT 'x'", "SELECT 1 LIMIT 1 OFFSET -9223372036854775808",
		"select 1;select 2", "SELECT 1;\x00SELECT 2", "SELECT 1; DROP TABLE victim", "SELECT * FROM victim NATURAL JOIN victim NATURAL FULL OUTER JOIN victim", "SELECT * FROM victim RIGHT JOIN victim USING (nothing)", "SELECT * FROM (VALUES (1), (2, 3))", "SELECT 1 UNION SELECT 1, 2", "SELECT * FROM victim INDEXED BY nothing", "SELECT a FROM victim GROUP BY a HAVING max(max(a))", "SELECT count(a, b) FROM victim", "SELECT (1, 2) = (1, 2, 3)", "SELECT (SELECT 1, 2)",
	}
}
