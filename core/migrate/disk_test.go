package migrate_test

import (
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

// needed is what a plan wants of the disk, in multiples of the database.
func needed(t *testing.T, b *base, rehearse bool, ups ...string) float64 {
	t.Helper()
	p, err := b.configured(func(c *migrate.Config) { c.Rehearse = rehearse }, load(t, steps(t, ups...))).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return float64(p.DiskNeeded) / float64(p.DatabaseBytes)
}

// A run needs room for a copy and twice for what it rewrites, not for what it leaves alone.
func TestDiskIsNeededForWhatIsRewritten(t *testing.T) {
	t.Parallel()
	const tables = "CREATE TABLE large (a INTEGER, b BLOB); CREATE TABLE small (a INTEGER, b TEXT); CREATE INDEX small_b ON small (b);"
	b := newBase(t)
	up(t, b.migrator(load(t, steps(t, tables))))
	b.exec("WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT 2000) INSERT INTO large SELECT v, randomblob(900) FROM n")
	b.exec("WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT 2000) INSERT INTO small SELECT v, hex(randomblob(10)) FROM n")
	for _, c := range []struct {
		what     string
		rehearse bool
		up       string
		min, max float64
	}{
		{"a column is added", false, "ALTER TABLE large ADD COLUMN c TEXT;", 1, 1},
		{"a table is made", false, "CREATE TABLE more (a REFERENCES large); CREATE VIEW w AS SELECT a FROM large;", 1, 1},
		{"a small table is rewritten", false, "UPDATE small SET a = a + 1;", 1.02, 1.3},
		{"a small index is made", false, "CREATE INDEX small_a ON small (a);", 1.02, 1.3},
		{"the large table is rewritten", false, "ALTER TABLE large DROP COLUMN b;", 2.6, 3},
		{"the large table is copied", false, "CREATE TABLE n AS SELECT a, b FROM large; DROP TABLE large; ALTER TABLE n RENAME TO large;", 2.6, 3},
		{"it is rehearsed", true, "ALTER TABLE large DROP COLUMN b;", 3.6, 4},
	} {
		if got := needed(t, b, c.rehearse, tables, c.up); got < c.min || got > c.max {
			t.Errorf("%s: %.2f times the database, want %.2f to %.2f", c.what, got, c.min, c.max)
		}
	}
}
