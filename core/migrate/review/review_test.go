package review_test

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate/review"
)

const base = `-- migration: base
-- +up
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, account INTEGER REFERENCES accounts (id) ON DELETE CASCADE, price TEXT, note TEXT);
CREATE INDEX by_price ON orders (price);
CREATE TRIGGER stamped AFTER UPDATE ON orders BEGIN UPDATE orders SET note = 'x' WHERE id = new.id; END;
-- +down
DROP TABLE orders; DROP TABLE accounts;
`

// second is a file behind base. Its up begins in line 3 and one for each header line.
func second(headers, up, down, verify string) string {
	if headers != "" {
		headers += "\n"
	}
	return "-- migration: second\n" + headers + "-- +up\n" + up + "\n-- +down\n" + down + "\n-- +verify\n" + verify + "\n"
}

func codes(list []review.Finding) []string {
	var out []string
	for _, f := range list {
		out = append(out, fmt.Sprintf("%s:%d", f.Code, f.Line))
	}
	return out
}

func look(file string, opt review.Options) []review.Finding {
	return review.Set([]review.File{{"0002_second.sql", []byte(file)}, {"0001_base.sql", []byte(base)}}, opt)
}

const (
	back  = "DELETE FROM accounts WHERE id = 0;"
	check = "SELECT 1 WHERE 0"
)

func TestSetFindsAndLetsPass(t *testing.T) {
	t.Parallel()
	if got := review.Set([]review.File{{"0001_base.sql", []byte(base)}}, review.Options{}); len(got) != 0 {
		t.Errorf("the base has findings: %v", got)
	}
	for name, c := range map[string]struct{ bad, want, good string }{
		"drop table": {second("", "DROP TABLE orders;", back, ""), "L01:3", second("-- touches: orders", "DROP TABLE orders;", back, "")},
		"drop column": {second("", "ALTER TABLE orders DROP COLUMN note;", back, ""), "L02:3 L13:3",
			second("-- touches: Orders\n-- lint allow L13 small", "ALTER TABLE orders DROP note;", back, "")},
		"delete all":     {second("", "DELETE FROM orders;", back, check), "L03:3 L13:3", second("", "DELETE FROM orders WHERE id < 5;", back, check)},
		"no down":        {second("", "CREATE TABLE x (a);", "SELECT 1;", ""), "L04:5", second("", "CREATE TABLE x (a);", "DROP TABLE x;", "")},
		"nothing at all": {second("", "-- later", back, ""), "L04:0", second("-- convert: orders.price TEXT -> INTEGER using dec(2)", "", "", "")},
		"rebuild loses": {second("", "CREATE TABLE n (id INTEGER PRIMARY KEY, price INT);\nINSERT INTO n SELECT id, price FROM orders;\nDROP TABLE orders;\nALTER TABLE n RENAME TO orders;", back, check),
			"L05:5 L05:5", second("", "CREATE TABLE n (id INTEGER PRIMARY KEY, price INT);\nINSERT INTO n SELECT id, price FROM orders;\nDROP TABLE orders;\nALTER TABLE n RENAME TO orders;\nCREATE INDEX by_price ON orders (price);\nCREATE TRIGGER stamped AFTER UPDATE ON orders BEGIN SELECT 1; END;\n-- lint allow L13 small", back, check)},
		"not null":  {second("", "ALTER TABLE orders ADD COLUMN x INT NOT NULL;", back, ""), "L06:3", second("", "ALTER TABLE orders ADD COLUMN x INT NOT NULL DEFAULT 0;", back, "")},
		"pragma":    {second("", "PRAGMA foreign_keys = OFF;\nCREATE TABLE x (a);", back, ""), "L07:3", second("", "CREATE TABLE pragma_x (a);", back, "")},
		"commit":    {second("", "CREATE TABLE x (a);\nCOMMIT;", "BEGIN; DROP TABLE x;", ""), "L08:4 L08:6", second("", "CREATE TABLE x (a TEXT DEFAULT 'COMMIT;');", "DROP TABLE x;", "")},
		"clock":     {second("", "UPDATE orders SET note = datetime('now') WHERE id = 1;", back, check), "L09:3", second("", "CREATE TABLE x (at TEXT DEFAULT CURRENT_TIMESTAMP);", "DROP TABLE x;", "")},
		"unchecked": {second("", "UPDATE orders SET note = 'a' WHERE id = 1;", back, ""), "L10:3", second("", "UPDATE orders SET note = 'a' WHERE id = 1;", back, check)},
		"cascade": {second("", "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, x);\nINSERT INTO n (id) SELECT id FROM accounts;\nDROP TABLE accounts;\nALTER TABLE n RENAME TO accounts;", back, check),
			"L11:5", second("", "CREATE TABLE n (id INTEGER PRIMARY KEY);\nDROP TABLE n;", back, "")},
		"renamed away": {second("", "ALTER TABLE accounts RENAME TO old;\nCREATE TABLE accounts (id INTEGER PRIMARY KEY);\nINSERT INTO accounts (id) SELECT id FROM old;\nDROP TABLE old;", back, check),
			"L12:3", second("", "ALTER TABLE accounts RENAME TO old;", "ALTER TABLE old RENAME TO accounts;", "")},
		"index":   {second("", "CREATE INDEX by_note ON orders (note);", "DROP INDEX by_note;", ""), "L13:3", second("", "CREATE TABLE x (a);\nCREATE INDEX by_a ON x (a);", "DROP TABLE x;", "")},
		"cast":    {second("", "UPDATE orders SET price = CAST(price AS INTEGER) WHERE 1;", back, check), "L14:3", second("", "CREATE VIEW v AS SELECT CAST(price AS INTEGER) FROM orders;", "DROP VIEW v;", "")},
		"touches": {second("-- touches: accounts, nobody", "UPDATE orders SET note = 'a' WHERE id = 1;", back, check), "L15:0 L15:4", second("-- touches: orders", "UPDATE orders SET note = 'a' WHERE id = 1;", back, check)},
		"if exists": {second("", "CREATE TABLE IF NOT EXISTS x (a);\nDROP INDEX IF EXISTS y;", "DROP TABLE IF EXISTS x;", ""), "L16:3 L16:4",
			second("", "CREATE TRIGGER x AFTER INSERT ON orders WHEN EXISTS (SELECT 1) BEGIN SELECT 1; END;", "DROP TRIGGER x;", "")},
		"or ignore":   {second("", "INSERT OR IGNORE INTO accounts (id) SELECT account FROM orders;", back, check), "L17:3", second("", "INSERT INTO accounts (id) VALUES (5) ON CONFLICT DO UPDATE SET name = 'x';", back, check)},
		"select star": {second("", "CREATE TABLE x (a, b);\nINSERT INTO x SELECT * FROM accounts;", "DROP TABLE x;", check), "L18:4", second("", "CREATE TABLE x (a, b);\nINSERT INTO x (a) SELECT count(*) FROM accounts;", "DROP TABLE x;", check)},
		"reserved":    {second("", "CREATE TABLE _tg_x (a);", back, ""), "L19:3", second("", "UPDATE sqlite_sequence SET seq = 5 WHERE name = 'orders';", back, check)},
		"compat": {second("-- compat: 0001\n-- touches: orders\n-- lint allow L13 small", "ALTER TABLE orders DROP COLUMN note;", back, ""), "L20:6",
			second("-- compat: 0002\n-- touches: orders\n-- lint allow L13 small", "ALTER TABLE orders DROP COLUMN note;", back, "")},
		"compat of any": {second("-- compat: 0000\n-- touches: orders\n-- lint allow L13 small", "ALTER TABLE orders DROP COLUMN note;", back, ""), "L20:6",
			second("-- compat: 0002\n-- touches: orders\n-- lint allow L13 small", "ALTER TABLE orders DROP COLUMN note;", back, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := look(c.bad, review.Options{})
			got := codes(bad)
			if slices.Sort(got); strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s\n%v", got, c.want, bad)
			}
			for _, f := range bad {
				if f.Message == "" || f.Remedy == "" || f.Severity == "" || f.Rule == "" || !strings.HasPrefix(f.String(), "0002_second.sql:") {
					t.Errorf("incomplete: %+v", f)
				}
			}
			for _, f := range look(c.good, review.Options{}) {
				if strings.Contains(c.want, f.Code) {
					t.Errorf("the good one has %v", f)
				}
			}
		})
	}
}

