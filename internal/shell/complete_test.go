package shell_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/shell"
)

// asker is an Editor that asks for completions while a line is typed, as one does.
type asker struct {
	typist
	ask func(line string, pos int) (string, []string, string)
	got map[string][]string
}

func (a *asker) Line(prompt string) (string, error) {
	line, err := a.typist.Line(prompt)
	if at := strings.IndexByte(line, '|'); at >= 0 {
		typed := line[:at] + line[at+1:]
		head, list, tail := a.ask(typed, len([]rune(line[:at])))
		if list != nil && head+line[len(head):at]+tail != typed {
			list = append(list, "the line is torn: "+head+"…"+tail)
		}
		a.got[line] = list
		return "", nil
	}
	return line, err
}

func TestComplete(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(t, `CREATE TABLE accounts (account_id INTEGER PRIMARY KEY, holder TEXT, "open since" TEXT);`, "CREATE TABLE audit (account_id INTEGER, note TEXT);",
		`CREATE TABLE "order" (id INTEGER);`, "CREATE VIEW actives AS SELECT holder FROM accounts;")
	dir := t.TempDir()
	for _, n := range []string{"one.sql", "other.txt"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one := filepath.Join(dir, "one")
	for _, c := range []struct {
		before, line string // | is where the key is pressed
		want         []string
	}{
		{"", "sel|", []string{"select"}},
		{"", "SEL|", []string{"SELECT"}},
		{"", "Upd|", []string{"UPDATE"}},
		{"", "SELECT * FROM ac|", []string{"accounts", "actives"}},
		{"", "SELECT * FROM or|", []string{`"order"`}},
		{"", "INSERT INTO aud|", []string{"audit"}},
		{"", "SELECT ho| FROM accounts", []string{"holder"}},
		{"", "SELECT ope| FROM accounts", []string{`"open since"`}},
		{"", "SELECT note| FROM accounts", nil},
		{"", "SELECT a.| FROM accounts AS a JOIN audit x", []string{"account_id", "holder", `"open since"`}},
		{"", "SELECT x.n| FROM accounts AS a JOIN audit x", []string{"note"}},
		{"", "SELECT audit.a|", []string{"account_id"}},
		{"", "SELECT nothing.a|", nil},
		{"SELECT * FROM audit", "WHERE no|", []string{"note", "not", "nothing"}},
		{"", "SELECT 'sel|", nil},
		{"SELECT 'an open", "sel|", nil},
		{"", "SELECT 1 -- sel|", nil},
		{"", "SELECT 'ü' FROM aud| x", []string{"audit"}},
		{"", ".ti|", []string{"timer"}},
		{"", ".timer |", []string{"on", "off"}},
		{"", ".mode c|", []string{"csv"}},
		{"", ".class t|", []string{"trade"}},
		{"", ".schema ac|", []string{"accounts", "actives"}},
		{"", ".schema accounts ac|", nil},
		{"", ".nope ac|", nil},
		{"", ".plan SELECT * FROM aud|", []string{"audit"}},
		{"", ".read " + one + "|", []string{one + ".sql"}},
	} {
		ed := &asker{typist: typist{t: t}, got: map[string][]string{}}
		if c.before != "" {
			ed.lines = append(ed.lines, c.before)
		}
		ed.lines = append(ed.lines, c.line)
		sh := shell.New(b.db, b.cfg)
		ed.ask = sh.Complete
		if err := sh.Interact(t.Context(), ed, nil); err != nil {
			t.Fatal(err)
		}
		if got := ed.got[c.line]; !slices.Equal(got, c.want) {
			t.Errorf("%s / %s: %q, want %q", c.before, c.line, got, c.want)
		}
	}
}

// Completion sees what the open transaction sees, and a view that is broken takes the columns away but not the tables.
func TestCompleteInATransaction(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(t, "CREATE TABLE source (a);", "CREATE VIEW broken AS SELECT missing FROM source;")
	ed := &asker{typist: typist{t: t, lines: []any{"BEGIN; CREATE TABLE fresh (a);", "SELECT * FROM fr|", "ROLLBACK;", "SELECT * FROM fre|"}}, got: map[string][]string{}}
	sh := shell.New(b.db, b.cfg)
	ed.ask = sh.Complete
	if err := sh.Interact(t.Context(), ed, nil); err != nil {
		t.Fatal(err)
	}
	if got := ed.got["SELECT * FROM fr|"]; !slices.Equal(got, []string{"fresh"}) {
		t.Errorf("inside: %q", got)
	}
	if got := ed.got["SELECT * FROM fre|"]; got != nil {
		t.Errorf("after ROLLBACK: %q", got)
	}
	if n := len(b.db.Sessions()); n != 0 {
		t.Errorf("completion left %d sessions behind", n)
	}
}
