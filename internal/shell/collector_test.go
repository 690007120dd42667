package shell

import (
	"slices"
	"strings"
	"testing"
)

// collect feeds a text line by line.
func collect(text string) (done []string, rest string, whole bool) {
	var c collector
	for line := range strings.SplitSeq(text, "\n") {
		done = append(done, c.add(line)...)
	}
	rest, whole = c.rest()
	return done, rest, whole
}

func TestCollector(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		done  []string
		rest  string
		whole bool
	}{
		{"SELECT 1;", []string{"SELECT 1"}, "", true},
		{"SELECT 1; SELECT 2 ;;SELECT 3", []string{"SELECT 1", "SELECT 2"}, "SELECT 3", true},
		{" ; \n ;", nil, "", true},
		{"SELECT\n  1\n;", []string{"SELECT\n  1"}, "", true},
		{"SELECT ';';", []string{"SELECT ';'"}, "", true},
		{"SELECT 'it''s;\n it', \";\", `;`, [;];", []string{"SELECT 'it''s;\n it', \";\", `;`, [;]"}, "", true},
		{"SELECT 'a'\n'b;';", []string{"SELECT 'a'\n'b;'"}, "", true}, // a quote at the end of a line is not doubled by the next line
		{"-- one; \n/* two;\n three; */ SELECT 1; -- four;", []string{"SELECT 1"}, "", true},
		{"SELECT 1 -- x;\n, 2;", []string{"SELECT 1 -- x;\n, 2"}, "", true},
		{"SELECT 1 /* ; */; /* open", []string{"SELECT 1 /* ; */"}, "", false},
		{"SELECT 'open;\n", nil, "SELECT 'open;", false},
		{"SELECT [a]]b;", []string{"SELECT [a]]b"}, "", true},
		{"CREATE TRIGGER x AFTER INSERT ON t BEGIN\n DELETE FROM t;\n SELECT CASE 1 WHEN 1 THEN 2 END;\nEND; SELECT 1;",
			[]string{"CREATE TRIGGER x AFTER INSERT ON t BEGIN\n DELETE FROM t;\n SELECT CASE 1 WHEN 1 THEN 2 END;\nEND", "SELECT 1"}, "", true},
		{"EXPLAIN CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END;", []string{"EXPLAIN CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"}, "", true},
		{"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;", nil, "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;", false},
		{"CREATE TABLE trigger_log (a); SELECT 1;", []string{"CREATE TABLE trigger_log (a)", "SELECT 1"}, "", true},
		{"\ufeffSELECT 1;", []string{"SELECT 1"}, "", true},
	} {
		done, rest, whole := collect(c.text)
		if !slices.Equal(done, c.done) || rest != c.rest || whole != c.whole {
			t.Errorf("%q:\n got %q, %q, %v\nwant %q, %q, %v", c.text, done, rest, whole, c.done, c.rest, c.whole)
		}
	}
}

// A statement of a million lines takes a time that grows with its length, not with the square of it.
func TestCollectorReadsEachLineOnce(t *testing.T) {
	t.Parallel()
	var c collector
	c.add("INSERT INTO t VALUES (0)")
	const lines = 300_000 // reading all again for each would be 10^12 bytes
	for range lines {
		if done := c.add(", ('a value; and more')"); done != nil {
			t.Fatal("it ended too early")
		}
	}
	if done := c.add(";"); len(done) != 1 || strings.Count(done[0], "\n") != lines+1-1 {
		t.Errorf("%d statements", len(done))
	}
}

func FuzzCollector(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT 'a;\nb'", "CREATE TRIGGER x BEGIN SELECT 1; END; --", "/*\n*/;[;];?1 :a $b", "''';';"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		done, _, _ := collect(text)
		for _, sql := range done {
			again, rest, whole := collect(sql + "\n;")
			if len(again) != 1 || again[0] != sql || rest != "" || !whole {
				t.Errorf("%q was taken for a statement, and is read as %q, %q, %v", sql, again, rest, whole)
			}
			st := read(sql)
			if _, err := st.bind(nil); (err == nil) != (len(st.params) == 0) {
				t.Errorf("%q: %d parameters, %v", sql, len(st.params), err)
			}
		}
	})
}
