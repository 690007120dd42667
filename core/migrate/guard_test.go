package migrate_test

import (
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

const guards = `SELECT coalesce(group_concat(name, ' ' ORDER BY name), '') FROM sqlite_schema WHERE name LIKE '\_tg\_guard%' ESCAPE '\'`

// What the engine keeps in the same file, and its triggers on the user's tables, are no drift; a rebuild of the table keeps them.
func TestTheEnginesOwnObjectsAreNoDrift(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	first := load(t, steps(t))
	up(t, b.migrator(first))
	b.exec(`CREATE TABLE _tg_something (a); CREATE INDEX _tg_something_a ON _tg_something (a);
 CREATE TRIGGER "_tg_guard_t_INSERT" BEFORE INSERT ON main."t" BEGIN SELECT 1; END; CREATE TRIGGER "_tg_guard_t_DELETE" BEFORE DELETE ON main."t" BEGIN SELECT 1; END`)
	m := b.migrator(first)
	if st, err := m.Status(t.Context()); err != nil || len(st.Conflicts) > 0 {
		t.Fatalf("drift: %+v, %v", st.Conflicts, err)
	}
	if v, err := m.Verify(t.Context()); err != nil || !v.OK() {
		t.Errorf("%+v, %v", v, err)
	}
	rebuild := func(now string) string {
		return "CREATE TABLE n (id INTEGER PRIMARY KEY, bal INTEGER NOT NULL" + now + ") STRICT; INSERT INTO n (id, bal) SELECT id, bal FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;"
	}
	name, text := step(2, rebuild(", x TEXT"), rebuild(""), "")
	files := map[string]string{name: text}
	name, text = step(1, one, "DROP TABLE t;", "")
	files[name] = strings.Replace(text, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t);", "", 1)
	files[name] = strings.Replace(files[name], "-- +verify\n", "-- +verify\nSELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t);", 1)
	both := b.migrator(load(t, set(t, files)))
	up(t, both)
	const want = "_tg_guard_t_DELETE _tg_guard_t_INSERT"
	if got := b.text(guards); got != want {
		t.Errorf("after a rebuild %q, want %q", got, want)
	}
	renamed := load(t, steps(t, "ALTER TABLE t RENAME TO accounts;"))
	other := newBase(t)
	up(t, other.migrator(first))
	other.exec(`CREATE TRIGGER "_tg_guard_t_INSERT" BEFORE INSERT ON main."t" BEGIN SELECT 1; END`)
	up(t, other.migrator(renamed))
	if got := other.text(guards) + other.text("SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger'"); got != "_tg_guard_accounts_INSERTaccounts" {
		t.Errorf("after the table was renamed: %q", got)
	}
	if _, err := both.Down(t.Context(), migrate.DownOptions{To: 1, AllowDataLoss: true}); err != nil {
		t.Fatal(err)
	}
	if got := b.text(guards); got != want {
		t.Errorf("after down %q, want %q", got, want)
	}
	if st, err := m.Status(t.Context()); err != nil || len(st.Conflicts) > 0 {
		t.Errorf("drift: %+v, %v", st.Conflicts, err)
	}
}
