package lane_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// The engine's own tables are written with the caller's rows or not at all, by the engine alone.
func TestExecOwn(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Writer.GroupTime = time.Minute })
	r.must(t, "CREATE TABLE t (n INTEGER PRIMARY KEY)")
	own := func(sql string, args ...any) func(*lane.Tx) error {
		return func(tx *lane.Tx) error {
			_, err := tx.ExecOwn(t.Context(), sql, args)
			return err
		}
	}
	update := func(steps ...func(*lane.Tx) error) error {
		_, err := r.Update(t.Context(), lane.JobOptions{}, all(steps...))
		return err
	}
	if err := update(run("CREATE TABLE _tg_x (n INTEGER)")); sqlite.ClassOf(err) != sqlite.Auth {
		t.Fatalf("SQL of a user made a table of the engine's: %v", err)
	}
	if err := update(own("CREATE TABLE _tg_x (n INTEGER)"), own("INSERT INTO _tg_x VALUES (?)", int64(1)), run("INSERT INTO t VALUES (1)")); err != nil {
		t.Fatal(err)
	}
	if err := update(own("INSERT INTO _tg_x VALUES (2)"), run("INSERT INTO _tg_x VALUES (3)")); sqlite.ClassOf(err) != sqlite.Auth {
		t.Errorf("behind a statement of the engine's own: %v", err)
	}
	broken := errors.New("broken")
	if err := update(own("INSERT INTO _tg_x VALUES (4)"), func(*lane.Tx) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	// A transaction that leaves its group takes the engine's own statements along.
	one, two, _ := inOneGroup(r, lane.JobOptions{}, run("INSERT INTO t VALUES (5)"),
		all(own("INSERT INTO _tg_x VALUES (6)"), run("INSERT OR ROLLBACK INTO t VALUES (7)")))
	if one != nil || two != nil || r.Stats().Writer.Isolated != 1 {
		t.Errorf("%v, %v, %d isolated", one, two, r.Stats().Writer.Isolated)
	}
	if n := r.number(t, "SELECT sum(n) FROM _tg_x"); n != 7 {
		t.Errorf("the sum is %d, want 1 + 6", n)
	}
}

// all does one thing after the other.
func all(steps ...func(*lane.Tx) error) func(*lane.Tx) error {
	return func(tx *lane.Tx) error {
		for _, step := range steps {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	}
}
