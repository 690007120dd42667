package change_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// rule is a validator in Go: judge gets each row of a batch.
type rule struct {
	name  string
	judge func(op abi.Op, new, old []any) string // "": accepted
	fail  func() error
	calls atomic.Int64

	mu   sync.Mutex
	seen []string
}

func (r *rule) Identity() contract.Identity {
	return contract.Identity{Name: r.name, Version: "1.0.0", Module: "m", Config: "c"}
}

func (r *rule) Validate(ctx context.Context, b *abi.Batch, _ time.Time) (contract.Outcome, error) {
	r.calls.Add(1)
	if r.fail != nil {
		if err := r.fail(); err != nil {
			return contract.Outcome{}, err
		}
	}
	raw, err := b.Append(nil)
	if err != nil {
		return contract.Outcome{}, err
	}
	rows, err := abi.Decode(raw)
	if err != nil {
		return contract.Outcome{}, err
	}
	var out contract.Outcome
	for i := range rows.Len() {
		image := func(im abi.Image) (vals []any) {
			for c := range rows.Columns() {
				vals = append(vals, cell(rows.Cell(i, im, c)))
			}
			return vals
		}
		now := image(abi.New)
		var old []any
		if rows.Images() == 2 {
			old = image(abi.Old)
		}
		r.mu.Lock()
		r.seen = append(r.seen, fmt.Sprintf("%v %v<%v", rows.Op(), now, old))
		r.mu.Unlock()
		if r.judge == nil {
			continue
		}
		if why := r.judge(rows.Op(), now, old); why != "" {
			out.Verdicts = append(out.Verdicts, abi.Record{Row: uint32(i), Code: 7, Col: 1, Action: abi.Reject, Severity: abi.SeverityError, Message: why})
		}
	}
	return out, nil
}

func (r *rule) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.seen
	r.seen = nil
	return out
}

func cell(c abi.Cell) any {
	switch c.Type() {
	case abi.Integer:
		return c.Int()
	case abi.Float:
		return c.Float()
	case abi.Text:
		return string(c.Bytes())
	case abi.Blob:
		return fmt.Sprintf("x%x", c.Bytes())
	}
	return nil
}

// set is a Source that a test changes.
type set struct {
	mu       sync.Mutex
	gen      uint64
	list     []contract.Rule
	held     atomic.Int64
	acquired atomic.Int64
}

func (s *set) Acquire() contract.Rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.Add(1)
	s.acquired.Add(1)
	return contract.Rules{Generation: s.gen, List: s.list, Release: func() { s.held.Add(-1) }}
}

func (s *set) change(list ...contract.Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	s.list = list
}

type rig struct {
	*lane.Lanes
	enforcer *change.Enforcer
	store    *sqlite.Store
	path     string
	mu       sync.Mutex
	events   []change.Event
}

func (r *rig) happened() []change.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.events
	r.events = nil
	return out
}

func build(t testing.TB, cfg change.Config, schema ...string) *rig {
	t.Helper()
	r := &rig{path: filepath.Join(t.TempDir(), "change.db")}
	loc, err := sqlite.ParseURL(r.path)
	must(t, err)
	r.store, err = sqlite.Open(t.Context(), loc, sqlite.DefaultOptions())
	must(t, err)
	cfg.Observe = func(_ context.Context, ev *change.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, *ev)
	}
	r.enforcer, err = change.New(cfg)
	must(t, err)
	lc := lane.DefaultConfig()
	lc.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	lc.Writer.Hold, lc.Writer.QueueTimeout = 10*time.Second, time.Minute
	lc.Enforcer = r.enforcer
	r.Lanes, err = lane.Open(t.Context(), r.store, lc, nil)
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(r.Shutdown(ctx), r.store.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, q := range schema {
		must(t, r.do(t, q))
	}
	return r
}

func (r *rig) do(t testing.TB, sql string, args ...any) error {
	_, err := r.Do(t.Context(), lane.JobOptions{Name: "test"}, func(tx *lane.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args)
		return err
	})
	return err
}

