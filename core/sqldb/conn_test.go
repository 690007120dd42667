package sqldb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqldb"
	"github.com/tidegate/engine/core/sqlite"
)

func TestConnHoldsNothingBetweenCalls(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
	for i := range 1000 {
		c, err := r.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n := number(t, c, "SELECT count(*) FROM t"); n != int64(i) {
			t.Fatalf("%d rows, want %d", n, i)
		}
		if _, err := c.ExecContext(t.Context(), "INSERT INTO t DEFAULT VALUES"); err != nil {
			t.Fatal(err)
		}
	}
	if st := r.lanes.Stats().Readers; st.InUse != 0 || st.Opened > 4 {
		t.Errorf("1000 sessions that pause hold %d connections, %d were opened", st.InUse, st.Opened)
	}
}

// The first query of each goroutine keeps its rows open, on a connection; the second runs inside. With a pool of fixed size
// all of them would wait for each other.
func TestConnQueriesInsideOpenRows(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.lane.Readers.QueueTimeout = 20 * time.Second })
	r.must(t, "CREATE TABLE parent (id INTEGER PRIMARY KEY)", "CREATE TABLE child (parent INTEGER, n INTEGER)",
		"INSERT INTO parent WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 100) SELECT x FROM c",
		"INSERT INTO child SELECT id, id * 3 FROM parent")
	var open, done sync.WaitGroup
	open.Add(100)
	var sum atomic.Int64
	for range 100 {
		done.Go(func() {
			rows, err := r.QueryContext(context.Background(), "SELECT id FROM parent")
			open.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer rows.Close()
			open.Wait() // everybody has rows open now
			for rows.Next() {
				var id, n int64
				if err := rows.Scan(&id); err != nil {
					t.Error(err)
					return
				}
				if err := r.QueryRowContext(context.Background(), "SELECT n FROM child WHERE parent = ?", id).Scan(&n); err != nil {
					t.Error(err)
					return
				}
				sum.Add(n)
			}
			if err := rows.Err(); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if want := int64(100 * 3 * 5050); sum.Load() != want {
		t.Errorf("the children add up to %d, want %d", sum.Load(), want)
	}
}

func TestConnWritesShareCommits(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", "INSERT INTO t VALUES (1, 0)")
	before := r.lanes.Stats().Writer
	release := hold(t, r)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			res, err := r.ExecContext(context.Background(), "UPDATE t SET n = n + 1 WHERE id = ?", 1)
			if err != nil {
				t.Error(err)
				return
			}
			if n, err := res.RowsAffected(); err != nil || n != 1 {
				t.Errorf("%d rows, %v", n, err)
			}
		})
	}
	eventually(t, "64 waiting writers", func() bool { return r.lanes.Stats().Writer.Waiting == 64 })
	release()
	wg.Wait()
	after := r.lanes.Stats().Writer
	if n := r.number(t, "SELECT n FROM t"); n != 64 {
		t.Errorf("64 increments made %d", n)
	}
	if jobs, commits := after.Jobs-before.Jobs, after.Commits-before.Commits; jobs != 65 || commits > 32 {
		t.Errorf("%d transactions took %d commits", jobs, commits)
	}
}

