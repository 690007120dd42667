package sqlite_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

// events listens on c and returns what was seen so far.
func events(t *testing.T, c *sqlite.Conn) func() []string {
	t.Helper()
	var seen []string
	must(t, c.OnChange(func(ch *sqlite.Change) {
		old, err := ch.Old(ch.Columns() - 1)
		if err != nil {
			t.Error(err)
		}
		now, err := ch.New(ch.Columns() - 1)
		if err != nil {
			t.Error(err)
		}
		seen = append(seen, fmt.Sprintf("%s %s %d>%d depth %d: %v>%v", ch.Op, ch.Table, ch.OldRowID, ch.NewRowID, ch.Depth(), old.Any(), now.Any()))
	}))
	return func() []string { out := seen; seen = nil; return out }
}

func TestChangesAreSeen(t *testing.T) {
	t.Parallel()
	c := connect(t, open(t), sqlite.Writer)
	must(t, c.Script(`CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE k (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);
CREATE TABLE l (x); CREATE TRIGGER tr AFTER INSERT ON p BEGIN INSERT INTO l VALUES (new.v); END;`, nil))
	// Compiled before anybody listens, the DELETE would pass unseen.
	s, err := c.Prepare("DELETE FROM l")
	must(t, err)
	s.Release()
	seen := events(t, c)
	for _, step := range []struct {
		sql  string
		want []string
	}{
		{"INSERT INTO p VALUES (7, 'a')", []string{"insert p 7>7 depth 0: <nil>>a", "insert l 1>1 depth 1: <nil>>a"}},
		{"UPDATE p SET id = 8, v = 'b'", []string{"update p 7>8 depth 0: a>b"}},
		{"INSERT INTO k VALUES (1, 8)", []string{"insert k 1>1 depth 0: <nil>>8"}},
		{"DELETE FROM p", []string{"delete p 8>8 depth 0: b><nil>", "delete k 1>1 depth 1: 8><nil>"}},
		{"DELETE FROM l", []string{"delete l 1>1 depth 0: a><nil>"}},
	} {
		must(t, run(c, step.sql))
		got := seen()
		slices.Sort(got)
		slices.Sort(step.want)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s\n got %q\nwant %q", step.sql, got, step.want)
		}
	}
	must(t, c.OnChange(nil))
	must(t, run(c, "INSERT INTO p VALUES (9, 'c')"))
	if got := seen(); len(got) != 0 {
		t.Errorf("heard %q after the end", got)
	}
}

func TestWatchSeesAndRefuses(t *testing.T) {
	t.Parallel()
	c := connect(t, open(t), sqlite.Writer)
	var seen []string
	c.Watch(func(a sqlite.Access) error {
		if a.Table == "keep" && a.Kind == sqlite.AccessDrop {
			return fmt.Errorf("dropping %s", a.Table)
		}
		seen = append(seen, fmt.Sprintf("%s %s %s of %s in %q", a.Kind, a.Type, a.Object, a.Table, a.Inner))
		return nil
	})
	must(t, c.Script("CREATE TABLE keep (a); CREATE TABLE t (a); CREATE INDEX i ON t (a); CREATE TRIGGER g AFTER DELETE ON t BEGIN DELETE FROM keep; END; DELETE FROM t; ALTER TABLE t ADD COLUMN b; DROP TABLE t", nil))
	for _, want := range []string{`create table keep of keep in ""`, `create index i of t in ""`, `create trigger g of t in ""`, `delete table t of t in ""`,
		`delete table keep of keep in "g"`, `alter table t of t in ""`, `drop table t of t in ""`} {
		if !slices.Contains(seen, want) {
			t.Errorf("%q is missing in %q", want, seen)
		}
	}
	wantClass(t, c.Script("DROP TABLE keep", nil), sqlite.Auth)
	wantInt(t, c, "SELECT count(*) FROM keep", 0)
}

func TestRestoreFromReplacesEverything(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := connect(t, s, sqlite.Maintenance)
	must(t, c.Script("CREATE TABLE t (a); INSERT INTO t VALUES (1)", nil))
	copied := filepath.Join(t.TempDir(), "copy.db")
	must(t, c.CopyTo(copied))
	must(t, c.Script("DELETE FROM t; CREATE TABLE u (a)", nil))
	reader := connect(t, s, sqlite.Reader)
	wantInt(t, reader, "SELECT count(*) FROM t", 0)
	must(t, c.RestoreFrom(copied))
	wantInt(t, reader, "SELECT a FROM t", 1)
	wantInt(t, reader, "SELECT count(*) FROM sqlite_schema", 1)
	mode, err := c.QueryText("PRAGMA journal_mode")
	must(t, err)
	if mode != "wal" {
		t.Errorf("the journal mode is %q", mode)
	}
	wantClass(t, c.RestoreFrom(filepath.Join(t.TempDir(), "none.db")), sqlite.CantOpen)
}
