package change_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/sdk/contract"
)

// TestTableThatComesWithRows: a table that a rule watches may come into being with rows that no hook tells of.
func TestTableThatComesWithRows(t *testing.T) {
	t.Parallel()
	for name, script := range map[string][]string{
		"create as":        {"CREATE TABLE trades AS SELECT id, qty FROM staged"},
		"create as, later": {"INSERT INTO staged VALUES (3, -3)", "CREATE TABLE Trades AS SELECT id, qty FROM staged", "DELETE FROM staged"},
		"renamed":          {"ALTER TABLE staged RENAME TO trades"},
		"renamed, in case": {"ALTER TABLE staged RENAME TO TRADES"},
	} {
		r := build(t, change.Config{Source: &set{list: []contract.Rule{watch(positive(), "trades", "id", "qty")}}}, "CREATE TABLE staged (id INTEGER PRIMARY KEY, qty INTEGER)", "INSERT INTO staged VALUES (1, 1), (2, -2)")
		err := error(nil)
		for _, sql := range script {
			if err = r.do(t, sql); err != nil {
				break
			}
		}
		if !errors.Is(err, change.ErrFault) || !strings.Contains(err.Error(), "make it empty and INSERT") {
			t.Errorf("%s: %v", name, err)
		}
		if got := r.all(t, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'trades'"); got != "0" {
			t.Errorf("%s: the table is there", name)
		}
		must(t, r.do(t, "DELETE FROM staged"))
		must(t, r.do(t, "ALTER TABLE staged RENAME TO trades"))
		if err := r.do(t, "INSERT INTO trades VALUES (1, -1)"); !errors.Is(err, change.ErrRejected) {
			t.Errorf("%s: an empty one may come, and is watched then: %v", name, err)
		}
	}
}

// TestCommitMomentAndCollations: keys that the table's collation takes for the same are different rows to a rule that is asked at commit.
func TestCommitMomentAndCollations(t *testing.T) {
	t.Parallel()
	v := &rule{name: "r"}
	w := watch(v, "books", "code", "amount")
	w.When = contract.AtCommit
	r := build(t, change.Config{Source: &set{list: []contract.Rule{w}}}, "CREATE TABLE books (code TEXT COLLATE NOCASE PRIMARY KEY, amount INTEGER) WITHOUT ROWID", "INSERT INTO books VALUES ('A', 1)")
	v.take()
	if err := r.do(t, "REPLACE INTO books VALUES ('a', 5)"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(v.take(), "; "); got != "delete [A 1]<[]; insert [a 5]<[]" {
		t.Error(got)
	}
}

// TestRowsThatAreGoneAtOnce: a table whose trigger takes rows away again leaves nothing to judge, and nothing in memory either.
func TestRowsThatAreGoneAtOnce(t *testing.T) {
	r := build(t, change.Config{Source: &set{list: []contract.Rule{watch(&rule{name: "r"}, "inbox", "id", "body")}}}, "CREATE TABLE inbox (id INTEGER PRIMARY KEY, body TEXT)",
		"CREATE TRIGGER gone AFTER INSERT ON inbox BEGIN DELETE FROM inbox WHERE id = new.id; END")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	body := strings.Repeat("x", 8<<10)
	before := heap()
	for range 800 {
		if err := r.do(t, "INSERT INTO inbox (body) VALUES (?)", body); err != nil {
			t.Fatal(err)
		}
	}
	if after := heap(); after > before+16<<20 {
		t.Errorf("%d MB more than before", (after-before)>>20)
	}
}

// TestChecksAreAsChecksOfSQL: the expression sees values as the columns of the table hold them.
func TestChecksAreAsChecksOfSQL(t *testing.T) {
	t.Parallel()
	const columns = "CREATE TABLE trades (id INTEGER PRIMARY KEY, side TEXT COLLATE NOCASE, qty INTEGER, px NUMERIC, twice INTEGER GENERATED ALWAYS AS (qty * 2) VIRTUAL"
	const keyed = "CREATE TABLE trades (id INTEGER, side TEXT COLLATE NOCASE, qty INTEGER, px NUMERIC, twice INTEGER AS (qty * 2), PRIMARY KEY (side, id)"
	for _, expr := range []string{"side IN ('b', 's')", "qty > '3'", "qty < '30'", "px > 10", "px < 10", "twice = 10", "trades.qty = 5", "side = 'x'"} {
		for table, end := range map[string]string{columns: ")", keyed: ") WITHOUT ROWID"} {
			ours := build(t, change.Config{Checks: []change.Check{{Table: "trades", Expr: expr}}}, table+end)
			theirs := build(t, change.Config{}, table+", CHECK ("+expr+")"+end)
			const row = "INSERT INTO trades VALUES (1, 'B', 5, '7')"
			a, b := ours.do(t, row), theirs.do(t, row)
			if (a == nil) != (b == nil) || a != nil && !errors.Is(a, change.ErrRejected) {
				t.Errorf("%s, %s: %v, a CHECK says %v", expr, end, a, b)
			}
		}
	}
}

// TestStatementsFromBefore: SQLite empties a table in one step, which no hook hears of, where the statement was prepared while nobody listened. The connection keeps such
// statements; once a rule comes into force they are no way past it.
func TestStatementsFromBefore(t *testing.T) {
	t.Parallel()
	src := &set{}
	r := build(t, change.Config{Source: src}, trades, "CREATE TABLE wr (k TEXT PRIMARY KEY, qty INTEGER, note TEXT) WITHOUT ROWID")
	fill := func() {
		t.Helper()
		must(t, r.do(t, "INSERT INTO trades VALUES (1, 10, 'A', 'keep')"))
		must(t, r.do(t, "INSERT INTO wr VALUES ('a', 1, 'keep')"))
	}
	for range 3 {
		src.change()
		for _, table := range []string{"trades", "wr"} {
			must(t, r.do(t, "DELETE FROM "+table))
		}
		fill()
		src.change(watch(positive(), "trades", "id", "qty", "note"), watch(positive(), "wr", "k", "qty", "note"))
		for _, table := range []string{"trades", "wr"} {
			if err := r.do(t, "DELETE FROM "+table); !errors.Is(err, change.ErrRejected) {
				t.Errorf("%s was emptied: %v", table, err)
			}
		}
		if got := r.all(t, "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM wr)"); got != "2" {
			t.Fatalf("%s rows are left", got)
		}
	}
}

// TestTempTableOfTheName: a TEMP table hides the table that a rule watches, and a rule must take neither for the other. The engine has no TEMP objects.
func TestTempTableOfTheName(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{Source: &set{list: []contract.Rule{watch(positive(), "trades", "id", "qty", "note")}}}, trades)
	for _, sql := range []string{"CREATE TEMP TABLE trades (id INTEGER, qty INTEGER, note TEXT)", "CREATE TABLE temp.trades (id INTEGER)", "CREATE TEMP VIEW trades AS SELECT 1", "ATTACH ':memory:' AS other",
		"CREATE TEMP TRIGGER x AFTER INSERT ON main.trades BEGIN SELECT 1; END", "PRAGMA writable_schema = 1", "UPDATE sqlite_schema SET name = 'x'", "DELETE FROM sqlite_schema"} {
		if err := r.do(t, sql); err == nil {
			t.Errorf("%s was taken", sql)
		}
	}
	if err := r.do(t, "INSERT INTO main.trades (id, qty) VALUES (1, 0)"); !errors.Is(err, change.ErrRejected) {
		t.Error(err)
	}
}
