package change_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// TestFailsClosed: rows that nobody could judge are not written, others are; each way to fail has an error of its own.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	bad := &rule{name: "bad"}
	src := &set{}
	r := build(t, change.Config{Source: src}, trades, "CREATE TABLE other (id INTEGER PRIMARY KEY)")
	for _, c := range []struct {
		name string
		fail func() error
		rule func(*contract.Rule)
		want error // nil: written
		kind change.EventKind
	}{
		{name: "fault", fail: func() error { return fmt.Errorf("out of fuel: %w", contract.ErrFault) }, want: change.ErrFault, kind: change.Failed},
		{name: "any error", fail: func() error { return errors.New("broken") }, want: change.ErrFault, kind: change.Failed},
		{name: "panic", fail: func() error { panic("on purpose") }, want: change.ErrFault, kind: change.Failed},
		{name: "quarantine", fail: func() error { return fmt.Errorf("five faults: %w", contract.ErrQuarantined) }, want: change.ErrQuarantined, kind: change.Failed},
		{name: "allow", fail: func() error { return contract.ErrFault }, rule: func(r *contract.Rule) { r.Allow = true }, kind: change.Allowed},
		{name: "shadow", fail: func() error { return contract.ErrFault }, rule: func(r *contract.Rule) { r.Shadow = true }, kind: change.Allowed},
	} {
		bad.fail = c.fail
		rl := watch(bad, "trades", "id", "qty")
		if c.rule != nil {
			c.rule(&rl)
		}
		src.change(rl)
		err := r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1)")
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		n := "0"
		if c.want == nil {
			n = "1"
		}
		if got := r.all(t, "SELECT count(*) FROM trades"); got != n {
			t.Errorf("%s: %s rows", c.name, got)
		}
		if ev := r.happened(); len(ev) != 1 || ev[0].Kind != c.kind || ev[0].Err == nil && c.want != nil {
			t.Errorf("%s: %+v", c.name, ev)
		}
		must(t, r.do(t, "INSERT INTO other VALUES (NULL)"))
		src.change()
		must(t, r.do(t, "DELETE FROM trades"))
	}
}

// TestLyingVerdicts: a verdict about what was not asked is a fault, not a verdict.
func TestLyingVerdicts(t *testing.T) {
	t.Parallel()
	for _, v := range []abi.Record{{Row: 1, Action: abi.Reject}, {Col: 2, Action: abi.Reject}, {Col: abi.WholeRow, Action: 9}, {Row: 1 << 31, Col: abi.WholeRow, Action: abi.Warn}} {
		src := &set{}
		src.change(watch(&answers{v}, "trades", "id", "qty"))
		r := build(t, change.Config{Source: src}, trades)
		if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1)"); !errors.Is(err, change.ErrFault) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

// TestWarning: a remark lets the row pass and is told.
func TestWarning(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(&answers{abi.Record{Col: abi.WholeRow, Action: abi.Warn, Message: "rather large"}}, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades)
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1)"))
	if ev := r.happened(); len(ev) != 1 || ev[0].Kind != change.Warned || ev[0].Verdict.Reason != "rather large" || ev[0].Verdict.Key != "1" {
		t.Errorf("%+v", ev)
	}
}

// TestMisfits: a rule that does not fit its table keeps that table from being written, and says why; a table that is not there yet is watched from its
// creation on.
func TestMisfits(t *testing.T) {
	t.Parallel()
	src := &set{}
	v := positive()
	src.change(watch(v, "trades", "id", "no_such"), watch(v, "gen", "id", "g"), watch(v, "view1", "id"), watch(v, "ft", "a"), watch(v, "later", "id", "qty", "note"))
	r := build(t, change.Config{Source: src}, "CREATE TABLE other (x)", "CREATE TABLE gen (id INTEGER PRIMARY KEY, g AS (id) VIRTUAL)")
	for _, c := range []struct{ create, write, want string }{
		{trades, "INSERT INTO trades (id, qty) VALUES (1, 1)", "no_such"},
		{"SELECT 1", "INSERT INTO gen (id) VALUES (1)", "computed"},
	} {
		must(t, r.do(t, c.create))
		if err := r.do(t, c.write); !errors.Is(err, change.ErrFault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.write, err)
		}
	}
	// In one transaction: made, and judged.
	_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		for _, q := range []string{"CREATE TABLE later (id INTEGER PRIMARY KEY, qty INTEGER, note TEXT)", "INSERT INTO later VALUES (1, 1, NULL)", "INSERT INTO later VALUES (2, -1, NULL)"} {
			if _, err := tx.Exec(t.Context(), q, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, change.ErrRejected) {
		t.Errorf("a table made in the same transaction: %v", err)
	}
	must(t, r.do(t, "INSERT INTO other VALUES (1)"))
}

