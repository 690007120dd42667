package engine_test

import (
	"database/sql"
	"errors"
	"syscall"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// TestSQLReadsRunAgain: a read through database/sql that fails before its first row is run again, as one of DB.Query is; in a snapshot
// only while nothing has been read from it.
func TestSQLReadsRunAgain(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	pool := pool(t, db)
	fail := func() faultfs.Handle { return p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: syscall.EIO}) }
	fault, sum := fail(), 0
	if err := pool.QueryRowContext(t.Context(), "SELECT sum(balance) FROM acc").Scan(&sum); err != nil || sum != 2000 || fault.Hits() != 1 {
		t.Errorf("outside a transaction: %d faults, sum %d, %v", fault.Hits(), sum, err)
	}
	if n := db.Stats().Retry.Granted; n != 1 {
		t.Errorf("%d further runs", n)
	}
	for _, opened := range []bool{false, true} {
		db, p = cold(t)
		view, err := db.SQL().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if opened {
			if err := view.QueryRow("SELECT x FROM other").Scan(&sum); err != nil {
				t.Fatal(err)
			}
		}
		fault = fail()
		err = view.QueryRow("SELECT sum(balance) FROM acc").Scan(&sum)
		if fault.Hits() != 1 {
			t.Fatalf("%d faults", fault.Hits())
		}
		if !opened && (err != nil || sum != 2000) {
			t.Errorf("the first statement of a snapshot: sum %d, %v", sum, err)
		}
		if opened {
			wantOnly(t, err, engine.ErrIO)
		}
		if err := view.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// TestSQLRefusesKillers: a statement that takes connections with it is refused whichever way it comes, after as many as for all ways together.
func TestSQLRefusesKillers(t *testing.T) {
	t.Parallel()
	db, _ := brittleOn(t, nil, func(c *engine.Config) {
		c.Readers.Memory, c.Readers.CacheKiB = 8<<20, 512
		c.Analytics.Memory, c.Analytics.CacheKiB = 8<<20, 512
	})
	pool := pool(t, db)
	killed := 0
	var err error
	for killed < 20 {
		if _, err = pool.QueryContext(t.Context(), bomb, 900_000); errors.Is(err, engine.ErrUnavailable) {
			break
		}
		if !errors.Is(err, engine.ErrOutOfMemory) {
			t.Fatalf("what should take more memory than there is: %v", err)
		}
		killed++
	}
	wantOnly(t, err, engine.ErrUnavailable)
	if killed > 3 {
		t.Errorf("it took %d connections", killed)
	}
	view, err := pool.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer view.Rollback()
	write, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer write.Rollback()
	_, inView := view.QueryContext(t.Context(), bomb, 1)
	_, execView := view.ExecContext(t.Context(), bomb, 1)
	_, inWrite := write.QueryContext(t.Context(), bomb, 1)
	_, execWrite := write.ExecContext(t.Context(), bomb, 1)
	if err := errors.Join(view.Rollback(), write.Rollback()); err != nil {
		t.Fatal(err)
	}
	_, exec := pool.ExecContext(t.Context(), bomb, 1)
	for where, err := range map[string]error{"a query of a snapshot": inView, "an exec of a snapshot": execView, "a query of a transaction": inWrite,
		"an exec of a transaction": execWrite, "an exec": exec, "Query of the engine": db.QueryRow(t.Context(), bomb, 1).Scan(new(any))} {
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: %v", where, err)
		}
	}
	if n := one(t, db, "SELECT count(*) FROM acc"); n != 2 {
		t.Error("another statement suffers")
	}
}
