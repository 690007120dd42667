package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqldb"
)

// table is a rig with a table of three numbered rows.
func table(t testing.TB, change ...func(*setup)) *rig {
	t.Helper()
	r := build(t, change...)
	r.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)", "INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)")
	return r
}

func set(t testing.TB, q interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, id, n int) {
	t.Helper()
	if _, err := q.ExecContext(context.Background(), "UPDATE t SET n = ? WHERE id = ?", n, id); err != nil {
		t.Fatal(err)
	}
}

func TestTxCommitsAndRollsBack(t *testing.T) {
	t.Parallel()
	r := table(t)
	tx := r.begin(t, nil)
	set(t, tx, 1, 11)
	if mine, theirs := number(t, tx, "SELECT n FROM t WHERE id = 1"), r.number(t, "SELECT n FROM t WHERE id = 1"); mine != 11 || theirs != 10 {
		t.Errorf("before the commit the transaction sees %d and others see %d", mine, theirs)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 11 {
		t.Errorf("after the commit others see %d", n)
	}
	tx = r.begin(t, nil)
	set(t, tx, 1, 12)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 11 {
		t.Errorf("after a rollback others see %d", n)
	}
	if _, err := tx.Exec("SELECT 1"); !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("after its end: %v", err)
	}
	if _, ends := r.host.taken(); len(ends) != 2 || !ends[0].Committed || ends[0].Statements != 2 || ends[0].Report.Group == 0 || ends[1].Committed {
		t.Errorf("recorded as %+v", ends)
	}
}

