package migrate_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

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

func TestTrialOfMigrations(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	results, err := b.migrator(load(t, columns(t, "a", "b"))).Test(t.Context(), migrate.TestOptions{Dir: t.TempDir(), Rows: 50})
	if err != nil || len(results) != 3 {
		t.Fatalf("%+v, %v", results, err)
	}
	if r := results[2]; r.Rows["t"] < 40 || r.Statements != 1 || r.Down != "" || results[0].Statements != 2 {
		t.Errorf("%+v", results)
	}
	// A down script that does not bring the schema back is told.
	results, err = b.migrator(load(t, steps(t, "ALTER TABLE t ADD COLUMN z TEXT;"))).Test(t.Context(), migrate.TestOptions{Dir: t.TempDir(), Rows: 5})
	if err != nil || len(results) != 2 || !strings.Contains(results[1].Down, "does not bring the schema back") {
		t.Errorf("%+v, %v", results, err)
	}
	// A migration that fails on rows is found, although an empty database takes it.
	unique := fstest.MapFS{}
	for name, f := range steps(t, "CREATE TABLE u (v INTEGER NOT NULL); INSERT INTO u SELECT 5 FROM t; CREATE UNIQUE INDEX uv ON u (v);") {
		unique[name] = f
	}
	if _, err := b.migrator(load(t, unique)).Test(t.Context(), migrate.TestOptions{Dir: t.TempDir(), Rows: 9}); err == nil || !strings.Contains(err.Error(), "0002_step.sql") {
		t.Errorf("got %v", err)
	}
}