// all is every row of a query, as text.
func (r *rig) all(t testing.TB, sql string) string {
	t.Helper()
	c, err := r.Query(t.Context(), lane.ReadOptions{}, sql, nil)
	must(t, err)
	var rows []string
	for {
		ok, err := c.Next(t.Context())
		must(t, err)
		if !ok {
			return strings.Join(rows, " ")
		}
		var vals []string
		for _, v := range c.Row() {
			vals = append(vals, fmt.Sprint(v.Any()))
		}
		rows = append(rows, strings.Join(vals, ","))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const trades = "CREATE TABLE trades (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL, sym TEXT UNIQUE, note TEXT)"

// positive rejects rows whose qty is not above zero, and the deletion of those whose note is 'keep'.
func positive() *rule {
	return &rule{name: "limits", judge: func(op abi.Op, now, old []any) string {
		if op == abi.OpDelete {
			if now[2] == "keep" {
				return "it is to be kept"
			}
			return ""
		}
		if op == abi.OpUpdate && old[2] == "keep" {
			return "it is to be kept"
		}
		if n, ok := now[1].(int64); !ok || n <= 0 {
			return "the quantity must be above zero"
		}
		return ""
	}}
}

func watch(v contract.Validator, table string, cols ...string) contract.Rule {
	return contract.Rule{Table: table, Ops: contract.OnInsert | contract.OnUpdate | contract.OnDelete, Columns: cols, Validator: v}
}

// TestNoWayAround: whatever SQL makes a bad row, it is not committed, its caller is told which row, and the row before it stands.
func TestNoWayAround(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(positive(), "TRADES", "id", "qty", "note"), watch(positive(), "wr", "k", "qty", "note"))
	r := build(t, change.Config{Source: src}, trades,
		"CREATE TABLE src (id INTEGER, qty INTEGER)", "INSERT INTO src VALUES (50, 5), (51, -5)",
		"CREATE TABLE wr (k TEXT PRIMARY KEY, qty INTEGER, note TEXT, u INTEGER UNIQUE) WITHOUT ROWID",
		"CREATE TABLE parent (id INTEGER PRIMARY KEY)", "INSERT INTO parent VALUES (1), (2)",
		"CREATE TABLE log (x)",
		"CREATE TRIGGER from_log AFTER INSERT ON log BEGIN INSERT INTO trades (id, qty) VALUES (90, new.x); END",
		"CREATE TRIGGER spoil AFTER INSERT ON trades WHEN new.note = 'spoil' BEGIN UPDATE trades SET qty = -1 WHERE id = new.id; END",
		"CREATE TRIGGER mend AFTER INSERT ON trades WHEN new.note = 'mend' BEGIN UPDATE trades SET qty = 1 WHERE id = new.id; END",
		"CREATE VIEW v AS SELECT id, qty FROM trades",
		"CREATE TRIGGER into_v INSTEAD OF INSERT ON v BEGIN INSERT INTO trades (id, qty) VALUES (new.id, new.qty); END",
		"INSERT INTO trades VALUES (1, 10, 'A', NULL), (2, 20, 'B', 'keep'), (3, 30, 'C', NULL)",
		"INSERT INTO wr VALUES ('a', 1, NULL, 1), ('b', 2, 'keep', 2)",
		"CREATE TABLE kids (id INTEGER PRIMARY KEY, qty INTEGER, note TEXT, p INTEGER REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL)",
		"INSERT INTO kids VALUES (1, 1, 'keep', 1)")
	src.change(watch(positive(), "TRADES", "id", "qty", "note"), watch(positive(), "wr", "k", "qty", "note"), watch(positive(), "kids", "id", "qty", "note"))
	state := func() string {
		return r.all(t, "SELECT * FROM trades ORDER BY id") + "|" + r.all(t, "SELECT * FROM wr ORDER BY k") + "|" + r.all(t, "SELECT * FROM kids") + "|" + r.all(t, "SELECT * FROM log")
	}
	before := state()
	for _, c := range []struct{ name, sql, table, key string }{
		{"insert", "INSERT INTO trades (id, qty) VALUES (4, 0)", "trades", "4"},
		{"many rows", "INSERT INTO trades (id, qty) VALUES (4, 1), (5, 1), (6, -1)", "trades", "6"},
		{"insert select", "INSERT INTO trades (id, qty) SELECT id, qty FROM src", "trades", "51"},
		{"upsert", "INSERT INTO trades (id, qty) VALUES (1, 1) ON CONFLICT DO UPDATE SET qty = -7", "trades", "1"},
		{"upsert by another key", "INSERT INTO trades (id, qty, sym) VALUES (9, 1, 'C') ON CONFLICT (sym) DO UPDATE SET qty = -7", "trades", "3"},
		{"replace by primary key", "REPLACE INTO trades (id, qty) VALUES (2, 5)", "trades", "2"},
		{"replace by another key", "REPLACE INTO trades (id, qty, sym) VALUES (9, 5, 'B')", "trades", "2"},
		{"update or replace", "UPDATE OR REPLACE trades SET sym = 'B' WHERE id = 1", "trades", "2"},
		{"update", "UPDATE trades SET qty = -qty", "trades", "1"},
		{"update from", "UPDATE trades SET qty = s.qty FROM src s WHERE s.qty < 0 AND trades.id = 1", "trades", "1"},
		{"update of the key", "UPDATE trades SET id = 77, qty = 0 WHERE id = 1", "trades", "77"},
		{"update or fail", "UPDATE OR FAIL trades SET qty = 0 WHERE id = 3", "trades", "3"},
		{"insert or ignore", "INSERT OR IGNORE INTO trades (id, qty) VALUES (4, 0)", "trades", "4"},
		{"delete", "DELETE FROM trades WHERE id = 2", "trades", "2"},
		{"delete of all", "DELETE FROM trades", "trades", "2"},
		{"returning", "INSERT INTO trades (id, qty) VALUES (4, 0) RETURNING id", "trades", "4"},
		{"with", "WITH x(q) AS (VALUES (-3)) INSERT INTO trades (id, qty) SELECT 4, q FROM x", "trades", "4"},
		{"a trigger's row", "INSERT INTO log VALUES (-4)", "trades", "90"},
		{"a trigger that spoils the row", "INSERT INTO trades VALUES (4, 5, NULL, 'spoil')", "trades", "4"},
		{"a view", "INSERT INTO v VALUES (4, -2)", "trades", "4"},
		{"without rowid", "INSERT INTO wr (k, qty) VALUES ('c', -1)", "wr", "c"},
		{"without rowid, update", "UPDATE wr SET qty = -1 WHERE k = 'a'", "wr", "a"},
		{"without rowid, replace", "REPLACE INTO wr (k, qty) VALUES ('b', 5)", "wr", "b"},
		{"without rowid, replace by another key", "REPLACE INTO wr (k, qty, u) VALUES ('c', 5, 2)", "wr", "b"},
		{"without rowid, delete of all", "DELETE FROM wr", "wr", "b"},
		{"cascade", "DELETE FROM parent WHERE id = 1", "kids", "1"},
		{"set null", "UPDATE parent SET id = 100 WHERE id = 1", "kids", "1"},
		{"text where a number belongs", "INSERT INTO trades (id, qty) VALUES (4, 'many')", "trades", "4"},
	} {
		err := r.do(t, c.sql)
		var rej *change.RejectedError
		switch {
		case !errors.As(err, &rej) || !errors.Is(err, change.ErrRejected):
			t.Errorf("%s: %v, want a rejection", c.name, err)
		case rej.Table != c.table || rej.Key != c.key || rej.Rule != 7 || rej.Plugin != "limits" || rej.Version != "1.0.0" || rej.Column != "qty" || len(rej.Receipt.Batch) != 64:
			t.Errorf("%s: %+v, want table %s, row %s", c.name, rej, c.table, c.key)
		}
		if got := state(); got != before {
			t.Fatalf("%s changed the database:\n%s\n%s", c.name, before, got)
		}
	}
	// What the rule allows goes through, and a row that a trigger puts right is judged as it is in the end.
	must(t, r.do(t, "INSERT INTO trades VALUES (4, -5, NULL, 'mend')"))
	must(t, r.do(t, "DELETE FROM trades WHERE id IN (1, 3, 4)"))
	if got := r.all(t, "SELECT id FROM trades"); got != "2" {
		t.Errorf("trades: %s", got)
	}
	if src.held.Load() != 0 || src.acquired.Load() == 0 {
		t.Errorf("%d of %d sets of rules were not released", src.held.Load(), src.acquired.Load())
	}
}

// TestPartialStatements: a statement that fails and keeps a part of its rows takes its transaction with it.
func TestPartialStatements(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(positive(), "trades", "id", "qty", "note"))
	r := build(t, change.Config{Source: src}, trades, "CREATE TABLE f (x)",
		"CREATE TRIGGER fails AFTER INSERT ON f BEGIN INSERT INTO trades (id, qty) VALUES (new.x, -1); SELECT RAISE(FAIL, 'stop'); END")
	for _, sql := range []string{
		"INSERT OR FAIL INTO trades (id, qty) SELECT 1, -1 UNION ALL SELECT 1, -2",
		"INSERT INTO f VALUES (8)",
	} {
		_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
			if _, err := tx.Exec(t.Context(), sql, nil); err == nil {
				t.Errorf("%s went well", sql)
			}
			return nil // swallowed
		})
		if err == nil {
			t.Errorf("%s: its transaction was committed", sql)
		}
	}
	if got := r.all(t, "SELECT count(*) FROM trades"); got != "0" {
		t.Errorf("%s rows were left", got)
	}
}

