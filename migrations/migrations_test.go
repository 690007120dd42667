package migrations_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/migrations"
)

var update = flag.Bool("update", false, "write engine.sum again")

func TestSumFile(t *testing.T) {
	t.Parallel()
	want, err := migrate.Sum(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(migrate.SumFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := fs.ReadFile(migrations.FS, migrate.SumFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s does not fit the files; a released file must not change, a new one needs -update\ngot  %s\nwant %s", migrate.SumFile, got, want)
	}
}

func TestSetLoads(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("the embedded sum file is the one from before -update")
	}
	set, err := migrate.Load(migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Migrations() {
		if len(m.Verify) == 0 {
			t.Errorf("%s verifies nothing", m.File)
		}
	}
}

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("the embedded sum file is the one from before -update")
	}
	loc, err := sqlite.ParseURL(filepath.Join(t.TempDir(), "trading.db"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), loc, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(conn.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	}()
	conn.SetGuard(sqlite.Guard{Migration: true})
	number := func(sql string) int64 {
		t.Helper()
		n, err := conn.QueryInt(sql)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	set, err := migrate.Load(migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	marked := 0
	rep, err := set.Apply(t.Context(), conn, func() error { marked++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if rep.From != 0 || rep.To != set.Latest() || len(rep.Applied) != set.Latest() || rep.Applied[0].Statements < 50 || marked != 1 {
		t.Errorf("report %+v, marked %d times", rep, marked)
	}
	for kind, want := range map[string]int64{"trigger": 13, "view": 1} {
		if n := number("SELECT count(*) FROM sqlite_schema WHERE type = '" + kind + "'"); n != want {
			t.Errorf("%d objects of type %s, want %d", n, kind, want)
		}
	}
	st, err := set.Status(t.Context(), conn)
	if err != nil || st.Err() != nil || len(st.Pending) != 0 || st.Current != set.Latest() || st.Epoch != int64(set.Latest()) {
		t.Errorf("status %+v, %v", st, err)
	}
	if number("PRAGMA foreign_keys") != 1 {
		t.Error("foreign keys stayed off")
	}
	if again, err := set.Apply(t.Context(), conn, nil); err != nil || len(again.Applied) != 0 || again.From != set.Latest() {
		t.Errorf("a second run: %+v, %v", again, err)
	}
	list := set.Migrations()
	for i := len(list) - 1; i >= 0; i-- {
		if err := conn.Script(list[i].Down, nil); err != nil {
			t.Fatalf("%s down: %v", list[i].File, err)
		}
	}
	if n := number("SELECT count(*) FROM sqlite_schema WHERE tbl_name NOT LIKE '\\_tg\\_%' ESCAPE '\\'"); n != 0 {
		t.Errorf("down left %d objects", n)
	}
}
