package convert_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/testconn"
)

// open returns a connection as a migration has it: foreign keys off, the engine's own tables open.
func open(t testing.TB) *sqlite.Conn {
	t.Helper()
	c := testconn.Open(t, filepath.Join(t.TempDir(), "trading.db"))
	c.SetGuard(sqlite.Guard{Migration: true})
	testconn.Exec(t, c, "PRAGMA foreign_keys = OFF")
	return c
}

func text(t testing.TB, c *sqlite.Conn, sql string) string {
	t.Helper()
	s, err := c.QueryText(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}

func parse(t testing.TB, s string) *convert.Directive {
	t.Helper()
	d, err := convert.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func options() convert.Options {
	return convert.Options{Component: "main", Version: 8, Now: time.Unix(1, 0)}
}

// schema is every object with its text, ours left out.
func schema(t testing.TB, c *sqlite.Conn) string {
	t.Helper()
	return text(t, c, `SELECT group_concat(type || ' ' || name || ': ' || coalesce(sql, ''), char(10) ORDER BY type, name) FROM sqlite_schema WHERE tbl_name NOT LIKE '\_tg\_%' ESCAPE '\'`)
}

// dump is every value of a table with its storage class; columns in the order of their names, so that a moved one is the same.
func dump(t testing.TB, c *sqlite.Conn, table string) string {
	t.Helper()
	columns := text(t, c, "SELECT group_concat('typeof(\"' || name || '\") || quote(\"' || name || '\")', ' || ''|'' || ' ORDER BY name) FROM pragma_table_xinfo('"+table+"')")
	return text(t, c, "SELECT group_concat(x, char(10) ORDER BY x) FROM (SELECT "+columns+" AS x FROM "+table+")")
}

func apply(t testing.TB, c *sqlite.Conn, d *convert.Directive) convert.Result {
	t.Helper()
	testconn.Exec(t, c, "BEGIN IMMEDIATE")
	r, err := convert.Apply(t.Context(), c, d, options())
	if err != nil {
		t.Fatal(err)
	}
	testconn.Exec(t, c, "COMMIT")
	return r
}

func revert(t testing.TB, c *sqlite.Conn, d *convert.Directive) convert.Result {
	t.Helper()
	testconn.Exec(t, c, "BEGIN IMMEDIATE")
	r, err := convert.Revert(t.Context(), c, d, options())
	if err != nil {
		t.Fatal(err)
	}
	testconn.Exec(t, c, "COMMIT")
	return r
}

// world is a table with everything around it that a conversion must not disturb.
func world(t testing.TB, c *sqlite.Conn, column string) {
	t.Helper()
	testconn.Exec(t, c, `CREATE TABLE trades (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- price, it is not: (
  sym TEXT NOT NULL COLLATE NOCASE,
  `+column+`,
  note TEXT DEFAULT 'a, "b" (price)',
  twice INTEGER GENERATED ALWAYS AS (id * 2) VIRTUAL
)`, "CREATE TABLE fills (id INTEGER PRIMARY KEY, trade INTEGER NOT NULL REFERENCES trades (id) ON DELETE CASCADE)",
		"CREATE TABLE log (what TEXT)",
		"CREATE INDEX by_price ON trades (price) WHERE price IS NOT NULL", "CREATE INDEX by_sym ON trades (sym)",
		"CREATE VIEW v AS SELECT id, price FROM trades", "CREATE VIEW vv AS SELECT price FROM v",
		"CREATE TRIGGER changed AFTER UPDATE ON trades BEGIN INSERT INTO log VALUES ('u' || new.price); END",
		"CREATE TRIGGER added AFTER INSERT ON trades BEGIN INSERT INTO log VALUES ('i'); END",
		"CREATE TRIGGER through INSTEAD OF INSERT ON vv BEGIN INSERT INTO trades (sym, price) VALUES ('x', new.price); END")
}

func TestConvertKeepsEverythingAround(t *testing.T) {
	t.Parallel()
	for method, column := range map[convert.Method]string{
		convert.InPlace: "price TEXT NOT NULL DEFAULT '0.50'",
		convert.Rebuild: "price TEXT NOT NULL DEFAULT '0.50' CHECK (price <> 0)",
	} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			c := open(t)
			world(t, c, column)
			testconn.Exec(t, c, "INSERT INTO trades (id, sym, price) VALUES (1, 'A', '1.5'), (5, 'b', '-0.000001'), (7, 'c', '00012.50'), (8, 'd', '922337203685.4')",
				"INSERT INTO trades (sym) VALUES ('e')", "INSERT INTO fills VALUES (1, 1), (2, 5), (3, 9)", "DELETE FROM trades WHERE id = 8", "DELETE FROM log")
			before, rows, children := schema(t, c), dump(t, c, "trades"), dump(t, c, "fills")
			d := parse(t, "trades.price TEXT -> INTEGER using dec(6)")
			r := apply(t, c, d)
			if r.Method != method || r.Rows != 4 || r.Kept != 2 || r.Lossy != 0 {
				t.Errorf("got %+v", r)
			}
			if got := text(t, c, "SELECT group_concat(price ORDER BY id) FROM trades WHERE typeof(price) = 'integer'"); got != "1500000,-1,12500000,500000" {
				t.Errorf("converted to %s", got)
			}
			if got := text(t, c, "SELECT count(*) FROM log"); got != "0" {
				t.Errorf("triggers fired %s times", got)
			}
			if dump(t, c, "fills") != children || text(t, c, "SELECT seq FROM sqlite_sequence WHERE name = 'trades'") != "9" {
				t.Error("children or sequence are not what they were")
			}
			now := schema(t, c)
			for _, line := range strings.Split(before, "\n") {
				if name := strings.Fields(line); len(name) > 1 && (name[0] == "index" || name[0] == "trigger" || name[0] == "view") && !strings.Contains(now, line) {
					t.Errorf("lost: %s", line)
				}
			}
			testconn.Exec(t, c, "PRAGMA foreign_keys = ON", "INSERT INTO trades (sym) VALUES ('A')", "INSERT INTO vv VALUES (77)")
			if got := text(t, c, "SELECT group_concat(price ORDER BY id) || (SELECT count(*) FROM log) || (SELECT max(id) FROM trades) FROM trades WHERE id > 9"); got != "500000,77211" {
				t.Errorf("default, triggers and sequence afterwards: %s", got)
			}
			if err := c.Exec("INSERT INTO trades (sym, price) VALUES ('A', NULL)"); sqlite.ClassOf(err) != sqlite.Constraint {
				t.Errorf("NOT NULL is gone: %v", err)
			}
			testconn.Exec(t, c, "DELETE FROM trades WHERE id > 9", "PRAGMA foreign_keys = OFF")
			if r := revert(t, c, d); r.Restored != 2 || r.Rows != 4 {
				t.Errorf("got %+v", r)
			}
			if got := schema(t, c); got != before {
				t.Errorf("the schema came back as\n%s\nof\n%s", got, before)
			}
			if got := dump(t, c, "trades"); got != rows {
				t.Errorf("the rows came back as\n%s\nof\n%s", got, rows)
			}
			if n := text(t, c, "SELECT count(*) FROM _tg_quarantine"); n != "0" || dump(t, c, "fills") != children {
				t.Errorf("%s rows are left aside", n)
			}
			if got := text(t, c, "PRAGMA integrity_check"); got != "ok" {
				t.Error(got)
			}
		})
	}
}

