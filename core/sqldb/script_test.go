package sqldb_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/sqldb"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][]string{
		"":                         nil,
		" ;; -- a;b\n/* ; */ ;":    nil,
		"SELECT 1":                 {"SELECT 1"},
		"SELECT 1;":                {"SELECT 1"},
		"SELECT 1; SELECT 2":       {"SELECT 1", "SELECT 2"},
		"SELECT ';'';' ; SELECT 2": {"SELECT ';'';'", "SELECT 2"},
		`SELECT ";""" ; SELECT [;] ; SELECT ` + "`;`": {`SELECT ";"""`, "SELECT [;]", "SELECT `;`"},
		"SELECT 1 -- ; no\n; SELECT 2 /* ; */ + 1":    {"SELECT 1 -- ; no", "SELECT 2 /* ; */ + 1"},
		"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT CASE 1 WHEN 1 THEN 2 END; END; SELECT 3": {
			"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT CASE 1 WHEN 1 THEN 2 END; END", "SELECT 3"},
		"create temp trigger if not exists a after insert on t begin select 1;end ; select 2": {
			"create temp trigger if not exists a after insert on t begin select 1;end", "select 2"},
		"EXPLAIN CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; /* ; */ END /* x */ ; SELECT 2": {
			"EXPLAIN CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; /* ; */ END /* x */", "SELECT 2"},
		"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT a FROM x; SELECT end1; END; SELECT 2": {
			"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT a FROM x; SELECT end1; END", "SELECT 2"},
		"CREATE TABLE trigger (a); CREATE TABLE b (trigger)": {"CREATE TABLE trigger (a)", "CREATE TABLE b (trigger)"},
		"\ufeffSELECT 1; SELECT 2":                           {"SELECT 1", "SELECT 2"},
		"SELECT 'open ; SELECT 2":                            {"SELECT 'open ; SELECT 2"},
		"SELECT 1 /* open ; SELECT 2":                        {"SELECT 1 /* open ; SELECT 2"},
	} {
		if got := sqldb.Split(sql); !slices.Equal(got, want) {
			t.Errorf("%q:\n got %q\nwant %q", sql, got, want)
		}
	}
}

// Whatever the text, its pieces are parts of it in their order, each with something in it, and splitting a piece again changes nothing.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT 2;", "a'b;c'd;", "CREATE TRIGGER a BEGIN b; END; c", "--;\n;/*;*/;", "[;`;\";"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		rest := sql
		for _, p := range sqldb.Split(sql) {
			i := strings.Index(rest, p)
			if p == "" || i < 0 {
				t.Fatalf("%q is no piece of %q", p, rest)
			}
			rest = rest[i+len(p):]
			if again := sqldb.Split(p); len(again) != 1 || again[0] != p {
				t.Fatalf("%q splits into %q", p, again)
			}
		}
	})
}
