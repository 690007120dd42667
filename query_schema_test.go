package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine"
)

// TestSchemaStatements runs each kind of DDL, most of which ask SQLite's authorizer odd questions.
func TestSchemaStatements(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	exec(t, db, "CREATE TABLE log (i)", "CREATE VIEW v AS SELECT i, half FROM n", "CREATE TRIGGER tr AFTER UPDATE OF half ON n BEGIN INSERT INTO log VALUES (new.i); END",
		"CREATE INDEX by_half ON n (half)", "ALTER TABLE n ADD COLUMN extra TEXT DEFAULT 'e'", "ALTER TABLE n RENAME COLUMN half TO part",
		"ALTER TABLE n RENAME TO m", "UPDATE m SET part = 0 WHERE i < 4", "ALTER TABLE m DROP COLUMN extra", "REINDEX by_half", "ANALYZE", "DROP INDEX by_half")
	if n := one(t, db, "SELECT count(*) FROM log"); n != 3 {
		t.Errorf("the trigger of the renamed table ran %d times", n)
	}
	if n := one(t, db, "SELECT count(part) FROM v"); n != 100 {
		t.Errorf("the view of the renamed table has %d rows", n)
	}
	exec(t, db, "DROP TRIGGER tr", "DROP VIEW v", "DROP TABLE m")
	_, err := db.Exec(t.Context(), "SELECT * FROM m")
	wantOnly(t, err, engine.ErrSQL)
}

// TestSchemaChange changes a table under statements that the only connection of each lane has compiled: by this program,
// and by another one. What they return must be under the right names from the first row on.
func TestSchemaChange(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	db := openAt(t, path, func(c *engine.Config) { c.Readers.Connections = 1 })
	other := openAt(t, path)
	exec(t, db, "CREATE TABLE n (i INTEGER, label TEXT)", "INSERT INTO n VALUES (1, 'one')")
	check := func(want string) {
		t.Helper()
		seen := map[string]string{}
		note := func(how string, rows *engine.Rows, err error) {
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range rows.All() {
				if err != nil {
					t.Fatal(err)
				}
				v, err := r.Values()
				if err != nil {
					t.Fatal(err)
				}
				seen[how] = fmt.Sprint(r.Columns(), v)
			}
		}
		rows, err := db.Query(t.Context(), "SELECT * FROM n")
		note("Query", rows, err)
		rows, err = db.Query(t.Context(), "UPDATE n SET i = i RETURNING *")
		note("Query that writes", rows, err)
		err = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			rows, err := tx.Query(ctx, "SELECT * FROM n")
			note("Tx.Query", rows, err)
			rows, err = tx.Query(ctx, "UPDATE n SET i = i RETURNING *")
			note("Tx.Query that writes", rows, err)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != 4 {
			t.Errorf("a row came in these ways alone: %v", seen)
		}
		for how, got := range seen {
			if got != want {
				t.Errorf("%s: %s, want %s", how, got, want)
			}
		}
	}
	check("[i label] [1 one]")
	exec(t, db, "ALTER TABLE n ADD COLUMN extra TEXT DEFAULT 'e'")
	check("[i label extra] [1 one e]")
	var r struct {
		I            int
		Label, Extra string
	}
	if err := db.QueryRow(t.Context(), "SELECT * FROM n").Scan(&r); err != nil || r.Extra != "e" {
		t.Errorf("%+v, %v", r, err)
	}
	exec(t, other, "ALTER TABLE n DROP COLUMN label", "ALTER TABLE n ADD COLUMN late TEXT DEFAULT 'l'") // as many as before
	check("[i extra late] [1 e l]")
	exec(t, db, "ALTER TABLE n RENAME COLUMN extra TO first")
	check("[i first late] [1 e l]")
}