// TestVetoIsForItsOwner: of the transactions of a group only the one whose row was rejected is undone, also when its closure swallows the error.
func TestVetoIsForItsOwner(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(positive(), "trades", "id", "qty", "note"))
	r := build(t, change.Config{Source: src}, trades)
	var wg sync.WaitGroup
	var good, bad atomic.Int64
	for i := range 400 {
		wg.Go(func() {
			qty := 1
			if i%5 == 0 {
				qty = -1
			}
			_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
				_, _ = tx.Exec(t.Context(), "INSERT INTO trades (id, qty) VALUES (?, 1)", []any{2*i + 1})
				_, _ = tx.Exec(t.Context(), "INSERT INTO trades (id, qty) VALUES (?, ?)", []any{2*i + 2, qty})
				if _, err := tx.Exec(t.Context(), "SELECT 1", nil); (err != nil) != (qty < 0) {
					t.Errorf("after the verdict: %v", err)
				}
				return nil
			})
			switch {
			case err == nil && qty > 0:
				good.Add(1)
			case errors.Is(err, change.ErrRejected) && qty < 0:
				bad.Add(1)
			default:
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := r.all(t, "SELECT count(*), min(qty) FROM trades"); got != "640,1" || good.Load() != 320 || bad.Load() != 80 {
		t.Errorf("%s, %d well, %d rejected", got, good.Load(), bad.Load())
	}
	if st := r.enforcer.Stats(); st.Rejected != 80 || len(r.happened()) != 80 {
		t.Errorf("%+v", st)
	}
}

// TestStatementMoment: a validator gets each row once a statement, with what it was before, whatever happened to it in between.
func TestStatementMoment(t *testing.T) {
	t.Parallel()
	all := &rule{name: "all"}
	src := &set{}
	src.change(watch(all, "t", "b", "id"))
	r := build(t, change.Config{Source: src}, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c AS (a * 2), d AS (a + 1) STORED)",
		"CREATE TRIGGER twice AFTER UPDATE OF a ON t BEGIN UPDATE t SET b = b || '!' WHERE id = new.id; END",
		"CREATE TRIGGER gone AFTER INSERT ON t WHEN new.b = 'gone' BEGIN DELETE FROM t WHERE id = new.id; END")
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"INSERT INTO t (id, a, b) VALUES (1, 1, 'x'), (2, 2, NULL)", []string{"insert [x 1]<[]", "insert [<nil> 2]<[]"}},
		{"UPDATE t SET a = 5, b = 'y' WHERE id = 1", []string{"update [y! 1]<[x 1]"}},
		{"INSERT INTO t (id, a, b) VALUES (3, 0, 'gone')", nil},
		{"REPLACE INTO t (id, a, b) VALUES (1, 0, 'z')", []string{"update [z 1]<[y! 1]"}},
		{"UPDATE t SET id = id + 10", []string{"update [z 11]<[z 1]", "update [<nil> 12]<[<nil> 2]"}},
		{"DELETE FROM t", []string{"delete [z 11]<[]", "delete [<nil> 12]<[]"}},
		{"SELECT 1", nil},
	} {
		must(t, r.do(t, c.sql))
		got := all.take()
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.sql, got, c.want)
		}
	}
	// Forty rows, so that the map is used too.
	must(t, r.do(t, "INSERT INTO t (id, a, b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i, i, 'v' FROM n"))
	if got := all.take(); len(got) != 40 {
		t.Errorf("%d rows", len(got))
	}
	must(t, r.do(t, "UPDATE t SET a = a + 1, b = 'w'"))
	if got := all.take(); len(got) != 40 || got[39] != "update [w! 40]<[v 40]" {
		t.Errorf("%d rows, the last %q", len(got), got[len(got)-1])
	}
	// A rule of inserts and deletes sees a replaced row as both.
	src.change(contract.Rule{Table: "t", Ops: contract.OnInsert | contract.OnDelete, Columns: []string{"id", "b"}, Validator: all})
	must(t, r.do(t, "REPLACE INTO t (id, a, b) VALUES (1, 0, 'z')"))
	if got := all.take(); !slices.Equal(got, []string{"delete [1 w!]<[]", "insert [1 z]<[]"}) {
		t.Errorf("replaced: %q", got)
	}
}