func TestOptionsRows(t *testing.T) {
	t.Parallel()
	file := second("", "CREATE INDEX by_note ON orders (note);", "DROP INDEX by_note;", "")
	if got := look(file, review.Options{Rows: map[string]int64{"orders": 10}}); len(got) != 0 {
		t.Errorf("a small table: %v", got)
	}
	if got := look(file, review.Options{Rows: map[string]int64{"orders": 2_000_000}}); len(got) != 1 || !strings.Contains(got[0].Message, "2000000 rows") {
		t.Errorf("a large table: %v", got)
	}
}

// Every rule is found by a case above, and the page of rules is whole.
func TestRules(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("review_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range review.Rules() {
		if r.Code != fmt.Sprintf("L%02d", i+1) || r.Name == "" || !strings.Contains(string(source), `"`+r.Code+":") && !strings.Contains(string(source), " "+r.Code+":") {
			t.Errorf("rule %+v", r)
		}
	}
}

// The shipped migrations set the example.
func TestSetOnShippedMigrations(t *testing.T) {
	t.Parallel()
	dir := os.DirFS("../../../migrations")
	names, err := fs.Glob(dir, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	var files []review.File
	for _, n := range names {
		content, err := fs.ReadFile(dir, n)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, review.File{n, content})
	}
	for _, f := range review.Set(files, review.Options{}) {
		if f.Severity != review.Note {
			t.Error(f)
		}
	}
}

// FuzzSet holds that no text makes the reviewer fall over, and that every finding lies in the file.
func FuzzSet(f *testing.F) {
	f.Add(second("-- touches: a", "DROP TABLE a; ALTER TABLE b RENAME TO a; WITH x AS (SELECT 1) DELETE FROM b", "", ""))
	f.Add("-- +up\nCREATE\n-- +up\nALTER TABLE RENAME TO\n-- +down\nCREATE TRIGGER ON ;")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + 1
		for _, x := range look(text, review.Options{}) {
			if x.File == "0002_second.sql" && (x.Line < 0 || x.Line > lines) {
				t.Errorf("line %d of %d", x.Line, lines)
			}
		}
	})
}
