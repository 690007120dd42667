package hostilesql_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture/hostilesql"
)

// FuzzSQL gives what the fuzzer makes of the corpus to the public API. The process must live, the call must come back soon after its
// deadline, and the next query must be answered. `make fuzz` runs it for long.
func FuzzSQL(f *testing.F) {
	for _, stmt := range hostilesql.Corpus() {
		if len(stmt) < 300 { // the fuzzer learns nothing from megabytes
			f.Add(stmt)
		}
	}
	cfg := engine.DefaultConfig("sqlite://")
	cfg.Extend.Modules = []engine.Module{engine.FTS5(), engine.RTree()}
	cfg.Logger = slog.New(slog.DiscardHandler)
	db, err := engine.Open(f.Context(), cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	for stmt := range strings.SplitSeq(hostilesql.Schema, ";\n") {
		if _, err := db.Exec(f.Context(), strings.TrimSuffix(stmt, ";")); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, stmt string) {
		late := time.Hour // of three: a machine that stops us is no call that does not end
		for try := 0; try < 3 && late > 2*time.Second; try++ {
			late = min(late, put(t, db, stmt))
		}
		if late > 2*time.Second {
			t.Errorf("%q: back %v after its deadline", stmt, late)
		}
		var n int
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM probe").Scan(&n); err != nil || n != 1 {
			t.Errorf("after %q: %d rows, %v", stmt, n, err)
		}
	})
}

// put gives a statement to a view and to a transaction that is undone, and returns how long after their deadline it is back.
func put(t *testing.T, db *engine.DB, stmt string) (late time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	due, _ := ctx.Deadline()
	undo := errors.New("undo")
	_ = db.View(ctx, func(ctx context.Context, tx *engine.Tx) error { // any error will do
		rows, err := tx.Query(ctx, stmt)
		if err != nil {
			return err
		}
		for _, err := range rows.All() {
			if err != nil {
				return err
			}
		}
		return nil
	})
	err := db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, stmt); err != nil {
			return err
		}
		return undo
	})
	if err == nil {
		t.Errorf("%q committed though its closure failed", stmt)
	}
	return time.Since(due)
}
