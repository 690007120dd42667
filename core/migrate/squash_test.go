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
