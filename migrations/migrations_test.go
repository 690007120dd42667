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
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	number := func(sql string) (n int64) {
		t.Helper()
		conn, err := store.Connect(t.Context(), sqlite.Reader)
		if err != nil {
			t.Fatal(err)
		}
		n, err = conn.QueryInt(sql)
		if err = errors.Join(err, conn.Close()); err != nil {
			t.Fatal(err)
		}
		return n
	}
	set, err := migrate.Load(migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	cfg := migrate.DefaultConfig()
	cfg.Sets = []*migrate.Set{set}
	m, err := migrate.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := m.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rep.From != 0 || rep.To != set.Latest() || len(rep.Applied) != set.Latest() || rep.Applied[0].Statements < 50 || store.State() != sqlite.Managed {
		t.Errorf("report %+v of a %s database", rep, store.State())
	}
	for kind, want := range map[string]int64{"trigger": 13, "view": 1} {
		if n := number("SELECT count(*) FROM sqlite_schema WHERE type = '" + kind + "'"); n != want {
			t.Errorf("%d objects of type %s, want %d", n, kind, want)
		}
	}
	st, err := m.Status(t.Context())
	if err != nil || st.Err() != nil || len(st.Pending) != 0 || st.Current != set.Latest() || st.Epoch == 0 {
		t.Errorf("status %+v, %v", st, err)
	}
	if v, err := m.Verify(t.Context()); err != nil || !v.OK() {
		t.Errorf("verification %+v, %v", v, err)
	}
	if again, err := m.Up(t.Context()); err != nil || len(again.Applied) != 0 || again.From != set.Latest() {
		t.Errorf("a second run: %+v, %v", again, err)
	}
	if _, err := m.Down(t.Context(), migrate.DownOptions{AllowDataLoss: true}); err != nil {
		t.Fatal(err)
	}
	if n := number("SELECT count(*) FROM sqlite_schema WHERE tbl_name NOT LIKE '\\_tg\\_%' ESCAPE '\\'"); n != 0 {
		t.Errorf("down left %d objects", n)
	}
}
