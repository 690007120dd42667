package change_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// sizes notes how many rows and bytes each call had.
type sizes struct {
	rule
	rows, bytes []int
}

func (s *sizes) Validate(ctx context.Context, b *abi.Batch, at time.Time) (contract.Outcome, error) {
	s.rows, s.bytes = append(s.rows, b.Rows()), append(s.bytes, b.Size())
	return s.rule.Validate(ctx, b, at)
}

const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "

// TestLargeStatementsInParts: a rule is asked about a large statement in calls of bounded size, about each row once, and the verdict names the row of its call.
func TestLargeStatementsInParts(t *testing.T) {
	t.Parallel()
	v := &sizes{rule: rule{name: "limits", judge: func(_ abi.Op, now, _ []any) string {
		if now[1] == int64(-1) {
			return "negative"
		}
		return ""
	}}}
	src := &set{}
	src.change(watch(v, "trades", "id", "qty", "note"))
	r := build(t, change.Config{Source: src}, trades)
	must(t, r.do(t, fmt.Sprintf(numbers+"INSERT INTO trades (id, qty) SELECT i, 1 FROM n", 10_000)))
	if got := fmt.Sprint(v.rows); got != "[4096 4096 1808]" {
		t.Errorf("calls of %s rows", got)
	}
	seen := map[string]int{}
	for _, s := range v.take() {
		seen[s]++
	}
	if len(seen) != 10_000 {
		t.Errorf("%d different rows were judged", len(seen))
	}
	v.rows, v.bytes = nil, nil
	for _, bad := range []int{1, 4096, 4097, 9_999} {
		var rej *change.RejectedError
		if err := r.do(t, "UPDATE trades SET qty = CASE id WHEN ? THEN -1 ELSE 2 END", bad); !errors.As(err, &rej) || rej.Key != fmt.Sprint(bad) || rej.Rows != 1 {
			t.Errorf("row %d: %v", bad, err)
		}
	}
	v.rows, v.bytes = nil, nil
	must(t, r.do(t, fmt.Sprintf(numbers+"INSERT INTO trades (id, qty, note) SELECT i + 20000, 1, printf('%%.*c', 600000, 'x') FROM n", 20)))
	rows := 0
	for i := range v.rows {
		rows += v.rows[i]
		if v.bytes[i] > 5<<20 {
			t.Errorf("a call of %d bytes", v.bytes[i])
		}
	}
	if rows != 20 || len(v.rows) < 3 {
		t.Errorf("calls of %v rows", v.rows)
	}
}

// TestNothingThatFitsNoCall: what cannot be put into a batch is not judged, and so not written.
func TestNothingThatFitsNoCall(t *testing.T) {
	t.Parallel()
	v := &rule{name: "no columns"}
	src := &set{}
	src.change(watch(v, "trades"))
	r := build(t, change.Config{Source: src}, trades)
	if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1)"); !errors.Is(err, change.ErrFault) || v.calls.Load() != 0 {
		t.Errorf("%v, asked %d times", err, v.calls.Load())
	}
	if got := r.all(t, "SELECT count(*) FROM trades"); got != "0" {
		t.Errorf("%s rows", got)
	}
}

// TestReplacingManyRows: REPLACE is no way around a rule that watches UPDATE alone, for few rows and for many, by either key.
func TestReplacingManyRows(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 15, 16, 60} {
		v := &rule{name: "fixed", judge: func(op abi.Op, now, old []any) string {
			if now[1] != old[1] {
				return "the quantity is fixed"
			}
			return ""
		}}
		src := &set{}
		w := watch(v, "trades", "id", "qty")
		w.Ops = contract.OnUpdate
		src.change(w)
		r := build(t, change.Config{Source: src}, trades)
		must(t, r.do(t, fmt.Sprintf(numbers+"INSERT INTO trades (id, qty, sym) SELECT i, 1, 's' || i FROM n", n)))
		for _, sql := range []string{"REPLACE INTO trades (id, qty, sym) SELECT i, 2, 's' || i FROM n", "REPLACE INTO trades (id, qty) SELECT i, 2 FROM n"} {
			var rej *change.RejectedError
			if err := r.do(t, fmt.Sprintf(numbers+sql, n)); !errors.As(err, &rej) || rej.Op != abi.OpUpdate || rej.Rows != n {
				t.Errorf("%d rows, %s: %v", n, sql, err)
			}
		}
		v.take()
		must(t, r.do(t, fmt.Sprintf(numbers+"REPLACE INTO trades (id, qty) SELECT i, 1 FROM n", n)))
		if got := len(v.take()); got != n {
			t.Errorf("%d of %d rows were shown", got, n)
		}
	}
}