// malformed are values that no price is.
func malformed(i int) string {
	list := []string{"'12abc'", "''", "' 1.5'", "'1,5'", "'1e3'", "x'312e35'", "'99999999999999'", "'0.1234567'", "'NaN'", "'0x10'"}
	return list[i%len(list)]
}

// many fills a table of n rows of which bad ones are malformed, and returns its content as a hash of SQLite's own making.
func many(t testing.TB, c *sqlite.Conn, n, bad int) {
	t.Helper()
	testconn.Exec(t, c, "CREATE TABLE trades (id INTEGER PRIMARY KEY, price TEXT, qty INTEGER)", "BEGIN",
		fmt.Sprintf("WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < %d) INSERT INTO trades SELECT i, printf('%%d.%%02d', i %% 9973, i %% 100), i %% 7 FROM g", n))
	for i := range bad {
		testconn.Exec(t, c, fmt.Sprintf("UPDATE trades SET price = %s WHERE id = %d", malformed(i), 1+i*(n/bad)))
	}
	testconn.Exec(t, c, "UPDATE trades SET price = NULL WHERE id = 2", "COMMIT")
}

// fingerprint is every byte and storage class of the column.
func fingerprint(t testing.TB, c *sqlite.Conn) string {
	t.Helper()
	s, err := c.Prepare("SELECT id, typeof(price), hex(price), price IS NULL, qty FROM trades ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	sum, rows := uint64(14695981039346656037), 0
	var row sqlite.Row
	for {
		more, err := s.Step()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return fmt.Sprint(rows, " ", sum)
		}
		if err := s.Row(&row); err != nil {
			t.Fatal(err)
		}
		rows++
		for _, v := range row.Values {
			for _, b := range fmt.Appendf(nil, "%d %d %s;", v.Type, v.Int, v.Bytes) {
				sum = (sum ^ uint64(b)) * 1099511628211
			}
		}
	}
}