// TestSchemaIsGuarded: what would change rows of a watched table without a word of them is refused while it is watched.
func TestSchemaIsGuarded(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(positive(), "trades", "id", "qty", "note"))
	r := build(t, change.Config{Source: src}, trades, "INSERT INTO trades (id, qty) VALUES (1, 1)", "CREATE TABLE other (x)")
	for _, q := range []string{"DROP TABLE trades", "ALTER TABLE trades RENAME TO t2", "ALTER TABLE trades ADD COLUMN x DEFAULT 7", "ALTER TABLE trades DROP COLUMN note"} {
		if err := r.do(t, q); err == nil || !strings.Contains(err.Error(), "limits watches") {
			t.Errorf("%s: %v", q, err)
		}
	}
	must(t, r.do(t, "CREATE INDEX i ON trades (qty)"))
	must(t, r.do(t, "DROP INDEX i"))
	must(t, r.do(t, "DROP TABLE other"))
	src.change()
	must(t, r.do(t, "DROP TABLE trades"))
}

// TestReload: a transaction keeps the rules that it began with, the next one has the new ones, and no version is let go of while it is asked.
func TestReload(t *testing.T) {
	t.Parallel()
	old, next := positive(), &rule{name: "next", judge: func(abi.Op, []any, []any) string { return "no more" }}
	src := &set{}
	src.change(watch(old, "trades", "id", "qty", "note"))
	r := build(t, change.Config{Source: src}, trades)
	_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		if _, err := tx.Exec(t.Context(), "INSERT INTO trades (id, qty) VALUES (1, 1)", nil); err != nil {
			return err
		}
		src.change(watch(next, "trades", "id", "qty", "note"))
		if src.held.Load() != 1 {
			t.Errorf("%d sets are held", src.held.Load())
		}
		// It can end the whole transaction, so this one is moved out of its group, and begins again.
		_, err := tx.Exec(t.Context(), "INSERT OR ROLLBACK INTO trades (id, qty) VALUES (2, 1)", nil)
		return err
	})
	must(t, err)
	if next.calls.Load() != 0 || old.calls.Load() != 2 {
		t.Errorf("asked: old %d, new %d", old.calls.Load(), next.calls.Load())
	}
	if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (3, 1)"); !errors.Is(err, change.ErrRejected) {
		t.Errorf("after the reload: %v", err)
	}
	if src.held.Load() != 0 {
		t.Errorf("%d sets are held", src.held.Load())
	}
}

