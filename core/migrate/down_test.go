package migrate_test

import (
	"errors"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

// Dropping a constraint is no loss of data, whatever the constraint is called; dropping a column is.
func TestDownDropsAConstraint(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"positive", "bal"} {
		b := newBase(t)
		files := map[string]string{}
		file, text := step(1, one, "DROP TABLE t;", "")
		files[file] = text
		file, text = step(2, "ALTER TABLE t ADD CONSTRAINT "+name+" CHECK (bal > 0);", "ALTER TABLE t DROP CONSTRAINT "+name+";", "")
		files[file] = text
		file, text = step(3, "ALTER TABLE t ALTER COLUMN bal DROP NOT NULL;", "ALTER TABLE t ALTER COLUMN bal SET NOT NULL;", "")
		files[file] = text
		m := b.migrator(load(t, set(t, files)))
		up(t, m)
		if rep, err := m.Down(t.Context(), migrate.DownOptions{To: 1}); err != nil || len(rep.TakenBack) != 2 || b.integer("SELECT bal FROM t") != 7 {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
	}
	b := newBase(t)
	m := b.migrator(load(t, columns(t, "a")))
	up(t, m)
	b.exec("UPDATE t SET a = 'x'")
	var loss *migrate.DataLossError
	if _, err := m.Down(t.Context(), migrate.DownOptions{To: 1}); !errors.As(err, &loss) || len(loss.Losses) != 1 || loss.Losses[0].Column != "a" {
		t.Errorf("got %v", err)
	}
}