// A hundred malformed prices: abort names each of them and changes nothing, quarantine keeps them, and down brings every byte back.
func TestHundredMalformedValues(t *testing.T) {
	t.Parallel()
	n := 20_000
	if os.Getenv("TIDEGATE_TORTURE") == "1" {
		n = 1_000_000
	}
	c := open(t)
	many(t, c, n, 100)
	before, shape := fingerprint(t, c), schema(t, c)

	strict := parse(t, "trades.price TEXT -> INTEGER using dec(6) on_loss=abort")
	a, err := convert.Analyse(t.Context(), c, strict, options())
	if err != nil || a.Lossy != 100 || a.Nulls != 1 || a.Rows != int64(n) || len(a.First) != 100 || a.First[1].Key != fmt.Sprint(1+n/100) {
		t.Errorf("analysis %+v, %v", a, err)
	}
	testconn.Exec(t, c, "BEGIN IMMEDIATE")
	_, err = convert.Apply(t.Context(), c, strict, options())
	testconn.Exec(t, c, "ROLLBACK")
	var loss *convert.LossError
	if !errors.As(err, &loss) || !errors.Is(err, convert.ErrLoss) || loss.Lossy != 100 || len(loss.First) != 100 || loss.Rows != int64(n) {
		t.Fatalf("got %v", err)
	}
	for i, l := range loss.First {
		if l.Key != fmt.Sprint(1+i*(n/100)) || l.Reason == "" {
			t.Errorf("loss %d is %+v", i, l)
		}
	}
	if strings.Contains(err.Error(), "12abc") {
		t.Errorf("the error tells a value: %v", err)
	}
	if fingerprint(t, c) != before || schema(t, c) != shape {
		t.Error("an aborted conversion changed the table")
	}

	kind := parse(t, "trades.price TEXT -> INTEGER using dec(6) on_loss=quarantine")
	r := apply(t, c, kind)
	if r.Lossy != 100 || r.Method != convert.InPlace {
		t.Errorf("got %+v", r)
	}
	if got := text(t, c, "SELECT count(*) || ' ' || count(DISTINCT row_key) || ' ' || sum(typeof(old) = 'blob') || ' ' || sum(new IS NULL) FROM _tg_quarantine WHERE kind = 'loss'"); got != "100 100 10 100" {
		t.Errorf("quarantine has %s", got)
	}
	if got := text(t, c, "SELECT count(*) FROM trades WHERE typeof(price) NOT IN ('integer', 'null')"); got != "0" {
		t.Errorf("%s prices are no integers", got)
	}
	if r := revert(t, c, kind); r.Restored != r.Rows-int64(n)+100+mustSpelled(n) {
		t.Errorf("got %+v", r)
	}
	if fingerprint(t, c) != before || schema(t, c) != shape {
		t.Error("down did not bring every byte back")
	}
}

// mustSpelled counts the prices that are written with a zero at the end, 1.50 or 1.00: those come back as 1.5 and 1 and have to be kept.
func mustSpelled(n int) int64 {
	bad := map[int]bool{2: true}
	for i := range 100 {
		bad[1+i*(n/100)] = true
	}
	spelled := int64(0)
	for i := 1; i <= n; i++ {
		if i%10 == 0 && !bad[i] {
			spelled++
		}
	}
	return spelled
}

