package seed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/seed"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/testconn"
)

func open(t *testing.T) *sqlite.Conn {
	t.Helper()
	return testconn.Open(t, filepath.Join(t.TempDir(), "t.db"))
}

// Every table of the trading schema, with its keys, CHECKs and triggers, gets rows.
func TestFillTradingSchema(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../../migrations/0001_trading.sql")
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrate.Parse("0001_trading.sql", content)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t)
	if err := c.Script(m.Up, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	got, err := seed.Fill(c, 5, 1)
	if err != nil {
		t.Fatal(err)
	}
	empty := 0
	for _, f := range got {
		if f.Rows == 0 {
			empty++
			t.Logf("%s stays empty: %s", f.Table, f.Refused)
		}
	}
	if len(got) < 15 || empty > len(got)/4 {
		t.Errorf("%d of %d tables stay empty", empty, len(got))
	}
	if bad, err := c.QueryInt("SELECT count(*) FROM pragma_foreign_key_check"); err != nil || bad != 0 {
		t.Errorf("%d references point nowhere, %v", bad, err)
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	c, again := open(t), open(t)
	for _, conn := range []*sqlite.Conn{c, again} {
		for _, sql := range []string{
			"CREATE TABLE child (a INTEGER NOT NULL, b TEXT NOT NULL, n INT, FOREIGN KEY (a, b) REFERENCES parent (x, y))",
			"CREATE TABLE parent (x INTEGER NOT NULL, y TEXT NOT NULL CHECK (y IN ('one', 'two')), PRIMARY KEY (x, y)) STRICT, WITHOUT ROWID",
			"CREATE TABLE self (id INTEGER PRIMARY KEY, up INTEGER REFERENCES self, g AS (id * 2), raw BLOB NOT NULL UNIQUE CHECK (length(raw) = 33))",
			"CREATE TABLE never (x UNIQUE CHECK (0))", "CREATE TABLE later (a INTEGER NOT NULL REFERENCES never (x) DEFERRABLE INITIALLY DEFERRED)", "BEGIN",
		} {
			if err := conn.Exec(sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := seed.Fill(c, 10, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got {
		if want := map[string]int{"child": 10, "parent": 10, "self": 10, "never": 0, "later": 0}[f.Table]; f.Rows != want || (f.Refused == "") != (want == 10) {
			t.Errorf("%+v", f)
		}
	}
	if err := c.Exec("COMMIT"); err != nil {
		t.Errorf("a reference that is checked late: %v", err)
	}
	if bad, err := c.QueryInt("SELECT count(*) FROM pragma_foreign_key_check"); err != nil || bad != 0 {
		t.Errorf("%d references point nowhere, %v", bad, err)
	}
	if _, err := seed.Fill(again, 10, 7); err != nil {
		t.Fatal(err)
	}
	const all = "SELECT group_concat(x) FROM (SELECT quote(a) || quote(b) || quote(n) AS x FROM child UNION ALL SELECT quote(raw) || quote(up) FROM self)"
	if one, _ := c.QueryText(all); one == "" {
		t.Error("nothing to compare")
	} else if two, _ := again.QueryText(all); one != two {
		t.Error("the same seed made other rows")
	}
}
