package engine_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
)

// TestSlowByEveryWay: whichever way a slow statement comes, its entry has the plan that its bindings lead to and their shape, and it is run again
// with them where it reads.
func TestSlowByEveryWay(t *testing.T) {
	t.Parallel()
	db := observed(t, enginetest.NewClock(monday()), func(c *engine.Config) { c.Telemetry.Slow.Other = 0 })
	pool := db.SQL(engine.WithName("pool"))
	defer pool.Close()
	ctx := t.Context()
	in := func(readOnly bool, f func(*sql.Tx) error) error {
		tx, err := pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: readOnly})
		if err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	}
	read := func(q func(context.Context, string, ...any) *sql.Row, text string, args ...any) error {
		return q(ctx, text, args...).Scan(new(int))
	}
	ways := []struct {
		text, bindings, detail string
		reads                  bool
		run                    func(text string) error
	}{
		{"SELECT 1 + count(*) FROM t WHERE v = ?", "TEXT(6)", "SCAN t", true, func(text string) error {
			b := engine.NewBatch()
			b.Query(text, "secret")
			_, err := db.Batch(ctx, b)
			return err
		}},
		{"UPDATE t SET n = ? WHERE v = ?", "INTEGER TEXT(6)", "SCAN t", false, func(text string) error {
			b := engine.NewBatch()
			b.Exec(text, 7, "secret")
			_, err := db.Batch(ctx, b)
			return err
		}},
		{"SELECT 2 + count(*) FROM t WHERE v > ?", "TEXT(6)", "SCAN t", true, func(text string) error { return read(pool.QueryRowContext, text, "secret") }},
		{"DELETE FROM t WHERE v = ? AND n = ?", "TEXT(6) INTEGER", "SCAN t", false, func(text string) error {
			_, err := pool.ExecContext(ctx, text, "secret", 9)
			return err
		}},
		{"SELECT 3 + count(*) FROM t WHERE v < ?", "TEXT(6)", "SCAN t", true, func(text string) error {
			return in(false, func(tx *sql.Tx) error { return read(tx.QueryRowContext, text, "secret") })
		}},
		{"SELECT 4 + count(*) FROM t WHERE v <> ?", "TEXT(6)", "SCAN t", true, func(text string) error {
			return in(true, func(tx *sql.Tx) error { return read(tx.QueryRowContext, text, "secret") })
		}},
		{"UPDATE t SET v = ? WHERE n = ?", "TEXT(6) INTEGER", "SCAN t", false, func(text string) error {
			return in(false, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, text, "secret", 9)
				return err
			})
		}},
	}
	for _, w := range ways {
		if err := w.run(w.text); err != nil {
			t.Fatalf("%s: %v", w.text, err)
		}
	}
	entries, err := db.Telemetry().Slow(ctx, engine.SlowFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ways {
		var found *engine.SlowEntry
		text := strings.NewReplacer("1 +", "? +", "2 +", "? +", "3 +", "? +", "4 +", "? +").Replace(w.text)
		for i := range entries {
			if entries[i].Text == text {
				found = &entries[i]
			}
		}
		if found == nil {
			t.Errorf("%s is not in the log", w.text)
			continue
		}
		if got := strings.Join(found.Bindings, " "); got != w.bindings {
			t.Errorf("%s: bindings %q, want %q", w.text, got, w.bindings)
		}
		if len(found.Plan) == 0 || found.Plan[0].Detail != w.detail {
			t.Errorf("%s: plan %+v, %s", w.text, found.Plan, found.PlanError)
		}
		runs, err := db.Telemetry().Replay(ctx, found.Fingerprint)
		if w.reads && (err != nil || len(runs) == 0 || runs[0].Rows != 1) {
			t.Errorf("%s: run again: %+v, %v", w.text, runs, err)
		}
		if !w.reads {
			wantOnly(t, err, engine.ErrReadOnly)
		}
	}
}