// What was written after the conversion is not overwritten by what had been there before.
func TestRevertRespectsLaterWrites(t *testing.T) {
	t.Parallel()
	c := open(t)
	testconn.Exec(t, c, "CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT)", "INSERT INTO t VALUES (1, '1.50'), (2, 'junk'), (3, '2.50'), (4, 'junk'), (5, '3')")
	d := parse(t, "t.p TEXT -> INTEGER using dec(2) on_loss=quarantine")
	apply(t, c, d)
	testconn.Exec(t, c, "UPDATE t SET p = 199 WHERE id IN (1, 2)", "DELETE FROM t WHERE id = 4", "INSERT INTO t VALUES (9, -5)")
	revert(t, c, d)
	if got := text(t, c, "SELECT group_concat(id || '=' || quote(p), ' ' ORDER BY id) FROM t"); got != "1='1.99' 2='1.99' 3='2.50' 5='3' 9='-0.05'" {
		t.Error(got)
	}
	// What has no counterpart in the old type is named, not dropped.
	e := parse(t, "t.p TEXT -> INTEGER using enum('1.99'=1, '2.50'=2, '3'=3, '-0.05'=4)")
	apply(t, c, e)
	testconn.Exec(t, c, "UPDATE t SET p = 5 WHERE id = 9", "BEGIN IMMEDIATE")
	_, err := convert.Revert(t.Context(), c, e, options())
	testconn.Exec(t, c, "ROLLBACK")
	var loss *convert.LossError
	if !errors.As(err, &loss) || loss.Lossy != 1 || loss.First[0].Key != "9" {
		t.Errorf("got %v", err)
	}
}

func TestConvertRebuildsWhereItMust(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ schema, rows, directive, want, why string }{
		"without rowid": {"CREATE TABLE t (a TEXT, b TEXT, p TEXT, PRIMARY KEY (b DESC, a)) STRICT, WITHOUT ROWID", "('x', 'y', '1.10'), ('x', 'z', '2')",
			"t.p TEXT -> INTEGER using dec(2)", "x|y|110;x|z|200", "WITHOUT ROWID"},
		"primary key": {"CREATE TABLE t (p TEXT PRIMARY KEY, n INT)", "('7', 1), ('05', 2)", "t.p TEXT -> INTEGER using int", "5|2;7|1", "primary key"},
		"key of a table without rowid": {"CREATE TABLE t (p TEXT NOT NULL PRIMARY KEY, n INT) WITHOUT ROWID", "('2020-01-01T00:00:00Z', 1), ('2020-01-01T02:00:01+02:00', 2)",
			"t.p TEXT -> INTEGER using time(rfc3339, unix_ms)", "1577836800000|1;1577836801000|2", "WITHOUT ROWID"},
		"unique":           {"CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT UNIQUE)", "(1, 'A'), (2, 'B')", "t.p TEXT -> INTEGER using enum(A=1,B=2)", "1|1;2|2", "UNIQUE"},
		"table constraint": {"CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT, q INT, CHECK (p <> q))", "(1, '3.00', 9)", "t.p TEXT -> INTEGER using dec(0)", "1|3|9", "constraint"},
		"generated":        {"CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT, g AS (p || '!'))", "(1, '3')", "t.p TEXT -> INTEGER using int", "1|3|3!", "generated"},
		"foreign key": {"CREATE TABLE t (id TEXT PRIMARY KEY, p TEXT REFERENCES t (id))", "('a', NULL), ('b', 'a')", "t.p TEXT -> BLOB using blob",
			"a|;b|a", "foreign key"},
		"on conflict":  {"CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT NOT NULL ON CONFLICT IGNORE)", "(1, '7')", "t.p TEXT -> INTEGER using int", "1|7", "conflict"},
		"named":        {"CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT CONSTRAINT always NOT NULL)", "(1, '7')", "t.p TEXT -> INTEGER using int", "1|7", "name"},
		"asked for":    {"CREATE TABLE t (p TEXT, q INT)", "('yes', 1), ('F', 2)", "t.p TEXT -> INTEGER using bool position=keep", "0|2;1|1", "position"},
		"real rowids":  {"CREATE TABLE t (p REAL CHECK (p > 0), q INT)", "(19.99, 1), (0.1, 2)", "t.p REAL -> INTEGER using dec(6)", "100000|2;19990000|1", "CHECK"},
		"hidden rowid": {"CREATE TABLE t (rowid TEXT, p TEXT UNIQUE)", "('r', '1')", "t.p TEXT -> REAL using real", "r|1.0", "UNIQUE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := open(t)
			columns := strings.Contains(c.schema, "g AS")
			into := "INSERT INTO t VALUES "
			if columns {
				into = "INSERT INTO t (id, p) VALUES "
			}
			testconn.Exec(t, conn, c.schema, into+c.rows)
			before, rows := schema(t, conn), dump(t, conn, "t")
			rowids := ""
			if !strings.Contains(c.schema, "WITHOUT ROWID") && !strings.Contains(c.schema, "rowid") && name != "primary key" { // which is the rowid itself meanwhile
				rowids = text(t, conn, "SELECT group_concat(rowid ORDER BY rowid) FROM t")
			}
			d := parse(t, c.directive)
			a, err := convert.Analyse(t.Context(), conn, d, options())
			if err != nil || a.Method != convert.Rebuild || !strings.Contains(a.Why, c.why) {
				t.Errorf("analysis %+v, %v", a, err)
			}
			if r := apply(t, conn, d); r.Method != convert.Rebuild {
				t.Errorf("got %+v", r)
			}
			list := text(t, conn, "SELECT group_concat('coalesce(\"' || name || '\", '''')', ' || ''|'' || ') FROM pragma_table_xinfo('t')")
			if got := text(t, conn, "SELECT group_concat(x, ';' ORDER BY x) FROM (SELECT "+list+" AS x FROM t)"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			revert(t, conn, d)
			if got := schema(t, conn); got != before {
				t.Errorf("the schema came back as\n%s\nof\n%s", got, before)
			}
			if got := dump(t, conn, "t"); got != rows {
				t.Errorf("the rows came back as\n%s\nof\n%s", got, rows)
			}
			if rowids != "" && text(t, conn, "SELECT group_concat(rowid ORDER BY rowid) FROM t") != rowids {
				t.Error("rowids are others")
			}
		})
	}
}

