package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/clock"
)

func TestStats(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	a := db.Stats()
	if a.Writer.Jobs != 3 || a.Writer.Commits != 3 || a.Writer.Failed != 0 || a.Syncs < 3 || a.WAL.Used <= 0 || a.WAL.Bytes <= 0 {
		t.Errorf("after three transactions: %+v", a)
	}
	_, err := db.Exec(t.Context(), "INSERT INTO acc VALUES (1, 1)")
	wantOnly(t, err, engine.ErrConstraint)
	rows, err := db.Query(t.Context(), "SELECT * FROM acc")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	b := db.Stats()
	if b.Writer.Failed != 1 || b.Writer.Jobs != 3 || b.Readers.InUse != 1 || b.Readers.Open != 1 {
		t.Errorf("with rows open and a failure: %+v", b)
	}
	rows.Close()
	one(t, db, "SELECT 1", engine.WithClass(engine.ClassAnalytics))
	c := db.Stats()
	if c.Readers.InUse != 0 || c.Readers.Idle != 1 || c.Analytics.Opened != 1 || c.Maintenance.Opened != 0 {
		t.Errorf("with the rows closed: %+v", c)
	}
	sizes := uint64(0)
	for _, n := range c.Writer.GroupSize {
		sizes += n
	}
	if sizes != c.Writer.Commits {
		t.Errorf("%d groups by size, %d commits", sizes, c.Writer.Commits)
	}
	if v := openAt(t, "sqlite://", func(c *engine.Config) { c.Migrations = schema(t, 2) }).Stats().SchemaVersion; v != 2 {
		t.Errorf("schema version %d", v)
	}
}

// TestIdleConnectionsClose moves a clock of its own over the idle timeout.
func TestIdleConnectionsClose(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	db, err := engine.OpenOn(t.Context(), config(t.TempDir()+"/test.db"), fake, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var held []*engine.Rows
	for range 10 {
		rows, err := db.Query(t.Context(), "SELECT 1 UNION SELECT 2")
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		held = append(held, rows)
	}
	for _, r := range held[1:] {
		r.Close()
	}
	fake.Advance(4 * time.Minute)
	one(t, db, "SELECT 1") // uses the one that was given back last, and that alone
	if st := db.Stats().Readers; st.Open != 10 || st.InUse != 1 {
		t.Errorf("before the idle timeout: %+v", st)
	}
	fake.Advance(2 * time.Minute)
	// The one that was used in between may count from its time before: the lane's clock is a tick late, and may lose one.
	eventually(t, "the end of the idle connections", func() bool {
		fake.Advance(time.Second)
		return db.Stats().Readers.Open <= 2
	})
	if st := db.Stats().Readers; st.InUse != 1 || st.ClosedIdle < 8 {
		t.Errorf("after the idle timeout: %+v", st)
	}
	if !held[0].Next() {
		t.Error("rows in use were closed")
	}
	held[0].Close()
}

// TestForeignWriter has a second engine, as another program would be, on the same file.
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	db, path := closable(t, func(c *engine.Config) { c.Writer.BusyTimeout = 100 * time.Millisecond })
	defer db.Close()
	other := openAt(t, path)
	err := other.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE acc SET balance = balance + 1"); err != nil {
			return err
		}
		_, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance + 10")
		wantOnly(t, err, engine.ErrBusy)
		if !engine.Retryable(err) {
			t.Error("a lock of another program is not called retryable")
		}
		if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 2000 {
			t.Errorf("reads see %d of another program's open transaction", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	for _, d := range []*engine.DB{db, other} { // in turns, each waits for the other
		go func() {
			for range 50 {
				_, err := d.Exec(context.Background(), "UPDATE acc SET balance = balance + 1 WHERE id = 1")
				for engine.Retryable(err) {
					_, err = d.Exec(context.Background(), "UPDATE acc SET balance = balance + 1 WHERE id = 1")
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 1101 {
		t.Errorf("balance %d, want 1101: an update was lost", n)
	}
	if st := db.Stats().Writer.File; st.Foreign == 0 || st.Busy == 0 {
		t.Errorf("another program wrote and nobody noticed: %+v", st)
	}
}