// TestRowsOfATriggerWithoutRowid: a row of a table WITHOUT ROWID is known by its key: what triggers do to it is one change, at either moment.
func TestRowsOfATriggerWithoutRowid(t *testing.T) {
	t.Parallel()
	now, end := &rule{name: "now"}, &rule{name: "end"}
	late := watch(end, "wr", "k", "qty")
	late.When = contract.AtCommit
	src := &set{}
	src.change(watch(now, "wr", "k", "qty"), late)
	r := build(t, change.Config{Source: src}, "CREATE TABLE wr (k TEXT, n INTEGER, qty INTEGER, PRIMARY KEY (k, n)) WITHOUT ROWID",
		"CREATE TRIGGER twice AFTER UPDATE ON wr WHEN new.qty < 100 BEGIN UPDATE wr SET qty = new.qty + 100 WHERE k = new.k AND n = new.n; END",
		"CREATE TRIGGER gone AFTER INSERT ON wr WHEN new.qty = 99 BEGIN DELETE FROM wr WHERE k = new.k AND n = new.n; END")
	for _, c := range []struct{ sql, want string }{
		{"INSERT INTO wr VALUES ('a', 1, 1), ('a', 2, 2), ('b', 1, 3)", "insert [a 1]<[] insert [a 2]<[] insert [b 3]<[]"},
		{"UPDATE wr SET qty = qty + 1", "update [a 102]<[a 1] update [a 103]<[a 2] update [b 104]<[b 3]"},
		{"INSERT INTO wr VALUES ('c', 1, 99)", ""},
		{"UPDATE wr SET k = 'z', qty = 0 WHERE k = 'b'", "update [z 100]<[b 104]"},
		{"DELETE FROM wr WHERE k = 'a'", "delete [a 102]<[] delete [a 103]<[]"},
	} {
		must(t, r.do(t, c.sql))
		if got := strings.Join(now.take(), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.sql, got, c.want)
		}
		want := c.want
		if strings.Contains(c.sql, "'z'") { // at the end of a transaction a key that is gone and one that has come are two rows
			want = "delete [b 104]<[] insert [z 100]<[]"
		}
		if got := strings.Join(end.take(), " "); got != want {
			t.Errorf("at commit, %s: %s, want %s", c.sql, got, want)
		}
	}
}

// TestCallsAreTold: each call is told with whom it asked, about how many rows of what, and how it failed.
func TestCallsAreTold(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var calls []string
	v := &rule{name: "limits"}
	src := &set{}
	src.change(watch(v, "trades", "id", "qty"))
	began := time.Now()
	r := build(t, change.Config{Source: src, Called: func(_ context.Context, c *change.Call) {
		mu.Lock()
		defer mu.Unlock()
		if c.Start.Before(began) || c.Start.After(time.Now()) || c.Took <= 0 {
			t.Errorf("%+v", c)
		}
		calls = append(calls, fmt.Sprint(c.Who.Name, " ", c.Who.Version, " ", c.Table, " ", c.Rows, " ", c.Err))
	}}, trades)
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1), (2, 1)"))
	v.fail = func() error { return contract.ErrFault }
	if err := r.do(t, "DELETE FROM trades WHERE id = 1"); !errors.Is(err, change.ErrFault) {
		t.Error(err)
	}
	if got := strings.Join(calls, "; "); got != "limits 1.0.0 trades 2 <nil>; limits 1.0.0 trades 1 "+contract.ErrFault.Error() {
		t.Error(got)
	}
}

// TestLookupOfSeveralBlocks: the rows of a lookup are bounded by what was asked for, however large the first ones are.
func TestLookupOfSeveralBlocks(t *testing.T) {
	t.Parallel()
	v := &asks{sql: "SELECT name FROM accounts WHERE id = ? ORDER BY n"}
	src := &set{}
	src.change(watch(v, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades, "CREATE TABLE accounts (id INTEGER, n INTEGER, name TEXT)",
		"INSERT INTO accounts VALUES (2, 1, printf('%.*c', 90000, 'x')), (2, 2, 'b'), (2, 3, 'c'), (2, 4, 'd')")
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 2)"))
	if want := "[" + strings.Repeat("x", 90_000) + "] [b] "; v.got != want || !v.part {
		t.Errorf("%d bytes, cut %v", len(v.got), v.part)
	}
}

// TestChecksLetGoOfTheirStatements: a check that was evaluated holds no statement open, or no table could be dropped any more.
func TestChecksLetGoOfTheirStatements(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{Checks: []change.Check{{Table: "trades", Expr: "qty > 0"}}}, trades, "CREATE TABLE other (x)")
	_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		for _, sql := range []string{"INSERT INTO trades (id, qty) VALUES (1, 1)", "UPDATE trades SET qty = 2", "DROP TABLE other"} {
			if _, err := tx.Exec(t.Context(), sql, nil); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	must(t, err)
}

// TestVersionsAreNotCountedForEver: each reload brings a version, and only so many are told apart.
func TestVersionsAreNotCountedForEver(t *testing.T) {
	t.Parallel()
	src := &set{}
	r := build(t, change.Config{Source: src}, trades)
	const versions = 520
	for i := range versions {
		src.change(watch(&rule{name: fmt.Sprint("v", i)}, "trades", "id"))
		must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (?, 1)", i))
	}
	each := r.enforcer.Each()
	var rows uint64
	for _, s := range each {
		rows += s.Rows
	}
	if len(each) != 513 || rows != versions {
		t.Errorf("%d versions with %d rows", len(each), rows)
	}
}