// With foreign keys on a rebuild would delete the children of the table.
func TestRebuildRefusesForeignKeysOn(t *testing.T) {
	t.Parallel()
	c := open(t)
	testconn.Exec(t, c, "PRAGMA foreign_keys = ON", "CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT UNIQUE)", "CREATE TABLE k (t INTEGER REFERENCES t ON DELETE CASCADE)",
		"INSERT INTO t VALUES (1, '1')", "INSERT INTO k VALUES (1)", "BEGIN IMMEDIATE")
	if _, err := convert.Apply(t.Context(), c, parse(t, "t.p TEXT -> INTEGER using int"), options()); !errors.Is(err, convert.ErrSchema) || !strings.Contains(err.Error(), "cascade") {
		t.Errorf("got %v", err)
	}
	testconn.Exec(t, c, "ROLLBACK")
	if text(t, c, "SELECT count(*) FROM k") != "1" {
		t.Error("a child is gone")
	}
}

// Failing or being killed at any statement leaves the table as it was once the caller has rolled back: nothing is outside the transaction.
func TestConvertStopsWithTheContext(t *testing.T) {
	t.Parallel()
	c := open(t)
	many(t, c, 20_000, 100)
	before := fingerprint(t, c)
	cause := errors.New("enough")
	d := parse(t, "trades.price TEXT -> INTEGER using dec(6) on_loss=quarantine")
	for stop := 1; ; stop++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		opt, seen := options(), 0
		opt.Progress = func(convert.Progress) {
			if seen++; seen == stop {
				cancel(cause)
			}
		}
		testconn.Exec(t, c, "BEGIN IMMEDIATE")
		_, err := convert.Apply(ctx, c, d, opt)
		cancel(nil)
		testconn.Exec(t, c, "ROLLBACK")
		if fingerprint(t, c) != before {
			t.Fatalf("stopped at report %d: the table is not what it was", stop)
		}
		if err == nil {
			if stop < 8 {
				t.Errorf("only %d reports", stop)
			}
			return
		}
		if !errors.Is(err, cause) {
			t.Fatalf("got %v", err)
		}
	}
}
