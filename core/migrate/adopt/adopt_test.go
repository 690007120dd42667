package adopt_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/adopt"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/testconn"
)

func open(t *testing.T, statements ...string) *sqlite.Conn {
	t.Helper()
	c := testconn.Open(t, filepath.Join(t.TempDir(), "old.db"))
	testconn.Exec(t, c, statements...)
	return c
}

func folder(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, content := range files {
		out[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return out
}

// The layouts are those that the tools make; internal/compat runs the tools themselves.
const (
	gooseTable = "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))"
	gmTable    = "CREATE TABLE schema_migrations (version uint64,dirty bool)"
	gmIndex    = "CREATE UNIQUE INDEX version_unique ON schema_migrations (version)"
)

func gooseFiles() map[string]string {
	return map[string]string{
		"README.md":      "no migration",
		"00001_a.sql":    "-- +goose Up\nCREATE TABLE a (id INTEGER PRIMARY KEY);\n-- +goose Down\nDROP TABLE a;\n",
		"00003_b-c.sql":  "-- a remark\n--+goose up\nPRAGMA foreign_keys = OFF;\n-- +goose StatementBegin\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\nEND;\n-- +goose StatementEnd\n-- +goose Down\nDROP TRIGGER t",
		"20240101_d.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nBEGIN;\nALTER TABLE a ADD COLUMN x;\nCOMMIT;\n",
	}
}

// run applies what Import has written, as text that our parser reads, and returns the schema.
func run(t *testing.T, c *sqlite.Conn, files []adopt.File) string {
	t.Helper()
	for i, f := range files {
		m, err := migrate.Parse(f.Name, f.Content)
		if err != nil {
			t.Fatalf("%v\n%s", err, f.Content)
		}
		if m.Version != i+1 {
			t.Errorf("%s has number %d, want %d", f.Name, m.Version, i+1)
		}
		if err := c.Script(m.Up, nil); err != nil {
			t.Fatalf("%s: %v\n%s", f.Name, err, f.Content)
		}
	}
	return schema(t, c)
}

func schema(t *testing.T, c *sqlite.Conn) string {
	t.Helper()
	s, err := c.QueryText("SELECT group_concat(sql, char(10) ORDER BY type, name) FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(list []adopt.File) string {
	var out []string
	for _, f := range list {
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}

func TestImportGoose(t *testing.T) {
	t.Parallel()
	// Version 3 was taken back once and applied again, as older releases write it.
	old := open(t, gooseTable, "CREATE TABLE a (id INTEGER PRIMARY KEY)", "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\nEND",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1), (3, 1), (3, 0), (3, 1)")
	h, err := adopt.Read(old, adopt.Goose)
	if err != nil || h.Version != 3 || fmt.Sprint(h.Applied) != "[1 3]" || len(h.Schema) != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	got, err := adopt.Import(folder(gooseFiles()), h)
	if err != nil {
		t.Fatal(err)
	}
	if names(got.Files) != "0001_a.sql 0002_b_c.sql 0003_goose_db_version.sql 0004_d.sql" || got.At != 3 {
		t.Errorf("at %d: %s", got.At, names(got.Files))
	}
	if now := run(t, open(t), got.Files[:got.At]); now != schema(t, old) {
		t.Errorf("the files build\n%s\nthe database is\n%s", now, schema(t, old))
	}
	last, notes := string(got.Files[3].Content), strings.Join(got.Files[3].Notes, "; ")
	if !strings.Contains(last, "-- taken out: BEGIN\n") || !strings.Contains(last, adopt.NoWayBack) || !strings.Contains(notes, "outside of a transaction; taken out: BEGIN; taken out: COMMIT; has no way back") {
		t.Errorf("%s\n%s", notes, last)
	}
	if err := old.Script(string(got.Files[3].Content), nil); err == nil || !strings.Contains(err.Error(), "no_way_back_was_ever_written") {
		t.Errorf("going back where there is no way: %v", err)
	}
}

func TestImportGolangMigrate(t *testing.T) {
	t.Parallel()
	files := folder(map[string]string{
		"000001_init.up.sql": "create table a (id integer primary key); create index i on a (id)", "000001_init.down.sql": "drop table a",
		"7_more.up.sql": "-- +up is no section of ours\nALTER TABLE a ADD x;", "7_more.down.sql": "ALTER TABLE a DROP x;", "8_none.up.sql": "-- nothing yet\n", "8_none.down.sql": "",
	})
	old := open(t, gmTable, gmIndex, "create table a (id integer primary key)", "create index i on a (id)", "ALTER TABLE a ADD x", "INSERT INTO schema_migrations VALUES (7, 0)")
	h, err := adopt.Read(old, adopt.GolangMigrate)
	if err != nil || h.Version != 7 {
		t.Fatalf("%+v, %v", h, err)
	}
	got, err := adopt.Import(files, h)
	if err != nil || names(got.Files) != "0001_init.sql 0002_more.sql 0003_schema_migrations.sql 0004_none.sql" || got.At != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if now := run(t, open(t), got.Files[:got.At]); now != schema(t, old) {
		t.Errorf("the files build\n%s\nthe database is\n%s", now, schema(t, old))
	}
	run(t, open(t), got.Files)
	if err := old.Exec("UPDATE schema_migrations SET dirty = 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := adopt.Read(old, adopt.GolangMigrate); !errors.Is(err, adopt.ErrForeign) || !strings.Contains(err.Error(), "force") {
		t.Errorf("dirty: %v", err)
	}
}

func TestImportUserVersion(t *testing.T) {
	t.Parallel()
	old := open(t, "CREATE TABLE a (id)", "CREATE TABLE b (id)", "PRAGMA user_version = 2")
	files := folder(map[string]string{"01_a.sql": "CREATE TABLE a (id);", "02-b.sql": "CREATE TABLE b (id);PRAGMA user_version = 2;", "03_c.sql": "CREATE TABLE c (id);"})
	h, err := adopt.Read(old, adopt.UserVersion)
	if err != nil {
		t.Fatal(err)
	}
	got, err := adopt.Import(files, h)
	if err != nil || got.At != 2 || names(got.Files) != "0001_a.sql 0002_b.sql 0003_c.sql" {
		t.Fatalf("%+v, %v", got, err)
	}
	if now := run(t, open(t), got.Files[:2]); now != schema(t, old) {
		t.Errorf("the files build\n%s", now)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for want, statements := range map[string][]string{
		"":                     {"CREATE TABLE a (id)"},
		"goose":                {gooseTable, "PRAGMA user_version = 3"},
		"golang-migrate":       {gmTable},
		"goose golang-migrate": {gmTable, gooseTable},
		"user_version":         {"PRAGMA user_version = 3", "CREATE TABLE schema_migrations (version varchar)"}, // as another tool has it
	} {
		list, err := adopt.Detect(open(t, statements...))
		var got []string
		for _, h := range list {
			got = append(got, string(h.Tool))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%v: got %v, %v", statements, got, err)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	goose := func(applied ...int64) adopt.History {
		h := adopt.History{Tool: adopt.Goose, Applied: append([]int64{}, applied...)}
		if len(applied) > 0 {
			h.Version = applied[len(applied)-1]
		}
		return h
	}
	with := func(name, content string) fstest.MapFS {
		f := gooseFiles()
		f[name] = content
		return folder(f)
	}
	for says, c := range map[string]struct {
		files fstest.MapFS
		h     adopt.History
	}{
		"migration in Go":  {with("00002_code.go", "package x"), goose(1)},
		"same number":      {with("1_again.sql", "-- +goose Up\nSELECT 1;"), goose(1)},
		"no -- +goose Up":  {with("00009_x.sql", "SELECT 1;"), goose(1)},
		"envsub on":        {with("00009_x.sql", "-- +goose ENVSUB ON\n-- +goose Up\nSELECT 1;"), goose(1)},
		"before it is not": {folder(gooseFiles()), goose(3)},
		"no file of it":    {folder(gooseFiles()), goose(1, 2)},
		"no migration of":  {folder(nil), goose()},
		"inside a comment": {with("9_x.sql", "-- +goose Up\nSELECT 1; /*\n-- +goose Down\n*/ SELECT 2;"), goose()},
		"begins with -- +": {with("9_x.sql", "-- +goose Up\nSELECT '\n-- +up';"), goose()},
		"does not fit":     {with("99999999999999999999_x.sql", "-- +goose Up\n"), goose()},
	} {
		if _, err := adopt.Import(c.files, c.h); !errors.Is(err, adopt.ErrForeign) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	c := open(t)
	for _, tool := range append(adopt.Tools(), "flyway") {
		if _, err := adopt.Read(c, tool); !errors.Is(err, adopt.ErrForeign) {
			t.Errorf("%s: %v", tool, err)
		}
	}
}

// A file that drops a table for good says so, because the migrator would not let its rows go otherwise; one that rebuilds it says nothing, so
// that the rows are compared.
func TestImportSaysWhatIsDropped(t *testing.T) {
	t.Parallel()
	for up, want := range map[string]string{
		"DROP TABLE IF EXISTS A; INSERT INTO b SELECT 1; DELETE FROM c; UPDATE main.d SET x = 1;":           "-- touches: a, b, c, d",
		"CREATE TABLE n (x); INSERT INTO n SELECT x FROM a; DROP TABLE a; ALTER TABLE n RENAME TO a;":       "",
		"ALTER TABLE a RENAME TO old; CREATE TABLE a (x); INSERT INTO a SELECT x FROM old; DROP TABLE old;": "",
		"DROP TABLE a; CREATE TABLE a (x);":                                               "-- touches: a",
		"CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; UPDATE a SET x = 1": "",
	} {
		got, err := adopt.Import(folder(map[string]string{"1_x.up.sql": up}), adopt.History{Tool: adopt.GolangMigrate})
		if err != nil {
			t.Fatal(err)
		}
		text := string(got.Files[0].Content)
		line := ""
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, "-- touches:") {
				line = strings.TrimSpace(l)
			}
		}
		if line != want {
			t.Errorf("%s\n got %q\nwant %q", up, line, want)
		}
	}
}

// FuzzImport holds that whatever a tool's file contains, what is written is a file that our parser reads, and that up stays what it was but
// for what is taken out.
func FuzzImport(f *testing.F) {
	f.Add("-- +up\nCREATE TABLE a (x); BEGIN; -- +down\nEND", "DROP TABLE a -- x")
	f.Add("CREATE TRIGGER t BEGIN SELECT 1; END", "/* open")
	f.Fuzz(func(t *testing.T, up, down string) {
		got, err := adopt.Import(folder(map[string]string{"1_x.up.sql": up, "1_x.down.sql": down}), adopt.History{Tool: adopt.GolangMigrate})
		if errors.Is(err, adopt.ErrForeign) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := migrate.Parse(got.Files[0].Name, got.Files[0].Content); err != nil {
			t.Errorf("%v\n%s", err, got.Files[0].Content)
		}
	})
}
