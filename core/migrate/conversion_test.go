package migrate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/convert"
)

// prices is a schema whose second migration makes integers of texts.
func prices(t *testing.T, n int, loss string) (before, after *migrate.Set) {
	t.Helper()
	first := fmt.Sprintf(`-- migration: trades
-- compat: 0001
-- +up
CREATE TABLE trades (id INTEGER PRIMARY KEY, price TEXT, note TEXT NOT NULL);
CREATE INDEX by_note ON trades (note);
CREATE TABLE fills (trade INTEGER NOT NULL REFERENCES trades ON DELETE CASCADE);
INSERT INTO trades SELECT value, CASE WHEN value %% 40 = 0 THEN value || 'abc' ELSE value || '.50' END, 'n' || value
 FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT %d) SELECT value FROM n);
INSERT INTO fills SELECT id FROM trades;
-- +down
DROP TABLE fills; DROP TABLE trades;
`, n)
	second := `-- migration: trade price as integer micros
-- compat: 0002
-- convert: trades.price TEXT -> INTEGER using dec(6) null=keep on_loss=` + loss + `
-- touches:
-- +up
CREATE INDEX by_price ON trades (price);
-- +down
DROP INDEX by_price;
-- +verify
SELECT id FROM trades WHERE price <= 0;
`
	files := map[string]string{"0001_trades.sql": first}
	before = load(t, set(t, files))
	files["0002_micros.sql"] = second
	return before, load(t, set(t, files))
}

func TestConversionAbortsListsAndKeeps(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	before, abort := prices(t, 4000, "abort")
	up(t, b.migrator(before))
	content := b.content()
	_, err := b.migrator(abort).Up(t.Context())
	var loss *convert.LossError
	if !errors.As(err, &loss) || loss.Lossy != 100 || len(loss.First) != 100 || b.content() != content {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "abc") {
		t.Errorf("values in the error: %v", err)
	}
	_, keep := prices(t, 4000, "quarantine")
	m := b.configured(func(c *migrate.Config) { c.Rehearse = true }, keep)
	plan, err := m.Plan(t.Context())
	if err != nil || len(plan.Conversions) != 1 || plan.Conversions[0].Lossy != 100 || !plan.Migrations[0].Destructive {
		t.Errorf("plan %+v, %v", plan.Conversions, err)
	}
	rep := up(t, m)
	if rep.Rehearsal == nil || rep.Rehearsal.DownErr != "" {
		t.Errorf("rehearsal %+v", rep.Rehearsal)
	}
	if fmt.Sprint(rep.Checks) != "[{fills 4000 every row} {trades 4000 every row}]" {
		t.Errorf("checked %v", rep.Checks)
	}
	if n := b.integer("SELECT sum(price IS NULL) FROM trades"); n != 100 || b.text("SELECT typeof(price) || price FROM trades WHERE id = 7") != "integer7500000" {
		t.Errorf("%d values went to quarantine", n)
	}
	// A program that never heard of the conversion takes it back.
	if _, err := b.migrator(before).Down(t.Context(), migrate.DownOptions{To: 1}); err != nil {
		t.Fatal(err)
	}
	if b.content() != content {
		t.Error("taking it back did not bring every byte back")
	}
	up(t, m)
}

// A conversion says which column changes; the other columns of the table must not.
func TestConversionDoesNotCoverOtherColumns(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	before, after := prices(t, 300, "quarantine")
	up(t, b.migrator(before))
	content := b.content()
	files := fstest.MapFS{}
	for _, m := range after.Migrations() {
		text := fmt.Sprintf("-- migration: %s\n-- compat: %04d\n", m.Name, m.Compat)
		if m.Version == 2 {
			text += "-- convert: trades.price TEXT -> INTEGER using dec(6) null=keep on_loss=quarantine\n-- touches:\n"
			m.Up += "UPDATE trades SET note = 'x' WHERE id = 5;\n"
		}
		files[m.File] = &fstest.MapFile{Data: []byte(text + "-- +up\n" + m.Up + "-- +down\n" + m.Down)}
	}
	sum, err := migrate.Sum(files)
	if err != nil {
		t.Fatal(err)
	}
	files[migrate.SumFile] = &fstest.MapFile{Data: sum}
	broken := load(t, files)
	b2 := newBase(t)
	up(t, b2.migrator(load(t, fstest.MapFS{"0001_trades.sql": files["0001_trades.sql"], migrate.SumFile: &fstest.MapFile{Data: sum[:strings.IndexByte(string(sum), '\n')+1]}})))
	_, err = b2.migrator(broken).Up(t.Context())
	var rows *migrate.RowsError
	if !errors.As(err, &rows) || rows.Table != "trades" || b2.content() != content {
		t.Errorf("got %v", err)
	}
}

// What the conversions of all pending migrations would lose is told at once, before anything is changed; one that meets rows which an earlier
// pending migration makes is found by the rehearsal.
func TestLossesOfAllPendingMigrationsAreTold(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	name, text := step(1, "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT, w TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, v TEXT);", "SELECT 1;", "")
	files[name] = text
	before := load(t, set(t, files))
	base := newBase(t)
	up(t, base.migrator(before))
	base.exec("INSERT INTO a VALUES (1, 'x', '2'), (2, '2', 'y'); INSERT INTO b VALUES (1, 'z'), (2, '3')")
	converts := func(n int, lines ...string) {
		name, text := step(n, "", "", "")
		files[name] = strings.Replace(text, "-- +up\n", "-- convert: "+strings.Join(lines, "\n-- convert: ")+"\n-- +up\n", 1)
	}
	converts(2, "a.v TEXT -> INTEGER using int", "a.w TEXT -> INTEGER using int")
	converts(3, "b.v TEXT -> INTEGER using int")
	content := base.content()
	_, err := base.migrator(load(t, set(t, files))).Up(t.Context())
	for _, want := range []string{"a.v", "a.w", "b.v", "migration 0002", "migration 0003", "before anything was changed"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told: %v", want, err)
		}
	}
	// The third now converts what the second writes.
	name, text = step(2, "UPDATE b SET v = 'q' WHERE id = 2;", "SELECT 1;", "")
	files[name] = text
	base.exec("UPDATE b SET v = '1' WHERE id = 1")
	content = base.content()
	m := base.configured(func(c *migrate.Config) { c.Rehearse = true }, load(t, set(t, files)))
	plan, err := m.Plan(t.Context())
	if err != nil || len(plan.Conversions) != 0 {
		t.Errorf("rows that are not there yet were analysed: %+v, %v", plan.Conversions, err)
	}
	var loss *convert.LossError
	if _, err := m.Up(t.Context()); !errors.As(err, &loss) || loss.Lossy != 1 || !strings.Contains(err.Error(), "rehearsal") || base.content() != content {
		t.Errorf("got %v", err)
	}
}
