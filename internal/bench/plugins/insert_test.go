package plugins

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine"
	hosts "github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/contract"
)

// Budgets of docs/plugins.md.
const (
	oneRow     = 3 * time.Microsecond
	manyRows   = 1500 * time.Nanosecond
	otherTable = 300 * time.Nanosecond
)

func open(t *testing.T, source contract.Source) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "bench.db"))
	cfg.Writer.Durability, cfg.Rules.Source, cfg.Logger = engine.Relaxed, source, slog.New(slog.DiscardHandler)
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, q := range []string{
		"CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT, qty INTEGER) STRICT", "CREATE TABLE other (id INTEGER PRIMARY KEY, symbol TEXT, qty INTEGER) STRICT",
	} {
		if _, err := db.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// TestWhatARuleAdds compares INSERTs on a database with a rule in Go and on one without, in turns.
func TestWhatARuleAdds(t *testing.T) {
	h, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := hosts.NewRegistry(hosts.Options{Hosts: map[string]hosts.Host{"wasm": h}})
	defer r.Close()
	code := module(t, "guest")
	if _, err := r.Load(t.Context(), manifest(t, code), code); err != nil {
		t.Fatal(err)
	}
	with, without := open(t, r), open(t, nil)
	insert := func(db *engine.DB, sql string) func() error {
		s, err := db.Prepare(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		return func() error { _, err := s.Exec(context.Background()); return err }
	}
	const calls = 50
	together := func(db *engine.DB, sql string) func() error {
		return func() error {
			return db.Update(context.Background(), func(ctx context.Context, tx *engine.Tx) error {
				for range calls {
					if _, err := tx.Exec(ctx, sql); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	const series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
	for _, c := range []struct {
		name, sql string
		way       func(*engine.DB, string) func() error
		calls     int // one after the other, before it is the other database's turn
		rows      time.Duration
		budget    time.Duration
	}{
		{"one row, a transaction of its own, one after the other", "INSERT INTO trades (symbol, qty) VALUES ('ACME', 5)", insert, calls, 1, oneRow},
		{"one row, a transaction of its own, the other database in between", "INSERT INTO trades (symbol, qty) VALUES ('ACME', 5)", insert, 1, 1, oneRow},
		{"one row, a statement of a transaction", "INSERT INTO trades (symbol, qty) VALUES ('ACME', 5)", together, 1, calls, oneRow},
		{"1,000 rows in a statement", series + "INSERT INTO trades (symbol, qty) SELECT 'ACME', i FROM n", insert, 1, 1000, manyRows},
		{"1,000 rows of a table without a rule", series + "INSERT INTO other (symbol, qty) SELECT 'ACME', i FROM n", insert, 1, 1000, otherTable},
	} {
		costs := turns(t, c.calls, c.way(with, c.sql), c.way(without, c.sql))
		ruled, plain := costs[0], costs[1]
		added := ruled.median - plain.median
		t.Logf("%s: %v a row with the rule, %v without: adds %v at the median (×%.2f), budget %v; %v at the quietest tenth, %v in the mean, %v from turn to turn", c.name,
			ruled.median/c.rows, plain.median/c.rows, added/c.rows, float64(ruled.median)/float64(plain.median), c.budget,
			(ruled.least-plain.least)/c.rows, (ruled.mean-plain.mean)/c.rows, ruled.more/c.rows)
		if quiet := (ruled.least - plain.least) / c.rows; min(added/c.rows, quiet) > c.budget { // what else the machine does is in neither
			t.Errorf("%s: a rule adds %v a row, and %v on a quiet machine, more than %v", c.name, added/c.rows, quiet, c.budget)
		}
	}
	if n := with.Rules().Stats().Calls; n == 0 {
		t.Error("the rule was never asked")
	}
}