// hold keeps the writer until the function that it returns is called.
func hold(t *testing.T, r *rig) (release func()) {
	t.Helper()
	tx, err := r.lanes.Begin(t.Context(), lane.JobOptions{Hold: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := tx.Commit(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestConnPrepare(t *testing.T) {
	t.Parallel()
	var ticks atomic.Int64
	r := build(t, func(s *setup) {
		s.store.Functions = append(s.store.Functions, sqlite.Function{Name: "tick", Scalar: func([]sqlite.Value) (any, error) { return ticks.Add(1), nil }})
	})
	r.must(t, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
	for _, q := range []string{"SELEC 1", "SELECT nothing FROM t", "INSERT INTO missing VALUES (1)", "SELECT 1; SELECT 2", "", "BEGIN", "SAVEPOINT x",
		"PRAGMA journal_mode = delete", "SELECT last_insert_rowid()"} {
		if s, err := r.Prepare(q); err == nil {
			s.Close()
			t.Errorf("%q was prepared", q)
		}
	}
	for _, q := range []string{"SELECT tick()", "INSERT INTO t (b) VALUES (tick()) RETURNING a", "EXPLAIN SELECT tick()", "/* a */ SELECT tick() WHERE ? = :x"} {
		s, err := r.Prepare(q)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		s.Close()
	}
	if n := ticks.Load(); n != 0 || r.number(t, "SELECT count(*) FROM t") != 0 {
		t.Errorf("preparing ran statements: %d calls of a function", n)
	}

	insert, err := r.Prepare("INSERT INTO t (a, b) VALUES (:a, @b)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	read, err := r.Prepare("SELECT * FROM t WHERE a = ?")
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := insert.Exec(sql.Named("b", "x"), sql.Named("a", 7)); err != nil {
		t.Fatal(err)
	}
	if _, err := insert.Exec(sql.Named("a", 7)); classOf(err) != "args" {
		t.Errorf("a missing argument: %v", err)
	}
	if _, err := insert.Exec(8, "y", "z"); classOf(err) != "args" {
		t.Errorf("an argument too many: %v", err)
	}
	var a int
	var b, c string
	if err := read.QueryRow(7).Scan(&a, &b); err != nil || b != "x" {
		t.Fatalf("%q, %v", b, err)
	}
	r.must(t, "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'new'")
	if err := read.QueryRow(7).Scan(&a, &b, &c); err != nil || c != "new" {
		t.Errorf("after a change of the schema: %q, %v", c, err)
	}
}

func TestConnScript(t *testing.T) {
	t.Parallel()
	r := build(t)
	res, err := r.Exec(`
		CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); -- one; two
		CREATE TABLE log (a);
		CREATE TRIGGER tr AFTER INSERT ON t BEGIN
			INSERT INTO log VALUES (new.a); SELECT 1;
		END;
		INSERT INTO t VALUES (1, 'a;b'), (2, 'c');
		INSERT INTO t VALUES (last_insert_rowid() + 40, 'd');
		UPDATE t SET b = 'x';`)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := res.RowsAffected(); n != 6 {
		t.Errorf("%d rows affected, want 2 + 1 + 3", n)
	}
	if id, err := res.LastInsertId(); id != 42 || err != nil {
		t.Errorf("last id %d, %v", id, err)
	}
	if n := r.number(t, "SELECT count(*) FROM log"); n != 3 {
		t.Errorf("the trigger ran %d times", n)
	}
	if _, err := r.Exec("INSERT INTO t VALUES (50, ''); INSERT INTO t VALUES (1, 'twice')"); classOf(err) != "constraint" {
		t.Errorf("got %v", err)
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 3 {
		t.Errorf("a script that failed left %d rows, want 3", n)
	}
	if _, err := r.Exec("INSERT INTO t VALUES (?, ''); INSERT INTO t VALUES (?, '')", 60, 61); classOf(err) != "args" {
		t.Errorf("arguments of a script: %v", err)
	}
	if _, err := r.Exec("BEGIN; INSERT INTO t VALUES (70, ''); COMMIT"); classOf(err) != "auth" {
		t.Errorf("BEGIN in a script: %v", err)
	}
	if rows, err := r.Query("SELECT 1; SELECT 2"); err == nil {
		rows.Close()
		t.Error("Query ran two statements")
	}
	if _, err := r.Exec(" -- nothing\n;"); err != nil {
		t.Errorf("a text without a statement: %v", err)
	}
}

// No client pauses in a script, so the limit for those who might does not end it.
func TestConnScriptMayTakeLong(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) {
		s.lane.Writer.Hold, s.opt.Hold, s.opt.Idle = 10*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond
		s.store.Functions = append(s.store.Functions, sqlite.Function{Name: "linger", Scalar: func([]sqlite.Value) (any, error) {
			<-time.After(15 * time.Millisecond)
			return int64(1), nil
		}})
	})
	r.must(t, "CREATE TABLE t (a); INSERT INTO t SELECT linger(); INSERT INTO t SELECT linger(); INSERT INTO t SELECT linger()")
	if n := r.number(t, "SELECT count(*) FROM t"); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func TestConnRefusesWhatHasNoMeaning(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (a)")
	for _, q := range []string{"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "/* */ savepoint a",
		"PRAGMA foreign_keys = off", "PRAGMA synchronous = 0", "PRAGMA cache_size = 1", "ATTACH ':memory:' AS b", "DETACH b",
		"CREATE TEMP TABLE x (a)", "CREATE TABLE temp.x (a)", "VACUUM", "SELECT last_insert_rowid()", "SELECT changes()",
		"INSERT INTO t VALUES (total_changes())"} {
		_, err := r.Exec(q)
		if got := classOf(err); got != "auth" && !(q == "VACUUM" && err != nil) {
			t.Errorf("Exec(%s): %v", q, err)
		}
		rows, err := r.Query(q)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		if got := classOf(err); got != "auth" && !(q == "VACUUM" && err != nil) {
			t.Errorf("Query(%s): %v", q, err)
		}
	}
	if n := r.number(t, "PRAGMA foreign_keys"); n != 1 {
		t.Errorf("foreign_keys is %d", n)
	}
}

func TestConnQueryThatWrites(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME)")
	rows, err := r.Query("INSERT INTO t (at) VALUES ('2024-05-06 07:08:09'), (NULL) RETURNING id, at")
	if err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 2 {
		t.Errorf("%d rows are committed when Query returns", n)
	}
	var got []string
	for rows.Next() {
		var id int64
		var at sql.NullTime
		if err := rows.Scan(&id, &at); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(id, at.Time.Unix(), at.Valid))
	}
	if want := "1 1714979289 true,2 -62135596800 false"; strings.Join(got, ",") != want || rows.Err() != nil {
		t.Errorf("%v, %v; want %s", got, rows.Err(), want)
	}
	records, _ := r.host.taken()
	last := records[len(records)-1]
	if !strings.HasPrefix(last.sql, "INSERT") || !last.Wrote || last.Result.RowsAffected != 2 || last.Result.Rows != 2 || last.Report.Group == 0 {
		t.Errorf("recorded as %+v", last)
	}
}

func TestConnLastInsertId(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER UNIQUE)")
	for _, c := range []struct {
		q    string
		want int64
		bad  bool
	}{
		{q: "INSERT INTO t VALUES (5, 1)", want: 5},
		{q: "/* x */ insert into t values (9, 2)", want: 9},
		{q: "REPLACE INTO t VALUES (10, 3)", want: 10},
		{q: "WITH c AS (SELECT 11 AS id) INSERT INTO t SELECT id, 4 FROM c", want: 11},
		{q: "UPDATE t SET n = 40 WHERE id = 11"},
		{q: "WITH c AS (SELECT 1) UPDATE t SET n = 41 WHERE id = 11"},
		{q: "INSERT OR IGNORE INTO t VALUES (12, 41)"},
		{q: "INSERT INTO t VALUES (13, 41) ON CONFLICT DO NOTHING"},
		{q: "INSERT INTO t VALUES (14, 5) ON CONFLICT DO NOTHING", want: 14},
		{q: "INSERT INTO t VALUES (15, 41) ON CONFLICT (n) DO UPDATE SET n = 50", bad: true},
		{q: "DELETE FROM t WHERE id = 11"},
		{q: "CREATE TABLE u (a)"},
	} {
		res, err := r.Exec(c.q)
		if err != nil {
			t.Fatalf("%s: %v", c.q, err)
		}
		id, err := res.LastInsertId()
		if id != c.want || (classOf(err) == "auth") != c.bad {
			t.Errorf("%s: LastInsertId %d, %v", c.q, id, err)
		}
	}
}

// The count of changed rows is the connection's, which is shared: a statement that changes none must not show another's.
func TestConnRowsAffected(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
	for _, c := range []struct {
		q    string
		want int64
	}{
		{"INSERT INTO t VALUES (1), (2), (3)", 3}, {"CREATE TABLE u (a)", 0}, {"EXPLAIN DELETE FROM t", 0}, {"SELECT * FROM t", 0},
		{"WITH c AS (SELECT 1 AS x) SELECT x FROM c", 0}, {"DELETE FROM t WHERE id = 9", 0}, {"UPDATE t SET id = id + 10", 3},
		{"ALTER TABLE u ADD COLUMN b", 0}, {"WITH c AS (SELECT 11 AS x) DELETE FROM t WHERE id IN (SELECT x FROM c)", 1}, {"DROP TABLE u", 0},
	} {
		res, err := r.Exec(c.q)
		if err != nil {
			t.Fatalf("%s: %v", c.q, err)
		}
		if n, err := res.RowsAffected(); n != c.want || err != nil {
			t.Errorf("%s: %d rows, %v; want %d", c.q, n, err, c.want)
		}
	}
}

func TestConnArguments(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
	for _, v := range []any{nil, int64(-1), 7, "text", 1.5, true, []byte{1, 2}, []byte{}, time.Unix(1, 0)} {
		if _, err := r.Exec("INSERT INTO t (v) VALUES (?)", v); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	if _, err := r.Exec("INSERT INTO t (v) VALUES (?)", struct{}{}); err == nil || !strings.Contains(err.Error(), "argument 1") {
		t.Errorf("a struct: %v", err)
	}
	var n int64
	var kinds string
	if err := r.QueryRow("SELECT count(*), group_concat(typeof(v), ' ' ORDER BY id) FROM t").Scan(&n, &kinds); err != nil {
		t.Fatal(err)
	}
	if want := "null integer integer text real integer blob blob text"; kinds != want {
		t.Errorf("stored %s, want %s", kinds, want)
	}
}

func TestConnCancel(t *testing.T) {
	t.Parallel()
	r := build(t)
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := r.QueryContext(ctx, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for range 100 {
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
	}
	cancel()
	for rows.Next() {
	}
	if !errors.Is(rows.Err(), context.Canceled) {
		t.Errorf("rows without end ended with %v", rows.Err())
	}
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = r.QueryRowContext(soon, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c").Scan(new(int64))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a query without end ended with %v", err)
	}
	eventually(t, "connections given back", func() bool { return r.lanes.Stats().Readers.InUse == 0 })
}

func TestConnWhenTheHostIsClosed(t *testing.T) {
	t.Parallel()
	r := build(t)
	if err := r.Ping(); err != nil {
		t.Fatal(err)
	}
	s, err := r.Prepare("SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r.host.mu.Lock()
	r.host.closed = true
	r.host.mu.Unlock()
	_, exec := r.Exec("CREATE TABLE t (a)")
	_, query := r.Query("SELECT 1")
	_, begin := r.Begin()
	_, prepare := r.Prepare("SELECT 2")
	_, run := s.Query()
	for name, err := range map[string]error{"Exec": exec, "Query": query, "Begin": begin, "Prepare": prepare, "Stmt.Query": run, "Ping": r.Ping()} {
		if !errors.Is(err, errClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConnectorWithAMistake(t *testing.T) {
	t.Parallel()
	r := build(t)
	wrong := errors.New("wrong options")
	db := sql.OpenDB(sqldb.New(r.lanes, r.host, sqldb.Options{}, wrong))
	defer db.Close()
	if err := db.Ping(); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	if _, err := db.Driver().Open("name"); err == nil {
		t.Error("the driver opened a name")
	}
}

// A session that is given back with a transaction must not hand it to the next user.
func TestConnResetRollsBack(t *testing.T) {
	t.Parallel()
	r := build(t)
	r.must(t, "CREATE TABLE t (a)")
	r.SetMaxOpenConns(1)
	c, err := r.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = c.Raw(func(dc any) error {
		tx, err := dc.(driver.ConnBeginTx).BeginTx(t.Context(), driver.TxOptions{})
		if err != nil {
			return err
		}
		if _, err := dc.(driver.ConnBeginTx).BeginTx(t.Context(), driver.TxOptions{}); !errors.Is(err, lane.ErrTxDone) {
			t.Errorf("a second BeginTx on the same session: %v", err)
		}
		_ = tx // left open
		_, err = dc.(driver.ExecerContext).ExecContext(t.Context(), "INSERT INTO t VALUES (1)", nil)
		return err
	})
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows of the transaction that was left open", n)
	}
	r.must(t, "INSERT INTO t VALUES (2)")
}
