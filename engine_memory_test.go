package engine_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/tidegate/engine"
)

// TestMemoryDatabase runs what files do on a database in memory, whose log and locks are another code's.
func TestMemoryDatabase(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"sqlite://", ":memory:", "sqlite:///:memory:"} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			db := openAt(t, url)
			exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT",
				"CREATE TABLE entry (id INTEGER PRIMARY KEY, acc INTEGER NOT NULL REFERENCES acc DEFERRABLE INITIALLY DEFERRED, amount INTEGER NOT NULL) STRICT",
				"INSERT INTO acc VALUES (1, 1000), (2, 1000)")
			stop := busyWith(t, db)
			for range 30 { // readers go on beside the writers, each on one snapshot
				err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
					var sum, entries, balance int
					if err := tx.QueryRow(ctx, "SELECT sum(balance) FROM acc").Scan(&sum); err != nil {
						return err
					}
					if err := tx.QueryRow(ctx, "SELECT coalesce(sum(amount), 0) FROM entry WHERE acc = 1").Scan(&entries); err != nil {
						return err
					}
					if err := tx.QueryRow(ctx, "SELECT balance FROM acc WHERE id = 1").Scan(&balance); err != nil {
						return err
					}
					if sum != 2000 || balance != 1000+entries {
						t.Errorf("sum %d, balance %d, entries %d: not one snapshot", sum, balance, entries)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
					if err := move(ctx, tx, 1, 2, 5); err != nil {
						return err
					}
					return errMine
				}); err != errMine {
					t.Fatal(err)
				}
			}
			stop()
			if h := db.Health(t.Context()); !h.OK {
				t.Errorf("not well: %+v", h)
			}
		})
	}
}

func TestMemoryGroupCommit(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	exec(t, db, "CREATE TABLE t (a INTEGER PRIMARY KEY)")
	before := db.Stats().Writer
	var wg sync.WaitGroup
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		for i := range 40 {
			wg.Go(func() {
				if _, err := db.Exec(t.Context(), "INSERT INTO t VALUES (?)", i); err != nil {
					t.Error(err)
				}
			})
		}
		eventually(t, "forty callers in the queue", func() bool { return db.Stats().Writer.Waiting == 40 })
		return nil
	})
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	after := db.Stats().Writer
	if jobs, commits := after.Jobs-before.Jobs, after.Commits-before.Commits; jobs != 41 || commits > 20 {
		t.Errorf("%d transactions in %d commits", jobs, commits)
	}
	if n := one(t, db, "SELECT count(*) FROM t"); n != 40 {
		t.Errorf("%d rows", n)
	}
}

// TestMemoryIsPrivate: each Open has a database of its own, and nothing appears on the disk.
func TestMemoryIsPrivate(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(here)
	if err != nil {
		t.Fatal(err)
	}
	a, b := openAt(t, "sqlite://"), openAt(t, "sqlite://")
	exec(t, a, "CREATE TABLE mine (x)")
	_, err = b.Exec(t.Context(), "INSERT INTO mine VALUES (1)")
	wantOnly(t, err, engine.ErrSQL)
	after, err := os.ReadDir(here)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d files beside the program, there were %d; %v", len(after), len(before), err)
	}
}
