package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

func TestOnceWithManyStartingTogether(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, steps(t))))
	s := load(t, steps(t, "UPDATE t SET bal = bal * 10;", "UPDATE t SET bal = bal * 10;"))
	var wg sync.WaitGroup
	var applied atomic.Int32
	start := make(chan struct{})
	for range 8 {
		m := openBase(t, b.path, nil).migrator(s)
		wg.Go(func() {
			<-start
			rep, err := m.Up(t.Context())
			if err != nil {
				t.Error(err)
			}
			applied.Add(int32(len(rep.Applied)))
		})
	}
	close(start)
	wg.Wait()
	if n := b.integer("SELECT bal FROM t"); applied.Load() != 2 || n != 700 {
		t.Errorf("%d migrations applied, balance %d", applied.Load(), n)
	}
	runs, err := b.migrator(s).Runs(t.Context())
	if err != nil || len(runs) != 2 || runs[1].State != migrate.RunDone {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

func TestNothingToDoWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	m := b.migrator(load(t, steps(t, "ALTER TABLE t ADD COLUMN a TEXT;")))
	first := up(t, m)
	if first.To != 2 || len(first.Applied) != 2 || first.Run == "" {
		t.Errorf("report %+v", first)
	}
	writes := b.store.IO().Writes
	if again := up(t, m); again.Run != "" || again.To != 2 || len(again.Applied) != 0 {
		t.Errorf("report %+v", again)
	}
	if now := b.store.IO().Writes; now != writes {
		t.Errorf("%d writes for nothing", now-writes)
	}
}

func TestFailureAtEveryStatementLeavesNothing(t *testing.T) {
	t.Parallel()
	good := []string{"CREATE TABLE u (x)", "UPDATE t SET bal = bal * 10", "CREATE INDEX tb ON t (bal)", "DELETE FROM t"}
	for at := range len(good) + 1 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			up(t, b.migrator(load(t, steps(t))))
			before := b.content()
			script := append(append(append([]string{}, good[:at]...), "INSERT INTO nowhere VALUES (1)"), good[at:]...)
			rep, err := b.migrator(load(t, steps(t, "UPDATE t SET bal = 1;", strings.Join(script, ";\n")+";"))).Up(t.Context())
			var me *migrate.Error
			if !errors.As(err, &me) || me.Version != 3 {
				t.Fatalf("got %v", err)
			}
			if after := b.content(); after != before || len(rep.Applied) != 0 || rep.To != 1 {
				t.Errorf("%+v left\n%s\nof\n%s", rep, after, before)
			}
		})
	}
}

func TestWhatAMigrationMayNotDo(t *testing.T) {
	t.Parallel()
	child := "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER NOT NULL REFERENCES t ON DELETE CASCADE); INSERT INTO c VALUES (1, 1);"
	for _, c := range []struct{ before, up, says string }{
		{"", "UPDATE t SET bal = 1; COMMIT;", "COMMIT is "},
		{"", "/* x */ -- y\n rollback;", "ROLLBACK is "},
		{"", "SAVEPOINT a;", "SAVEPOINT is not allowed"},
		{"", "ATTACH ':memory:' AS m;", "ATTACH"},
		{"", "PRAGMA foreign_keys = ON;", "PRAGMA foreign_keys is refused"},
		{"", "DELETE FROM _tg_migration;", "belongs to the engine"},
		{child, "DELETE FROM t;", "foreign keys point nowhere"},
		{child, "ALTER TABLE t RENAME TO old; CREATE TABLE t (id INTEGER PRIMARY KEY, bal INTEGER NOT NULL); INSERT INTO t SELECT * FROM old; DROP TABLE old;", "foreign keys point nowhere"},
		{"", "INSERT INTO t VALUES (1, 8);", "UNIQUE"},
		{"", "DROP TABLE t;", "dropped with its 1 rows"},
		{"", "CREATE TABLE n (id INTEGER PRIMARY KEY, bal INTEGER NOT NULL); INSERT INTO n SELECT * FROM t WHERE 0; DROP TABLE t; ALTER TABLE n RENAME TO t;", "has 0 since it was rebuilt"},
		{"", "CREATE TABLE n (id INTEGER PRIMARY KEY, bal INTEGER NOT NULL); INSERT INTO n SELECT id, bal * 2 FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;", "same 1 rows"},
		{"", "CREATE TABLE n (id INTEGER PRIMARY KEY, bal TEXT); INSERT INTO n SELECT id, bal FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;", "same 1 rows"},
		{"CREATE VIEW w AS SELECT bal FROM t;", "CREATE TABLE n (id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;", "view w"},
		{"CREATE TABLE l (id INTEGER); CREATE TRIGGER g AFTER UPDATE ON t BEGIN INSERT INTO l VALUES (new.id); END;", "UPDATE t SET bal = 9;", "a trigger or a cascade did it"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			first := []string{}
			if c.before != "" {
				first = append(first, c.before)
			}
			up(t, b.migrator(load(t, steps(t, first...))))
			before := b.content()
			if _, err := b.migrator(load(t, steps(t, append(first, c.up)...))).Up(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if after := b.content(); after != before {
				t.Errorf("left\n%s\nof\n%s", after, before)
			}
		})
	}
}