// TestCommitMoment: a rule of the whole transaction sees what differs at its end, and nothing that was undone in between.
func TestCommitMoment(t *testing.T) {
	t.Parallel()
	zero := &rule{name: "balance"}
	src := &set{}
	rl := watch(zero, "ledger", "id", "amount")
	rl.When = contract.AtCommit
	src.change(rl)
	r := build(t, change.Config{Source: src}, "CREATE TABLE ledger (id INTEGER PRIMARY KEY, amount INTEGER)", "INSERT INTO ledger VALUES (1, 5), (2, -5), (3, 1)")
	zero.take()
	run := func(want []string, sqls ...string) error {
		t.Helper()
		_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
			for _, q := range sqls {
				if _, err := tx.Exec(t.Context(), q, nil); err != nil {
					return err
				}
			}
			if n := zero.calls.Swap(0); n != 0 {
				t.Errorf("asked %d times ahead of the commit", n)
			}
			return nil
		})
		zero.calls.Store(0)
		got := zero.take()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q\n got %q\nwant %q", sqls, got, want)
		}
		return err
	}
	zero.calls.Store(0)
	must(t, run([]string{"insert [10 7]<[]", "update [1 6]<[1 5]", "delete [3 1]<[]"},
		"INSERT INTO ledger VALUES (10, 6), (11, 3)", "UPDATE ledger SET amount = 7 WHERE id = 10", "DELETE FROM ledger WHERE id = 11",
		"UPDATE ledger SET amount = 9 WHERE id = 1", "UPDATE ledger SET amount = 6 WHERE id = 1", "DELETE FROM ledger WHERE id = 3",
		"UPDATE ledger SET amount = 0 WHERE id = 2", "UPDATE ledger SET amount = -5 WHERE id = 2"))
	must(t, run(nil, "SAVEPOINT a", "DELETE FROM ledger", "ROLLBACK TO a", "RELEASE a"))
	must(t, run([]string{"insert [20 1]<[]", "delete [1 6]<[]"}, "UPDATE ledger SET id = 20, amount = 1 WHERE id = 1"))
	must(t, run([]string{"delete [20 1]<[]", "insert [20 2]<[]"}[:0:0], "SELECT 1"))
	zero.judge = func(abi.Op, []any, []any) string { return "no" }
	if err := run([]string{"insert [30 1]<[]"}, "INSERT INTO ledger VALUES (30, 1)"); !errors.Is(err, change.ErrRejected) {
		t.Errorf("a veto at commit: %v", err)
	}
	if got := r.all(t, "SELECT count(*) FROM ledger WHERE id = 30"); got != "0" {
		t.Error("the row is there")
	}
	_, err := r.Do(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error { // on the lane's own goroutine
		_, err := tx.Exec(t.Context(), "INSERT INTO ledger VALUES (30, 1)", nil)
		return err
	})
	if !errors.Is(err, change.ErrRejected) {
		t.Errorf("a veto at commit of a job: %v", err)
	}
	tx, err := r.Begin(t.Context(), lane.JobOptions{})
	must(t, err)
	if _, err := tx.Exec(t.Context(), "INSERT INTO ledger VALUES (30, 1)", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); !errors.Is(err, change.ErrRejected) {
		t.Errorf("a veto at commit of a session: %v", err)
	}
	if got := r.all(t, "SELECT count(*) FROM ledger WHERE id = 30"); got != "0" {
		t.Error("the row is there")
	}
}