// TestReloadUnderLoad: no write fails, and no transaction mixes two versions, while rules change all the time. Some transactions leave their groups.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	src := &set{}
	var mixed atomic.Int64
	version := func(n int) contract.Rule {
		return watch(&versioned{rule: rule{name: fmt.Sprint(n)}, n: n, mixed: &mixed}, "trades", "id", "qty")
	}
	src.change(version(0))
	r := build(t, change.Config{Source: src}, trades)
	stop := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
				src.change(version(n))
			}
		}
	})
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			box := &seen{}
			ctx := context.WithValue(t.Context(), seenKey{}, box)
			_, err := r.Update(ctx, lane.JobOptions{}, func(tx *lane.Tx) error {
				for k := range 4 {
					sql := "INSERT INTO trades (id, qty) VALUES (?, 1)"
					if k == 2 && i%3 == 0 {
						sql = "INSERT OR ROLLBACK INTO trades (id, qty) VALUES (?, 1)"
					}
					if _, err := tx.Exec(ctx, sql, []any{i*10 + k}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	reloads.Wait()
	if got := r.all(t, "SELECT count(*) FROM trades"); got != "1200" || mixed.Load() != 0 || src.held.Load() != 0 {
		t.Errorf("%s rows, %d transactions met two versions, %d sets are held", got, mixed.Load(), src.held.Load())
	}
}

// TestCallerGivesUp: a context that ends while a validator works is nobody's fault.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	v := &rule{name: "slow"}
	v.fail = func() error { cancel(why); return context.Canceled }
	src := &set{}
	src.change(watch(v, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades)
	_, err := r.Update(ctx, lane.JobOptions{}, func(tx *lane.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO trades (id, qty) VALUES (1, 1)", nil)
		return err
	})
	if !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	if ev := r.happened(); len(ev) != 0 {
		t.Errorf("%+v", ev)
	}
	if got := r.all(t, "SELECT count(*) FROM trades"); got != "0" {
		t.Errorf("%s rows", got)
	}
}

// TestLookup: a validator reads what its transaction has changed, and cannot write.
func TestLookup(t *testing.T) {
	t.Parallel()
	src := &set{}
	v := &asks{sql: "SELECT name, 2.5, x'01', NULL FROM accounts WHERE id = ? ORDER BY name"}
	src.change(watch(v, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades, "CREATE TABLE accounts (id INTEGER, name TEXT)", "INSERT INTO accounts VALUES (2, 'b')")
	_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		for _, q := range []string{"INSERT INTO accounts VALUES (2, 'a'), (2, 'c')", "INSERT INTO trades (id, qty) VALUES (1, 2)"} {
			if _, err := tx.Exec(t.Context(), q, nil); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, err)
	if v.got != "[a 2.5 x01 <nil>] [b 2.5 x01 <nil>] " {
		t.Errorf("got %s", v.got)
	}
	if !v.part {
		t.Error("two of three rows, and nobody was told that there are more")
	}
	v.sql = "SELECT name FROM accounts WHERE id = ? LIMIT 2"
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (2, 2)"))
	if v.part || v.got == "" {
		t.Errorf("two of two rows: cut %v, got %s", v.part, v.got)
	}
	for _, sql := range []string{"DELETE FROM accounts WHERE id = ?", "UPDATE trades SET qty = ?", "PRAGMA user_version = 7"} {
		v.sql = sql
		if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (5, 2)"); !errors.Is(err, change.ErrFault) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := r.all(t, "SELECT count(*) FROM accounts"); got != "3" {
		t.Errorf("%s accounts", got)
	}
}

// TestChecks: declared rules.
func TestChecks(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{Checks: []change.Check{
		{Table: "trades", Expr: "qty > 0 -- and so on", Message: "the quantity must be above zero"},
		{Table: "trades", Expr: "sym IS NULL OR length(sym) = 3"},
		{Table: "trades", Expr: "note <> 'x'"}, // NULL passes
	}}, trades)
	must(t, r.do(t, "INSERT INTO trades VALUES (1, 5, 'ABC', NULL), (2, 6, NULL, 'y')"))
	for sql, want := range map[string]string{
		"INSERT INTO trades (id, qty) VALUES (3, 1), (4, 0)": "row 4, is rejected by check 1, rule 1: the quantity must be above zero",
		"UPDATE trades SET sym = 'AB' WHERE id = 1":          "row 1, is rejected by check 2, rule 2: it must hold that sym IS NULL OR length(sym) = 3",
		"UPDATE trades SET note = 'x'":                       "row 1, is rejected by check 3, rule 3: it must hold that note <> 'x' (and 1 more rows)",
	} {
		if err := r.do(t, sql); !errors.Is(err, change.ErrRejected) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	must(t, r.do(t, "DELETE FROM trades"))
	bad := build(t, change.Config{Checks: []change.Check{{Table: "trades", Expr: "no_such > 0"}}}, trades)
	if err := bad.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1)"); !errors.Is(err, change.ErrFault) || !strings.Contains(err.Error(), "no_such") {
		t.Errorf("a check that does not compile: %v", err)
	}
	for _, c := range []change.Check{{Expr: "1"}, {Table: "t"}} {
		if _, err := change.New(change.Config{Checks: []change.Check{c}}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// TestCommitMomentAfterIsolation: a transaction that was moved out of its group in the middle is judged at its commit with all that it did.
func TestCommitMomentAfterIsolation(t *testing.T) {
	t.Parallel()
	src := &set{}
	v := &whole{rows: 3}
	rl := watch(v, "trades", "id", "qty")
	rl.When = contract.AtCommit
	src.change(rl)
	r := build(t, change.Config{Source: src}, trades)
	var wg sync.WaitGroup
	var isolated atomic.Int64
	for i := range 300 {
		wg.Go(func() {
			rep, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
				for k := range 3 {
					sql := "INSERT INTO trades (id, qty) VALUES (?, 1)"
					if k == 1 && i%2 == 0 {
						sql = "INSERT OR ROLLBACK INTO trades (id, qty) VALUES (?, 1)"
					}
					if _, err := tx.Exec(t.Context(), sql, []any{i*10 + k}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if rep.Alone {
				isolated.Add(1)
			}
		})
	}
	wg.Wait()
	if st := r.Stats().Writer; st.Isolated == 0 || isolated.Load() == 0 {
		t.Fatalf("nothing was moved out of its group: this test shows nothing (%+v)", st)
	}
	if n := v.wrong.Load(); n != 0 {
		t.Errorf("%d transactions were judged with a part of what they did", n)
	}
}

// TestUndoneStatement: rows of a statement that failed and left nothing are not judged with those of the next one.
func TestUndoneStatement(t *testing.T) {
	t.Parallel()
	src := &set{}
	src.change(watch(positive(), "trades", "id", "qty", "note"))
	r := build(t, change.Config{Source: src}, trades)
	_, err := r.Update(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		if _, err := tx.Exec(t.Context(), "INSERT INTO trades (id, qty) VALUES (1, 1)", nil); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), "INSERT INTO trades (id, qty) VALUES (2, -1), (1, 1)", nil); err == nil || errors.Is(err, change.ErrRejected) {
			t.Errorf("the second statement: %v", err)
		}
		_, err := tx.Exec(t.Context(), "INSERT INTO trades (id, qty) VALUES (3, 1)", nil)
		return err
	})
	must(t, err)
	if got := r.all(t, "SELECT id FROM trades"); got != "1 3" {
		t.Errorf("trades %s", got)
	}
}