func TestTxSharesCommits(t *testing.T) {
	t.Parallel()
	r := table(t, func(s *setup) { s.lane.Writer.GroupTime = time.Minute }) // a group ends with its members, and not where the machine is slow
	before := r.lanes.Stats().Writer
	release := hold(t, r)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			tx, err := r.BeginTx(context.Background(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			n := number(t, tx, "SELECT n FROM t WHERE id = 2")
			set(t, tx, 2, int(n)+1)
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "64 waiting transactions", func() bool { return r.lanes.Stats().Writer.Waiting == 64 })
	release()
	wg.Wait()
	if n := r.number(t, "SELECT n FROM t WHERE id = 2"); n != 84 {
		t.Errorf("64 increments of 20 made %d", n)
	}
	after := r.lanes.Stats().Writer
	if jobs, commits := after.Jobs-before.Jobs, after.Commits-before.Commits; jobs != 65 || commits > 48 {
		t.Errorf("%d transactions took %d commits", jobs, commits)
	}
}

func TestTxThatPausesLosesTheWriter(t *testing.T) {
	t.Parallel()
	r := table(t, func(s *setup) { s.opt.Idle, s.opt.Name = 30*time.Millisecond, "pauses" })
	tx := r.begin(t, nil)
	_, err := tx.Exec("UPDATE t SET n = 99 WHERE id = 1")
	for try := 0; errors.Is(err, lane.ErrLeaseExpired) && try < 20; try++ { // the machine made a pause of it
		tx = r.begin(t, nil)
		_, err = tx.Exec("UPDATE t SET n = 99 WHERE id = 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	set(t, r, 2, 21) // waits until the lane has taken the writer back
	_, err = tx.Exec("UPDATE t SET n = 98 WHERE id = 1")
	var lease *lane.LeaseError
	if !errors.As(err, &lease) || lease.Holder != "pauses" || lease.Limit != 30*time.Millisecond {
		t.Errorf("the next statement: %v", err)
	}
	if err := tx.Commit(); !errors.Is(err, lane.ErrLeaseExpired) {
		t.Errorf("Commit: %v", err)
	}
	if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 10 {
		t.Errorf("n is %d", n)
	}
	tx = r.begin(t, nil)
	set(t, r, 2, 22)
	if err := tx.Rollback(); err != nil {
		t.Errorf("Rollback of what was rolled back: %v", err)
	}
}

func TestTxThatHoldsLosesTheWriter(t *testing.T) {
	t.Parallel()
	r := table(t, func(s *setup) { s.opt.Hold = 50 * time.Millisecond })
	tx := r.begin(t, nil)
	var err error
	eventually(t, "the end of the lease", func() bool {
		_, err = tx.Exec("UPDATE t SET n = n + 1")
		return err != nil
	})
	if !errors.Is(err, lane.ErrLeaseExpired) {
		t.Errorf("got %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if n := r.number(t, "SELECT sum(n) FROM t"); n != 60 {
		t.Errorf("the rows add up to %d", n)
	}
}

func TestTxReadOnly(t *testing.T) {
	t.Parallel()
	r := table(t)
	release := hold(t, r) // it must not need the writer
	tx := r.begin(t, &sql.TxOptions{ReadOnly: true})
	if n := number(t, tx, "SELECT n FROM t WHERE id = 1"); n != 10 {
		t.Fatal(n)
	}
	release()
	set(t, r, 1, 11)
	if n := number(t, tx, "SELECT n FROM t WHERE id = 1"); n != 10 {
		t.Errorf("the snapshot has moved to %d", n)
	}
	for _, q := range []string{"UPDATE t SET n = 0", "CREATE TABLE x (a)"} {
		if _, err := tx.Exec(q); !errors.Is(err, lane.ErrReadOnly) {
			t.Errorf("Exec(%s): %v", q, err)
		}
		if _, err := tx.Query(q); !errors.Is(err, lane.ErrReadOnly) {
			t.Errorf("Query(%s): %v", q, err)
		}
	}
	if _, err := tx.Exec("SELECT n FROM t"); err != nil {
		t.Errorf("Exec of a query: %v", err)
	}
	if n := number(t, tx, "SELECT sum(n) FROM t"); n != 60 {
		t.Errorf("after a refused write the transaction reads %d", n)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if st := r.lanes.Stats().Readers; st.InUse != 0 {
		t.Errorf("%d connections are held", st.InUse)
	}
}

func TestTxIsolationLevels(t *testing.T) {
	t.Parallel()
	r := table(t)
	for level := sql.LevelDefault; level <= sql.LevelLinearizable; level++ {
		tx, err := r.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
		if err != nil {
			t.Errorf("%v: %v", level, err)
			continue
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.BeginTx(t.Context(), &sql.TxOptions{Isolation: 99}); classOf(err) != "args" {
		t.Errorf("level 99: %v", err)
	}
}

func TestTxSavepoints(t *testing.T) {
	t.Parallel()
	for _, begin := range []sqldb.Begin{sqldb.Immediate, sqldb.ReadFirst} {
		r := table(t, func(s *setup) { s.opt.Begin = begin })
		tx := r.begin(t, nil)
		for _, q := range []string{"SAVEPOINT a", "UPDATE t SET n = 0", "SAVEPOINT b", "DELETE FROM t", "ROLLBACK TO b", "RELEASE b",
			"INSERT INTO t VALUES (4, 4)", "ROLLBACK TO a", "UPDATE t SET n = 11 WHERE id = 1"} {
			if _, err := tx.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		for _, q := range []string{"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT _tg_job", "RELEASE _tg_job", "ROLLBACK TO _tg_job"} {
			if _, err := tx.Exec(q); classOf(err) != "auth" {
				t.Errorf("%s: %v", q, err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if n := r.number(t, "SELECT sum(n) FROM t"); n != 61 {
			t.Errorf("the rows add up to %d, want 61", n)
		}
	}
}

func TestTxScript(t *testing.T) {
	t.Parallel()
	r := table(t)
	tx := r.begin(t, nil)
	res, err := tx.Exec("CREATE TABLE u (a); INSERT INTO u VALUES (1), (2); UPDATE t SET n = 0 WHERE id = 1;")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := res.RowsAffected(); n != 3 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	s, err := tx.Prepare("SELECT count(*) FROM u") // a table that only this transaction knows
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := number(t, stmtQueryer{s}, ""); n != 2 {
		t.Errorf("%d rows in the new table", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT count(*) FROM sqlite_schema WHERE name = 'u'"); n != 0 {
		t.Error("the table stayed")
	}
}

type stmtQueryer struct{ *sql.Stmt }

func (s stmtQueryer) QueryRowContext(ctx context.Context, _ string, args ...any) *sql.Row {
	return s.Stmt.QueryRowContext(ctx, args...)
}

// The statement is compiled already when the table gets another column.
func TestTxColumnsFollowTheSchema(t *testing.T) {
	t.Parallel()
	r := table(t)
	tx := r.begin(t, nil)
	for _, want := range []string{"[id n]", "[id n extra]"} {
		rows, err := tx.Query("SELECT * FROM t")
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil || fmt.Sprint(names) != want {
			t.Errorf("columns %v, %v; want %s", names, err, want)
		}
		dest := make([]any, len(names))
		for i := range dest {
			dest[i] = new(any)
		}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				t.Error(err)
			}
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
		if want == "[id n]" {
			if _, err := tx.Exec("ALTER TABLE t ADD COLUMN extra"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTxThatAStatementEnds(t *testing.T) {
	t.Parallel()
	r := table(t)
	tx := r.begin(t, nil)
	set(t, tx, 2, 21)
	if _, err := tx.Exec("INSERT OR ROLLBACK INTO t VALUES (1, 0)"); classOf(err) != "constraint" {
		t.Fatalf("got %v", err)
	}
	if _, err := tx.Exec("UPDATE t SET n = 22 WHERE id = 2"); classOf(err) != "constraint" {
		t.Errorf("the next statement: %v", err)
	}
	if err := tx.Commit(); classOf(err) != "constraint" {
		t.Errorf("Commit: %v", err)
	}
	if n := r.number(t, "SELECT n FROM t WHERE id = 2"); n != 20 {
		t.Errorf("n is %d", n)
	}
}

func TestTxDeferredForeignKey(t *testing.T) {
	t.Parallel()
	r := table(t)
	r.must(t, "CREATE TABLE c (p INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
	tx := r.begin(t, nil)
	if _, err := tx.Exec("INSERT INTO c VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); classOf(err) != "constraint" {
		t.Errorf("Commit: %v", err)
	}
	if n := r.number(t, "SELECT count(*) FROM c"); n != 0 {
		t.Errorf("%d orphans", n)
	}
}

func TestTxConstraintLeavesItOpen(t *testing.T) {
	t.Parallel()
	r := table(t)
	tx := r.begin(t, nil)
	if _, err := tx.Exec("INSERT INTO t VALUES (4, 40)"); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t VALUES (1, 0)"); classOf(err) != "constraint" {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
}

func TestTxContextEnds(t *testing.T) {
	t.Parallel()
	r := table(t)
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := r.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	set(t, tx, 1, 99)
	cancel()
	set(t, r, 2, 21) // the writer is free again
	if err := tx.Commit(); !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("Commit: %v", err)
	}
	if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 10 {
		t.Errorf("n is %d", n)
	}
	release := hold(t, r)
	defer release()
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.BeginTx(soon, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("BeginTx behind a holder: %v", err)
	}
}

func TestTxReadsWithOpenRows(t *testing.T) {
	t.Parallel()
	r := table(t)
	tx := r.begin(t, nil)
	rows, err := tx.Query("SELECT id, n FROM t ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var id, n int
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		set(t, tx, id, n+int(number(t, tx, "SELECT count(*) FROM t")))
	}
	if err := errors.Join(rows.Err(), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT sum(n) FROM t"); n != 69 {
		t.Errorf("the rows add up to %d, want 60 + 3·3", n)
	}
}

// A commit ends rows that are still open; a library that forgets to close them must not hang.
func TestTxCommitWithOpenRows(t *testing.T) {
	t.Parallel()
	for _, begin := range []sqldb.Begin{sqldb.Immediate, sqldb.ReadFirst} {
		r := table(t, func(s *setup) { s.opt.Begin = begin })
		tx := r.begin(t, nil)
		set(t, tx, 1, 11)
		rows, err := tx.Query("SELECT id FROM t")
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if n := r.number(t, "SELECT n FROM t WHERE id = 1"); n != 11 {
			t.Errorf("n is %d", n)
		}
	}
}
