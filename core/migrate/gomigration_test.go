package migrate_test

import (
	"context"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

// A Go migration in the middle of the files takes the place of none of them when the sums are compared.
func TestCodeBetweenFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	name, text := step(1, one, "DROP TABLE t;", "")
	files[name] = text
	for _, n := range []int{2, 4, 5, 6} {
		name, text := add(n, string(rune('a'+n)))
		files[name] = text
	}
	run := func(ctx context.Context, tx *migrate.GoTx) error { return tx.Exec("UPDATE t SET bal = -bal") }
	code := migrate.GoMigration{Version: 3, Name: "turn the sign", Touches: []string{"t"}, Fingerprint: "1", Up: run, Down: run}
	s := load(t, set(t, files), migrate.WithGo(code))
	b := newBase(t)
	if rep := up(t, b.migrator(s)); rep.To != 6 || b.integer("SELECT bal FROM t") != -7 {
		t.Errorf("%+v, balance %d", rep, b.integer("SELECT bal FROM t"))
	}
}
