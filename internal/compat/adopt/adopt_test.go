package adopt_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/golang-migrate/migrate/v4"
	stock "github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/pressly/goose/v3"

	ours "github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/adopt"
	"github.com/tidegate/engine/core/sqlite"
)

func file(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(sql)} }

// open returns a database of a driver that is none of ours.
func open(t *testing.T) (*sql.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	return db, path
}

// adopted imports and adopts the database, applies the rest, and wants the row and the schema to be there.
func adopted(t *testing.T, path string, tool adopt.Tool, files fstest.MapFS, version int64) {
	t.Helper()
	loc, err := sqlite.ParseURL(path)
	if err != nil {
		t.Fatal(err)
	}
	opt := sqlite.DefaultOptions()
	opt.Adopt = true
	store, err := sqlite.Open(t.Context(), loc, opt)
	if err != nil {
		t.Fatal(err)
	}
	c, err := store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	found, err := adopt.Detect(c)
	if err != nil || len(found) != 1 || found[0].Tool != tool || found[0].Version != version {
		t.Fatalf("detected %+v, %v", found, err)
	}
	imported, err := adopt.Import(files, found[0])
	if err != nil {
		t.Fatal(err)
	}
	out := fstest.MapFS{}
	for _, f := range imported.Files {
		out[f.Name] = &fstest.MapFile{Data: f.Content}
	}
	set, err := ours.Load(out, ours.WithoutSums())
	if err != nil {
		t.Fatal(err)
	}
	cfg := ours.DefaultConfig()
	cfg.Sets = []*ours.Set{set}
	m, err := ours.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Baseline(t.Context(), ours.BaselineOptions{At: imported.At}); err != nil {
		t.Fatal(err)
	}
	if r, err := m.Up(t.Context()); err != nil || len(r.Applied) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if v, err := m.Verify(t.Context()); err != nil || !v.OK() {
		t.Errorf("%+v, %v", v, err)
	}
	if got, err := c.QueryText("SELECT group_concat(id || name || coalesce(more, '-')) FROM users"); err != nil || got != "1ann-" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestGooseHistoryIsAdopted(t *testing.T) {
	t.Parallel()
	db, path := open(t)
	files := fstest.MapFS{
		"00001_users.sql": file("-- +goose Up\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO users VALUES (1, 'ann');\n-- +goose Down\nDROP TABLE users;\n"),
		"00002_log.sql":   file("-- +goose Up\nCREATE TABLE log (x);\n-- +goose StatementBegin\nCREATE TRIGGER t AFTER INSERT ON users BEGIN\n  INSERT INTO log VALUES (new.id);\nEND;\n-- +goose StatementEnd\n-- +goose Down\nDROP TRIGGER t;\nDROP TABLE log;\n"),
		"00003_more.sql":  file("-- +goose Up\nALTER TABLE users ADD COLUMN more TEXT;\n-- +goose Down\nALTER TABLE users DROP COLUMN more;\n"),
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []int64{3, 2} { // once up to the end and one back: the history has to show it
		if step == 3 {
			_, err = p.UpTo(t.Context(), step)
		} else {
			_, err = p.DownTo(t.Context(), step)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	adopted(t, path, adopt.Goose, files, 2)
}

func TestGolangMigrateHistoryIsAdopted(t *testing.T) {
	t.Parallel()
	db, path := open(t)
	files := fstest.MapFS{}
	for i, step := range [][2]string{
		{"CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO users VALUES (1, 'ann');", "DROP TABLE users;"},
		{"CREATE INDEX by_name ON users (name);", "DROP INDEX by_name;"}, {"ALTER TABLE users ADD COLUMN more TEXT;", "ALTER TABLE users DROP COLUMN more;"},
	} {
		files[fmt.Sprintf("%d_x.up.sql", i+1)], files[fmt.Sprintf("%d_x.down.sql", i+1)] = file(step[0]), file(step[1])
	}
	source, err := iofs.New(files, ".")
	if err != nil {
		t.Fatal(err)
	}
	driver, err := stock.WithInstance(db, &stock.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrate.NewWithInstance("iofs", source, "sqlite", driver)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Migrate(2); err != nil {
		t.Fatal(err)
	}
	if a, b := m.Close(); a != nil || b != nil {
		t.Fatal(a, b)
	}
	adopted(t, path, adopt.GolangMigrate, files, 2)
}
