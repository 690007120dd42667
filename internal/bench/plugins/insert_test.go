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
	// Calls follow one another, as those of a caller do: a database that is let go to sleep between two of them measures how the system wakes it up.
	oneByOne := func(db *engine.DB, sql string) func() error {
		one := insert(db, sql)
		return func() error {
			for range calls {
				if err := one(); err != nil {
					return err
				}
			}
			return nil
		}
	}
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
		rows      time.Duration
		budget    time.Duration
	}{
		// A transaction of its own has no budget: what it takes to wake its caller up, which is the Go scheduler's business, differs by more than the rule takes.
		{"one row, a transaction of its own", "INSERT INTO trades (symbol, qty) VALUES ('ACME', 5)", oneByOne, calls, 0},
		{"one row, a statement of a transaction", "INSERT INTO trades (symbol, qty) VALUES ('ACME', 5)", together, calls, oneRow},
		{"one row, a transaction of its own, the database asleep before", "INSERT INTO trades (symbol, qty) VALUES ('ACME', 5)", insert, 1, 0},
		{"1,000 rows in a statement", series + "INSERT INTO trades (symbol, qty) SELECT 'ACME', i FROM n", insert, 1000, manyRows},
		{"1,000 rows of a table without a rule", series + "INSERT INTO other (symbol, qty) SELECT 'ACME', i FROM n", insert, 1000, otherTable},
	} {
		costs := turns(t, c.way(with, c.sql), c.way(without, c.sql))
		ruled, plain := costs[0], costs[1]
		added := (ruled.least - plain.least) / c.rows // what else the machine does is in neither
		t.Logf("%s: %v a row with the rule, %v without: adds %v (×%.2f), budget %v; medians %v and %v, %v more at the median of the turns", c.name, ruled.least/c.rows, plain.least/c.rows, added,
			float64(ruled.least)/float64(plain.least), c.budget, ruled.median/c.rows, plain.median/c.rows, ruled.more/c.rows)
		if c.budget > 0 && added > c.budget {
			t.Errorf("%s: a rule adds %v a row, more than %v", c.name, added, c.budget)
		}
	}
	if n := with.Rules().Stats().Calls; n == 0 {
		t.Error("the rule was never asked")
	}
}
