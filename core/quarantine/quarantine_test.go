package quarantine_test

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/quarantine"
)

func TestSaveLoadClear(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "a.db")
	if r := quarantine.Load(db); r != nil {
		t.Fatalf("in quarantine from the start: %+v", r)
	}
	if err := quarantine.Clear(db); err != nil {
		t.Errorf("nothing to clear: %v", err)
	}
	want := &quarantine.Record{Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Reason: "malformed", Class: "corrupt", Code: 11, Statement: "SELECT ?"}
	if err := want.Save(db); err != nil {
		t.Fatal(err)
	}
	if got := quarantine.Load(db); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	later := &quarantine.Record{Reason: "something else"}
	if err := later.Save(db); err != nil {
		t.Fatal(err)
	}
	if got := quarantine.Load(db); got.Reason != "malformed" {
		t.Errorf("the first reason was overwritten: %+v", got)
	}
	info, err := os.Stat(db + quarantine.Suffix)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("mode %v", mode)
	}
	if left, _ := os.ReadDir(filepath.Dir(db)); len(left) != 1 {
		t.Errorf("%d files left behind", len(left)-1)
	}
	if err := quarantine.Clear(db); err != nil {
		t.Fatal(err)
	}
	if r := quarantine.Load(db); r != nil {
		t.Errorf("still there: %+v", r)
	}
}

// TestHalfAFile: what cannot be read still says no.
func TestHalfAFile(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "a.db")
	for _, text := range []string{"", "{", `{"since": 3}`, "\x00\x00"} {
		if err := os.WriteFile(db+quarantine.Suffix, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := quarantine.Load(db); r == nil || !strings.Contains(r.Reason, "cannot be read") {
			t.Errorf("%q: %+v", text, r)
		}
	}
}

// TestThroughASymbolicLink: two names of one database are in quarantine together.
func TestThroughASymbolicLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, other := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	if err := os.WriteFile(db, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(db, other); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := (&quarantine.Record{Reason: "malformed"}).Save(other); err != nil {
		t.Fatal(err)
	}
	if quarantine.Load(db) == nil || quarantine.Load(other) == nil {
		t.Error("one name is free")
	}
}

func TestSaveFails(t *testing.T) {
	t.Parallel()
	if err := (&quarantine.Record{}).Save(filepath.Join(t.TempDir(), "missing", "a.db")); err == nil {
		t.Error("saved into a folder that does not exist")
	}
}