func TestTouches(t *testing.T) {
	t.Parallel()
	log := "CREATE TABLE l (id INTEGER); CREATE TRIGGER g AFTER UPDATE ON t BEGIN INSERT INTO l VALUES (new.id); END;"
	for _, c := range []struct {
		name, touches, up string
		says              string
	}{
		{"trigger's table named", "-- touches: t, L", "UPDATE t SET bal = 9;", ""},
		{"table of a statement not named", "-- touches: l", "UPDATE t SET bal = 9;", "not listed in -- touches:"},
		{"nothing named", "-- touches:", "UPDATE t SET bal = 9;", "not listed in -- touches:"},
		{"drop that is meant", "-- touches: t", "DROP TABLE t;", ""},
		{"rows removed in a rebuild that is meant", "-- touches: t", "CREATE TABLE n (id INTEGER PRIMARY KEY, bal INTEGER); DROP TABLE t; ALTER TABLE n RENAME TO t;", ""},
		{"renamed", "-- touches:", "ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME COLUMN bal TO saldo;", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			up(t, b.migrator(load(t, steps(t, log))))
			before := b.content()
			rep, err := b.migrator(load(t, header(t, steps(t, log, c.up), "0003_step.sql", c.touches))).Up(t.Context())
			if c.says == "" {
				if err != nil || rep.To != 3 {
					t.Errorf("%+v, %v", rep, err)
				}
				return
			}
			var re *migrate.RowsError
			if !errors.As(err, &re) || !strings.Contains(err.Error(), c.says) || b.content() != before {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Rebuilding a parent table deletes its children by cascade where foreign keys
// are on.
func TestRebuildOfAParentKeepsItsChildren(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	child := "CREATE TABLE c (p INTEGER NOT NULL REFERENCES t ON DELETE CASCADE); INSERT INTO c VALUES (1);"
	up(t, b.migrator(load(t, steps(t, child))))
	rep := up(t, b.migrator(load(t, steps(t, child,
		"CREATE TABLE n (id INTEGER PRIMARY KEY, bal INTEGER NOT NULL, x TEXT) STRICT; INSERT INTO n SELECT id, bal, 'x' FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;"))))
	if n := b.integer("SELECT count(*) FROM c"); n != 1 {
		t.Errorf("%d children left of 1", n)
	}
	want := "[{c 1 every row} {t 1 every row}]"
	if got := fmt.Sprint(rep.Checks); got != want {
		t.Errorf("checked %s, want %s", got, want)
	}
}

func TestRowsAreSampledBeyondTheBudget(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	many := "CREATE TABLE m (v); INSERT INTO m SELECT value FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 9000) SELECT value FROM n);"
	up(t, b.migrator(load(t, steps(t, many))))
	m := b.configured(func(c *migrate.Config) { c.HashBudget = time.Microsecond }, load(t, steps(t, many, "ALTER TABLE m ADD COLUMN x;")))
	rep := up(t, m)
	if got := fmt.Sprint(rep.Checks); got != "[{m 9000 5000 rows sampled} {t 1 5000 rows sampled}]" {
		t.Errorf("checked %s", got)
	}
}

func TestVerifyFailureRollsBack(t *testing.T) {
	t.Parallel()
	name, text := step(1, one, "DROP TABLE t;", "SELECT 1 WHERE 0; SELECT bal FROM t WHERE bal = 7 -- seven")
	b := newBase(t)
	before := b.content()
	if _, err := b.migrator(load(t, set(t, map[string]string{name: text}))).Up(t.Context()); err == nil || !strings.Contains(err.Error(), "verify query 2") {
		t.Errorf("got %v", err)
	}
	mark := errors.New("no more")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(mark)
	if _, err := b.migrator(load(t, steps(t))).Up(ctx); !errors.Is(err, mark) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if after := b.content(); after != before {
		t.Errorf("left\n%s\nof\n%s", after, before)
	}
}

func TestWaitingForTheLock(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	s := load(t, steps(t))
	holder, err := b.store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if err := holder.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.migrator(s).Up(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	short := b.configured(func(c *migrate.Config) { c.LockWait = 50 * time.Millisecond }, s)
	if _, err := short.Up(t.Context()); fmt.Sprint(codes(err)) != "[E10]" || !strings.Contains(err.Error(), "another program kept the write lock for 50ms") {
		t.Errorf("got %v", err)
	}
	if err := holder.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	up(t, b.migrator(s))
}

// The process that waits is told who it waits for.
func TestTheHolderOfTheLockIsNamed(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, steps(t))))
	s := load(t, steps(t, "UPDATE t SET bal = 1;"))
	var other error
	m := b.configured(func(c *migrate.Config) {
		c.At = func(*migrate.Migration, int) error {
			_, other = b.configured(func(c *migrate.Config) { c.LockWait = time.Millisecond }, s).Up(t.Context())
			return nil
		}
	}, s)
	up(t, m)
	if fmt.Sprint(codes(other)) != "[E10]" || !strings.Contains(other.Error(), "pid ") || !strings.Contains(other.Error(), "migrate up since") {
		t.Errorf("got %v", other)
	}
}
