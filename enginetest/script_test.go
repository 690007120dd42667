package enginetest

import (
	"slices"
	"strings"
	"testing"
)

func TestStatements(t *testing.T) {
	t.Parallel()
	const trigger = `CREATE TRIGGER IF NOT EXISTS a AFTER INSERT ON t WHEN new.x = 'a;b' BEGIN
  UPDATE t SET x = CASE WHEN x = 1 THEN 2 ELSE 3 END; -- done; END;
  DELETE FROM "odd;END;name" WHERE y = 1 ;
END`
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"none":           {"", nil},
		"nothing":        {" \n\t;; -- x;y\n /* a;b */ ;", nil},
		"one":            {"SELECT 1", []string{"SELECT 1"}},
		"ended":          {"SELECT 1;\n", []string{"SELECT 1"}},
		"two":            {"SELECT 1;SELECT 2 ; ", []string{"SELECT 1", "SELECT 2"}},
		"literals":       {`SELECT ';', 'it''s;', ";", [;], ` + "`;`" + `; SELECT 2`, []string{`SELECT ';', 'it''s;', ";", [;], ` + "`;`", "SELECT 2"}},
		"comments":       {"SELECT 1 -- a;\n, 2 /* ; */ ; SELECT 3 -- ;", []string{"SELECT 1 -- a;\n, 2", "SELECT 3"}},
		"trigger":        {trigger + ";SELECT 1", []string{trigger, "SELECT 1"}},
		"temp trigger":   {strings.Replace(trigger, "CREATE", "create temporary", 1) + " ; SELECT 1;", []string{strings.Replace(trigger, "CREATE", "create temporary", 1), "SELECT 1"}},
		"table of it":    {"CREATE TABLE trigger (x); SELECT 1", []string{"CREATE TABLE trigger (x)", "SELECT 1"}},
		"quoted trigger": {"CREATE 'trigger' trigger (x); SELECT 1", []string{"CREATE 'trigger' trigger (x)", "SELECT 1"}},
		"trigger open":   {"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT 2;", []string{"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT 2;"}},
		"names":          {"SELECT endless; SELECT über, END1 FROM t", []string{"SELECT endless", "SELECT über, END1 FROM t"}},
		"unended":        {"SELECT 'a;b", []string{"SELECT 'a;b"}},
	} {
		if got := statements(c.script); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// FuzzStatements: whatever the script, no statement is lost or made up.
func FuzzStatements(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT 2", "CREATE TRIGGER a BEGIN SELECT 1; END; SELECT ';'", "-- a;\n/* b;", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		rest := script
		for _, s := range statements(script) {
			at := strings.Index(rest, s)
			if s == "" || at < 0 {
				t.Fatalf("%q is not a part of %q", s, script)
			}
			rest = rest[at+len(s):]
		}
	})
}
