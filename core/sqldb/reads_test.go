package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqldb"
)

func readFirst(s *setup) { s.opt.Begin, s.opt.Name = sqldb.ReadFirst, "orm" }

func TestReadFirstLeavesTheWriterAlone(t *testing.T) {
	t.Parallel()
	r := table(t, readFirst)
	release := hold(t, r)
	tx := r.begin(t, nil)
	if n := number(t, tx, "SELECT sum(n) FROM t"); n != 60 {
		t.Errorf("sum %d", n)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	tx = r.begin(t, nil)
	if n := number(t, tx, "SELECT n FROM t WHERE id = 1"); n != 10 {
		t.Errorf("n is %d", n)
	}
	release()
	set(t, r, 2, 21) // a change that the transaction has not read
	set(t, tx, 1, 11)
	if n := number(t, tx, "SELECT sum(n) FROM t"); n != 62 {
		t.Errorf("on the writer it sees %d, want 62", n)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT sum(n) FROM t"); n != 62 {
		t.Errorf("sum %d, want 62", n)
	}
	if st := r.lanes.Stats(); st.Readers.InUse != 0 {
		t.Errorf("%d readers are held", st.Readers.InUse)
	}
}

func TestReadFirstNeverLosesAnUpdate(t *testing.T) {
	t.Parallel()
	reads := map[string]func(*sql.Tx) error{
		"the row": func(tx *sql.Tx) error { return tx.QueryRow("SELECT n FROM t WHERE id = ?", 1).Scan(new(int)) },
		"a sum":   func(tx *sql.Tx) error { return tx.QueryRow("SELECT sum(n) FROM t").Scan(new(int)) },
		"the first rows": func(tx *sql.Tx) error {
			rows, err := tx.Query("SELECT id, n FROM t ORDER BY id")
			if err != nil {
				return err
			}
			rows.Next()
			return rows.Close()
		},
		"all rows": func(tx *sql.Tx) error {
			rows, err := tx.Query("SELECT n FROM t ORDER BY id DESC")
			if err != nil {
				return err
			}
			for rows.Next() {
			}
			return rows.Err()
		},
		"rows that are still open": func(tx *sql.Tx) error {
			rows, err := tx.Query("SELECT n FROM t ORDER BY id DESC")
			if err != nil {
				return err
			}
			rows.Next()
			return rows.Err()
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := table(t, readFirst)
			tx := r.begin(t, nil)
			if err := read(tx); err != nil {
				t.Fatal(err)
			}
			set(t, r, 1, 1000)
			_, err := tx.Exec("UPDATE t SET n = 11 WHERE id = 1")
			var stale *sqldb.StaleError
			if !errors.As(err, &stale) || !errors.Is(err, lane.ErrNotApplied) || stale.Name != "orm" {
				t.Fatalf("the first write: %v", err)
			}
			if _, err := tx.Query("SELECT 1"); !errors.As(err, &stale) {
				t.Errorf("the next statement: %v", err)
			}
			if err := tx.Commit(); !errors.As(err, &stale) {
				t.Errorf("Commit: %v", err)
			}
			if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 1000 {
				t.Errorf("n is %d: an update was lost", n)
			}
		})
	}
}

// What is compared is what was read: another order of commits, a row that came, a row that went, a table that changed.
func TestReadFirstNoticesWhatChanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		read, change string
		stale        bool
	}{
		{"SELECT id FROM t", "INSERT INTO t VALUES (4, 40)", true},
		{"SELECT id FROM t", "DELETE FROM t WHERE id = 3", true},
		{"SELECT id FROM t", "UPDATE t SET n = n + 1", false},
		{"SELECT id FROM t WHERE id > 99", "INSERT INTO t VALUES (100, 0)", true},
		{"SELECT id FROM t WHERE id > 99", "INSERT INTO t VALUES (4, 0)", false},
		{"SELECT * FROM t", "ALTER TABLE t ADD COLUMN c", true},
		{"SELECT * FROM t", "DROP TABLE t", true},
		{"SELECT n FROM t WHERE id = 1", "UPDATE t SET n = 10 WHERE id = 1", false},
		{"SELECT CAST(n AS TEXT) FROM t", "CREATE TABLE other (a)", false},
		{"SELECT random()", "CREATE TABLE other (a)", true}, // nothing tells it from a value that changed
	} {
		t.Run(c.read+" / "+c.change, func(t *testing.T) {
			t.Parallel()
			r := table(t, readFirst)
			r.must(t, "CREATE TABLE mine (a)")
			tx := r.begin(t, nil)
			rows, err := tx.Query(c.read)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			r.must(t, c.change)
			_, err = tx.Exec("INSERT INTO mine VALUES (1)")
			var stale *sqldb.StaleError
			if errors.As(err, &stale) != c.stale || (err != nil) != c.stale {
				t.Errorf("the first write: %v", err)
			}
		})
	}
}

