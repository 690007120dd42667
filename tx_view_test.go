package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// TestViewIsOneSnapshot reads two tables in statements of their own while others write, and their sums must agree.
func TestViewIsOneSnapshot(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	stop := busyWith(t, db)
	for i := range 60 {
		class := engine.WithClass([]engine.Class{engine.ClassNormal, engine.ClassAnalytics, engine.ClassMaintenance}[i%3])
		err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			if !tx.ReadOnly() {
				t.Error("a View says that it writes")
			}
			var entries, after, balance int
			if err := tx.QueryRow(ctx, "SELECT coalesce(sum(amount), 0) FROM entry WHERE acc = 1").Scan(&entries); err != nil {
				return err
			}
			if i < 3 {
				before := db.Stats().Writer.Jobs
				eventually(t, "a commit by somebody else", func() bool { return db.Stats().Writer.Jobs > before+10 })
			}
			if err := tx.QueryRow(ctx, "SELECT balance FROM acc WHERE id = 1").Scan(&balance); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, "SELECT coalesce(sum(amount), 0) FROM entry WHERE acc = 1").Scan(&after); err != nil {
				return err
			}
			if balance != 1000+entries || entries != after {
				t.Errorf("balance %d, entries %d and %d: not one snapshot", balance, entries, after)
			}
			return nil
		}, class)
		if err != nil {
			t.Fatal(err)
		}
	}
	stop()
}

func TestViewCannotWrite(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	for _, sql := range []string{
		"INSERT INTO acc VALUES (9, 9)", "UPDATE acc SET balance = 1 RETURNING id", "DELETE FROM acc", "CREATE TABLE x (a)", "DROP TABLE entry",
		"WITH a AS (SELECT 1) DELETE FROM acc WHERE id IN a",
	} {
		err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			_, first := tx.Exec(ctx, sql)
			wantOnly(t, first, engine.ErrReadOnly)
			wantText(t, first, "use Update")
			if err := drained(tx.Query(ctx, sql)); !errors.Is(err, engine.ErrReadOnly) {
				t.Errorf("Query: %v, want ErrReadOnly", err)
			}
			_, err := tx.Exec(ctx, "SELECT * FROM acc") // it goes on
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if n := one(t, db, "SELECT count(*) FROM acc"); n != 2 {
		t.Errorf("%d accounts", n)
	}
}

func TestViewWaysOut(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Readers.Connections = 1 })
	reads := func(ctx context.Context, tx *engine.Tx) { // and leaves its rows open
		if rows, err := tx.Query(ctx, "SELECT * FROM acc"); err != nil || !rows.Next() {
			t.Errorf("no row: %v", err)
		}
	}
	for range 3 {
		if err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error { reads(ctx, tx); return errMine }); err != errMine {
			t.Errorf("got %v, want the closure's own error as it is", err)
		}
		func() {
			defer func() {
				if recover() != "out" {
					t.Error("the panic did not go on")
				}
			}()
			_ = db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error { reads(ctx, tx); panic("out") })
		}()
		ctx, cancel := context.WithCancel(t.Context())
		err := db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
			reads(ctx, tx)
			cancel()
			_, err := tx.Exec(ctx, "SELECT * FROM acc")
			return err
		})
		wantOnly(t, err, context.Canceled)
	}
	// The only connection has come back each time, and is in no transaction.
	exec(t, db, "UPDATE acc SET balance = 7 WHERE id = 1")
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 7 {
		t.Errorf("a reader shows %d, 7 is committed", n)
	}
}

// TestSnapshotExpires lets a reader stand in the way of the write-ahead log under tiny limits.
func TestSnapshotExpires(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit func(*engine.WALConfig)
	}{
		{name: "cap", limit: func(w *engine.WALConfig) { w.Soft, w.Hard, w.Cap = 100<<10, 200<<10, 300<<10 }},
		{name: "age", limit: func(w *engine.WALConfig) { w.Soft, w.SnapshotAge = 100<<10, time.Millisecond }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := ledger(t, func(cfg *engine.Config) { c.limit(&cfg.WAL); cfg.WAL.CheckpointFrames = 10 })
			exec(t, db, "CREATE TABLE blob (b)")
			err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				rows, err := tx.Query(ctx, "SELECT id FROM acc")
				if err != nil {
					return err
				}
				defer rows.Close()
				rows.Next()
				eventually(t, "the end of the snapshot", func() bool {
					if _, err := db.Exec(t.Context(), "INSERT INTO blob VALUES (randomblob(20000))"); err != nil {
						t.Fatalf("the writer: %v", err)
					}
					return db.Stats().WAL.Ended > 0
				})
				if rows.Next() {
					t.Error("rows go on without a snapshot")
				}
				wantOnly(t, rows.Err(), engine.ErrSnapshotExpired)
				return tx.QueryRow(ctx, "SELECT 1").Scan(new(int))
			}, engine.WithName("long report"))
			wantOnly(t, err, engine.ErrSnapshotExpired)
			wantText(t, err, `"long report"`, "WAL.Cap")
			var snap *engine.SnapshotError
			if !errors.As(err, &snap) || snap.WALBytes < 100<<10 {
				t.Errorf("%+v", snap)
			}
			one(t, db, "SELECT count(*) FROM acc") // the lane goes on
		})
	}
}

// TestReadersDoNotWaitForTheWriter keeps the writer busy for as long as the reads take.
func TestReadersDoNotWaitForTheWriter(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if err := move(ctx, tx, 1, 2, 100); err != nil {
			return err
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 1000 {
					t.Errorf("read %d, want what was committed before", n)
				}
			})
		}
		wg.Wait()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestQueryInsideRows runs a second query inside a loop over rows, from many more goroutines than there are run slots.
func TestQueryInsideRows(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Readers.Slots = 2 })
	exec(t, db, "INSERT INTO acc WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i, 1 FROM n")
	var ready, wg sync.WaitGroup
	const sessions = 40
	ready.Add(sessions)
	for range sessions {
		wg.Go(func() {
			rows, err := db.Query(t.Context(), "SELECT id FROM acc")
			if err != nil || !rows.Next() {
				t.Errorf("no row: %v", err)
				return
			}
			defer rows.Close()
			ready.Done()
			ready.Wait() // all of them hold rows now
			for n := 1; ; n++ {
				if one(t, db, "SELECT count(*) FROM entry") != 0 {
					t.Error("entries from nowhere")
				}
				if !rows.Next() {
					if n != 10 || rows.Err() != nil {
						t.Errorf("%d rows, %v", n, rows.Err())
					}
					return
				}
			}
		})
	}
	within(t, 10*time.Second, "a query inside a loop over rows", wg.Wait)
	if st := db.Stats().Readers; st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("connections are left in use: %+v", st)
	}
}
