package migrate_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

func TestSquash(t *testing.T) {
	t.Parallel()
	full := load(t, columns(t, "a", "b", "c"))
	old := newBase(t)
	up(t, old.migrator(full))
	name, content, err := old.migrator(full).Squash(t.Context(), "", 3)
	if err != nil || name != "0003_squashed.sql" {
		t.Fatal(name, err)
	}
	files := map[string]string{name: string(content)}
	fourth, text := add(4, "c")
	files[fourth] = strings.Replace(text, "step 4", "column c", 1)
	short := load(t, set(t, files))
	// A database that ran the files takes the squashed one for them; a new one comes to the same.
	if rep := up(t, old.migrator(short)); rep.Run != "" {
		t.Errorf("it ran %+v", rep)
	}
	fresh := newBase(t)
	up(t, fresh.migrator(short))
	if fresh.content() != old.content() {
		t.Errorf("squashed\n%s\nfiles\n%s", fresh.content(), old.content())
	}
	// One that is behind needs the files.
	behind := newBase(t)
	up(t, behind.migrator(load(t, columns(t, "a"))))
	if _, err := behind.migrator(short).Up(t.Context()); len(codes(err)) != 1 || codes(err)[0] != migrate.BadSet {
		t.Errorf("got %v", err)
	}
	if _, err := fresh.migrator(short).Down(t.Context(), migrate.DownOptions{AllowDataLoss: true}); err != nil {
		t.Error(err)
	}
}

func TestSquashOfTheShippedFiles(t *testing.T) {
	t.Parallel()
	shipped := load(t, os.DirFS("../../migrations"))
	b := newBase(t)
	up(t, b.migrator(shipped))
	name, content, err := b.migrator(shipped).Squash(t.Context(), "", shipped.Latest())
	if err != nil {
		t.Fatal(err)
	}
	fresh := newBase(t)
	up(t, fresh.migrator(load(t, set(t, map[string]string{name: string(content)}))))
	if rows(fresh.content()) != rows(b.content()) {
		t.Error("the squashed file builds something else")
	}
	if v, err := b.migrator(shipped).Verify(t.Context()); err != nil || !v.OK() {
		t.Errorf("%+v, %v", v, err)
	}
}

// Rows keep the numbers by which a full-text index or somebody else knows them; what cannot be written again is refused.
func TestSquashKeepsRowids(t *testing.T) {
	t.Parallel()
	const rows = "CREATE TABLE r (v TEXT); INSERT INTO r (rowid, v) VALUES (7, 'seven'), (40, 'forty'); CREATE TABLE s (rowid TEXT, v TEXT); INSERT INTO s (_rowid_, rowid, v) VALUES (5, 'x', 'y'); CREATE VIRTUAL TABLE f USING fts5(v, content='r');" +
		" INSERT INTO f (rowid, v) SELECT rowid, v FROM r; CREATE TABLE w (k TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO w VALUES ('k');"
	full := load(t, steps(t, rows))
	old, fresh := newBase(t), newBase(t)
	up(t, old.migrator(full))
	name, content, err := old.migrator(full).Squash(t.Context(), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	up(t, fresh.migrator(load(t, set(t, map[string]string{name: string(content)}))))
	for _, sql := range []string{"SELECT group_concat(rowid || v ORDER BY rowid) FROM r", "SELECT group_concat(_rowid_ || rowid) FROM s", "SELECT group_concat(rowid) FROM f WHERE f MATCH 'forty'", "SELECT k FROM w"} {
		if a, b := old.text(sql), fresh.text(sql); a != b || a == "" {
			t.Errorf("%s: %q, squashed %q", sql, a, b)
		}
	}
	for up, says := range map[string]string{
		"CREATE TABLE r (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO r VALUES ('a', 'b', 'c');":                        "cannot keep their numbers",
		"CREATE TABLE r (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO r VALUES (1), (9); DELETE FROM r WHERE id = 9;": "given out numbers up to 9",
		"CREATE VIRTUAL TABLE f USING fts5(v, content=''); INSERT INTO f (rowid, v) VALUES (3, 'three');":                   "keeps no text",
	} {
		if _, _, err := old.migrator(load(t, steps(t, up))).Squash(t.Context(), "", 2); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", up, err, says)
		}
	}
}

// A value that the form of a migration file would change is refused: line ends and blanks before them are made alike there.
func TestSquashKeepsLineEnds(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"'a' || char(13, 10) || 'b'", "'a  ' || char(10) || 'b'", "'a' || char(13)"} {
		b := newBase(t)
		s := load(t, steps(t, "CREATE TABLE n (id INTEGER PRIMARY KEY, x TEXT); INSERT INTO n VALUES (1, "+value+");"))
		up(t, b.migrator(s))
		_, content, err := b.migrator(s).Squash(t.Context(), "", 2)
		if err != nil {
			continue
		}
		fresh := newBase(t)
		up(t, fresh.migrator(load(t, set(t, map[string]string{"0002_squashed.sql": string(content)}))))
		if got, want := fresh.text("SELECT hex(x) FROM n"), b.text("SELECT hex(x) FROM n"); got != want {
			t.Errorf("%s: %s was written again as %s", value, want, got)
		}
	}
}