func TestReadFirstCountsExactly(t *testing.T) {
	t.Parallel()
	r := table(t, readFirst)
	const callers, times = 20, 10
	var stale atomic.Int64
	var wg, meet sync.WaitGroup
	meet.Add(callers)
	for range callers {
		wg.Go(func() {
			// The first time all have read before any writes; how often they meet later is the machine's.
			between := func() { meet.Done(); meet.Wait() }
			for range times {
				for {
					err := increment(r, between)
					between = func() {}
					if err == nil {
						break
					}
					if !errors.Is(err, lane.ErrNotApplied) {
						t.Error(err)
						return
					}
					stale.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 10+callers*times {
		t.Errorf("%d increments made %d of 10", callers*times, n)
	}
	if n := stale.Load(); n < callers-1 {
		t.Errorf("%d of %d transactions that had read the same were refused", n, callers-1)
	}
}

// increment reads in one statement and writes in another. between runs before the write.
func increment(r *rig, between func()) error {
	tx, err := r.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow("SELECT n FROM t WHERE id = 1").Scan(&n); err != nil {
		return err
	}
	between()
	if _, err := tx.Exec("UPDATE t SET n = ? WHERE id = 1", n+1); err != nil {
		return err
	}
	return tx.Commit()
}

func TestReadFirstKeepsOpenRows(t *testing.T) {
	t.Parallel()
	r := table(t, readFirst)
	r.must(t, "CREATE TABLE big (id INTEGER PRIMARY KEY, note BLOB)",
		"INSERT INTO big WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 500) SELECT x, CAST('note ' || x AS BLOB) FROM c")
	tx := r.begin(t, nil)
	rows, err := tx.Query("SELECT id, note FROM big ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for rows.Next() {
		want++
		var id int
		var note sql.RawBytes
		if err := rows.Scan(&id, &note); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("DELETE FROM big WHERE id >= ?", 500-id); err != nil {
			t.Fatal(err)
		}
		if id != want || string(note) != fmt.Sprintf("note %d", want) {
			t.Fatalf("row %d is %d %q", want, id, note)
		}
	}
	if err := errors.Join(rows.Err(), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	if want != 500 || r.number(t, "SELECT count(*) FROM big") != 0 {
		t.Errorf("%d rows of 500 were read", want)
	}
}

func TestReadFirstRefusesTooMuch(t *testing.T) {
	t.Parallel()
	r := table(t, readFirst)
	const many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 20000) SELECT x FROM c"
	tx := r.begin(t, nil)
	rows, err := tx.Query(many)
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE t SET n = 0"); classOf(err) != "auth" {
		t.Fatalf("a write behind 20000 rows: %v", err)
	}
	n := 1
	for rows.Next() {
		n++
	}
	if n != 20000 || rows.Err() != nil {
		t.Errorf("after the refusal the rows went on to %d, %v", n, rows.Err())
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	tx = r.begin(t, nil)
	for range 1001 {
		number(t, tx, "SELECT 1")
	}
	if _, err := tx.Exec("UPDATE t SET n = 0"); classOf(err) != "auth" {
		t.Errorf("a write behind 1001 queries: %v", err)
	}
	tx = r.begin(t, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if rows, err = tx.Query(many); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	set(t, tx, 1, 11)
	if err := errors.Join(rows.Err(), tx.Commit()); err != nil {
		t.Errorf("of level Serializable: %v", err)
	}
}

func TestReadFirstWaitsWithinTheStatement(t *testing.T) {
	t.Parallel()
	r := table(t, readFirst)
	release := hold(t, r)
	tx := r.begin(t, nil)
	number(t, tx, "SELECT n FROM t WHERE id = 1")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := tx.ExecContext(ctx, "UPDATE t SET n = 11 WHERE id = 1")
		failed <- err
	}()
	eventually(t, "a transaction in line", func() bool { return r.lanes.Stats().Writer.Waiting == 1 })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	ctx, cancel = context.WithCancel(t.Context()) // as libraries do: one context for each statement
	_, err := tx.ExecContext(ctx, "UPDATE t SET n = 11 WHERE id = 1")
	cancel()
	if err != nil {
		t.Fatalf("the same statement again: %v", err)
	}
	if _, err := tx.Exec("UPDATE t SET n = n + 1 WHERE id = 1"); err != nil {
		t.Errorf("after the context of the first write has ended: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 12 {
		t.Errorf("n is %d", n)
	}
}
