package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/sqlite/peer"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// ruled opens a database whose table trades takes no quantity below one.
func ruled(t *testing.T, change ...func(*engine.Config)) (*engine.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.db")
	db := openAt(t, path, append([]func(*engine.Config){func(c *engine.Config) {
		c.Rules.Checks = []engine.RowCheck{{Table: "trades", Expr: "qty > 0", Message: "the quantity must be above zero"}}
	}}, change...)...)
	for _, q := range []string{"CREATE TABLE trades (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL) STRICT", "CREATE TABLE other (id INTEGER PRIMARY KEY) STRICT", "INSERT INTO trades VALUES (1, 1)"} {
		if _, err := db.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return db, path
}

func rowCount(t *testing.T, db *engine.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRulesOnEveryWay: whichever door of the engine a row comes through, it is judged (R2.5).
func TestRulesOnEveryWay(t *testing.T) {
	t.Parallel()
	db, _ := ruled(t)
	ctx := t.Context()
	const bad = "INSERT INTO trades VALUES (?, 0)"
	prepared, err := db.Prepare(ctx, bad)
	if err != nil {
		t.Fatal(err)
	}
	std := db.SQL()
	defer std.Close()
	ways := map[string]func() error{
		"Exec": func() error { _, err := db.Exec(ctx, bad, 2); return err },
		"Update": func() error {
			return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error { _, _ = tx.Exec(ctx, bad, 2); return nil })
		},
		"Query": func() error {
			rows, err := db.Query(ctx, bad+" RETURNING id", 2)
			if err == nil {
				rows.Close()
			}
			return err
		},
		"prepared": func() error { _, err := prepared.Exec(ctx, 2); return err },
		"Batch": func() error {
			var b engine.Batch
			b.Exec("INSERT INTO other VALUES (7)")
			b.Exec(bad, 2)
			_, err := db.Batch(ctx, &b)
			return err
		},
		"SQL": func() error { _, err := std.ExecContext(ctx, bad, 2); return err },
		"SQL, transaction": func() error {
			tx, err := std.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, _ = tx.ExecContext(ctx, bad, 2)
			return tx.Commit()
		},
		"keyed": func() error { _, err := db.Exec(ctx, bad, 2, engine.Key("k")); return err },
	}
	for name, way := range ways {
		err := way()
		var rej *engine.RejectedError
		if !errors.As(err, &rej) {
			t.Errorf("%s: %v, want a rejection", name, err)
			continue
		}
		wantOnly(t, err, engine.ErrRejected)
		if rej.Table != "trades" || rej.Key != "2" || rej.Reason != "the quantity must be above zero" || engine.Retryable(err) {
			t.Errorf("%s: %+v", name, rej)
		}
	}
	rep, err := bulk.Import(ctx, db.Bulk(), strings.NewReader("id,qty\n5,1\n6,0\n7,1\n"), bulk.ImportOptions{Table: "trades", Format: bulk.CSV{}, SkipBad: true})
	if err != nil || rep.Rejected != 1 || len(rep.First) != 1 || rep.First[0].Line != 3 {
		t.Errorf("import: %+v, %v", rep, err)
	}
	if rowCount(t, db, "trades") != 3 || rowCount(t, db, "other") != 0 {
		t.Errorf("%d trades, %d others", rowCount(t, db, "trades"), rowCount(t, db, "other"))
	}
	if st := db.Rules().Stats(); st.Rejected < uint64(len(ways)) {
		t.Errorf("%+v", st)
	}
}

// TestRejectionsAreStored: what was rejected can be read afterwards, the newest first, and no more of it than is kept.
func TestRejectionsAreStored(t *testing.T) {
	t.Parallel()
	db, _ := ruled(t, func(c *engine.Config) { c.Rules.Keep = 3 })
	if got, err := db.Rules().Rejections(t.Context(), 10); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	for id := range 5 {
		if _, err := db.Exec(t.Context(), "INSERT INTO trades VALUES (?, -1)", 100+id); !errors.Is(err, engine.ErrRejected) {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		got, err := db.Rules().Rejections(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 3 && got[0].Verdict.Key == "104" {
			r := got[0]
			if r.Kind != "rejected" || r.Verdict.Plugin != "check 1" || r.Verdict.Table != "trades" || r.Verdict.Reason == "" || r.Verdict.Op != abi.OpInsert ||
				len(r.Verdict.Receipt.Batch) != 64 || time.Since(r.At) > time.Minute {
				t.Errorf("%+v", r)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", got)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestGuardedTable: another program that writes past the rules fails; this engine goes on.
func TestGuardedTable(t *testing.T) {
	t.Parallel()
	db, path := ruled(t)
	if err := db.Rules().Guard(t.Context(), "trades"); err != nil {
		t.Fatal(err)
	}
	foreign, err := peer.Open(path, peer.Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	for _, q := range []string{"INSERT INTO trades VALUES (9, -1)", "UPDATE trades SET qty = -1", "DELETE FROM trades"} {
		if _, err := foreign.Exec(q); err == nil || !strings.Contains(err.Error(), "no such function") {
			t.Errorf("%s by another program: %v", q, err)
		}
	}
	if _, err := foreign.Exec("INSERT INTO other VALUES (1)"); err != nil {
		t.Errorf("a table without a guard: %v", err)
	}
	for _, q := range []string{"INSERT INTO trades VALUES (2, 2)", "UPDATE trades SET qty = 3", "DELETE FROM trades WHERE id = 2"} {
		if _, err := db.Exec(t.Context(), q); err != nil {
			t.Errorf("%s by the engine: %v", q, err)
		}
	}
	if _, err := db.Exec(t.Context(), `DROP TRIGGER "_tg_guard_trades_INSERT"`); !errors.Is(err, engine.ErrForbidden) {
		t.Errorf("a user took the guard away: %v", err)
	}
	wantOnly(t, db.Rules().Guard(t.Context(), "no_such"), engine.ErrSQL)
	if err := errors.Join(db.Rules().Unguard(t.Context(), "trades"), db.Rules().Unguard(t.Context(), "trades")); err != nil {
		t.Fatal(err)
	}
	again, err := peer.Open(path, peer.Options{Connections: 1}) // the other one compiles with the schema that it has read
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Exec("UPDATE trades SET qty = 7"); err != nil {
		t.Errorf("after Unguard: %v", err)
	}
}

// sick is a source whose one validator is in quarantine.
type sick struct{}

func (sick) Identity() contract.Identity { return contract.Identity{Name: "sick", Version: "2"} }

func (sick) Validate(context.Context, *abi.Batch, time.Time) (contract.Outcome, error) {
	return contract.Outcome{}, contract.ErrQuarantined
}

func (s sick) Acquire() contract.Rules {
	return contract.Rules{Generation: 1, List: []contract.Rule{{Table: "trades", Ops: contract.OnInsert, Columns: []string{"id"}, Validator: s}}}
}

func (s sick) Quarantined() []contract.Identity { return []contract.Identity{s.Identity()} }

// TestQuarantinedRule: its tables refuse writes, other tables do not, and Health is not well.
func TestQuarantinedRule(t *testing.T) {
	t.Parallel()
	db := open(t, func(c *engine.Config) { c.Rules.Source = sick{} })
	for _, q := range []string{"CREATE TABLE trades (id INTEGER)", "CREATE TABLE other (id INTEGER)", "INSERT INTO other VALUES (1)"} {
		if _, err := db.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.Exec(t.Context(), "INSERT INTO trades VALUES (1)")
	wantOnly(t, err, engine.ErrPluginQuarantined)
	h := db.Health(t.Context())
	if h.OK || h.Level() != engine.HealthDegraded {
		t.Errorf("%+v", h)
	}
	if c := check(t, h, "rules"); c.OK || !strings.Contains(c.Detail, "sick 2") || c.Remedy == "" {
		t.Errorf("%+v", c)
	}
}

// later is a source whose rule comes into force while the database is open.
type later struct {
	on atomic.Bool
	v  contract.Validator
}

func (l *later) Acquire() contract.Rules {
	if !l.on.Load() {
		return contract.Rules{Generation: 1}
	}
	return contract.Rules{Generation: 2, List: []contract.Rule{{Table: "trades", Ops: contract.OnDelete, Columns: []string{"id"}, Validator: l.v}}}
}

// never rejects every row.
type never struct{}

func (never) Identity() contract.Identity { return contract.Identity{Name: "never", Version: "1.0.0"} }

func (never) Validate(_ context.Context, b *abi.Batch, _ time.Time) (out contract.Outcome, _ error) {
	for row := range b.Rows() {
		out.Verdicts = append(out.Verdicts, abi.Record{Row: uint32(row), Col: abi.WholeRow, Action: abi.Reject, Message: "never"})
	}
	return out, nil
}

// TestPreparedBeforeTheRule: a DELETE of everything that was prepared, and run, before a rule came into force is judged by it all the same.
func TestPreparedBeforeTheRule(t *testing.T) {
	t.Parallel()
	src := &later{v: never{}}
	db := openAt(t, filepath.Join(t.TempDir(), "a.db"), func(c *engine.Config) { c.Rules.Source = src })
	ctx := t.Context()
	run := func(sql string) {
		t.Helper()
		if _, err := db.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE TABLE trades (id INTEGER PRIMARY KEY)")
	own, err := db.Prepare(ctx, "DELETE FROM trades")
	if err != nil {
		t.Fatal(err)
	}
	std := db.SQL()
	defer std.Close()
	theirs, err := std.PrepareContext(ctx, "DELETE FROM trades")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	doors := map[string]func() error{"Prepare": func() error { _, err := own.Exec(ctx); return err }, "database/sql": func() error { _, err := theirs.ExecContext(ctx); return err }}
	for name, empty := range doors {
		if err := empty(); err != nil {
			t.Fatal(name, err)
		}
	}
	run("INSERT INTO trades VALUES (1), (2)")
	src.on.Store(true)
	for name, empty := range doors {
		if err := empty(); !errors.Is(err, engine.ErrRejected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := rowCount(t, db, "trades"); n != 2 {
		t.Errorf("%d rows are left", n)
	}
}
