package sqltext_test

import (
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/sqltext"
)

func TestStatements(t *testing.T) {
	t.Parallel()
	script := `-- one; two
CREATE TABLE a (x TEXT DEFAULT ';', "y;" INT); ; /* ; */
CREATE TRIGGER t AFTER INSERT ON a BEGIN
  INSERT INTO a VALUES (CASE WHEN 1 THEN ';' ELSE 'END' END, 1);
  DELETE FROM a;
END;
create temp trigger u before delete on a begin select 1; end;
DROP TABLE main."a"; SELECT 'open`
	got := sqltext.Statements(script)
	want := []string{"CREATE TABLE a", "CREATE TRIGGER t", "create temp trigger", "DROP TABLE main", "SELECT 'open"}
	if len(got) != len(want) {
		t.Fatalf("%d statements: %v", len(got), got)
	}
	for i, s := range got {
		if !strings.HasPrefix(s.Text, want[i]) || script[s.Start:s.End] != s.Text {
			t.Errorf("statement %d is %q", i, s.Text)
		}
	}
	if !strings.HasSuffix(got[1].Text, "END") || sqltext.Line(script, got[1].Start) != 3 || sqltext.Line(script, got[4].Start) != 8 {
		t.Errorf("lines %d, %d", sqltext.Line(script, got[1].Start), sqltext.Line(script, got[4].Start))
	}
	if name, next := got[3].NameAt(2); name != "a" || next != 5 || !got[0].Has("default", "';'") || got[0].Has("y") {
		t.Errorf("name %q, next %d", name, next)
	}
	if w := got[2].Words(3); strings.Join(w, " ") != "CREATE TEMP TRIGGER" {
		t.Errorf("words %q", w)
	}
}

func TestQuoting(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", `a"b`, "", "a b"} {
		if got := sqltext.Unquote(sqltext.QuoteName(name)); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
	if sqltext.QuoteText("it's") != "'it''s'" || sqltext.Unquote("[a b]") != "a b" || sqltext.Unquote("`a``b`") != "a`b" {
		t.Error("quotes")
	}
	if !sqltext.Mentions("SELECT [price]", "PRICE") || sqltext.Mentions("SELECT prices -- price", "price") || sqltext.Mentions("SELECT ...", "") {
		t.Error("mentions")
	}
}

// FuzzStatements holds that nothing but separators and comments is lost between statements, whatever the text.
func FuzzStatements(f *testing.F) {
	f.Add("CREATE TRIGGER t BEGIN SELECT 1; END; SELECT 'a''b' -- c")
	f.Add("[a `b \"c 'd /* e")
	f.Fuzz(func(t *testing.T, sql string) {
		total := 0
		for _, s := range sqltext.Statements(sql) {
			if s.Text == "" || sql[s.Start:s.End] != s.Text {
				t.Fatalf("statement %q at %d", s.Text, s.Start)
			}
			for _, tok := range s.Tokens {
				if sql[tok.Start:tok.End] != tok.Text {
					t.Fatalf("token %q at %d", tok.Text, tok.Start)
				}
				total++
			}
		}
		for _, tok := range sqltext.Tokenize(sql) {
			if tok.Text == ";" {
				total++
			}
		}
		if n := len(sqltext.Tokenize(sql)); total < n {
			t.Fatalf("%d tokens of %d are left", total, n)
		}
	})
}
