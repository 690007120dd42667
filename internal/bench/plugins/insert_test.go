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

// durableShare is by how much a rule may slow down a durable INSERT, which mostly waits for the disk.
const durableShare = 1.25

func open(t *testing.T, source contract.Source, durability engine.Durability) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "bench.db"))
	cfg.Writer.Durability, cfg.Rules.Source, cfg.Logger = durability, source, slog.New(slog.DiscardHandler)
	cfg.Writer.Hold = time.Second // on a busy machine fifty statements take longer than a lease
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

// rules is a registry with one rule in Go.
func rules(t *testing.T) *hosts.Registry {
	t.Helper()
	h, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := hosts.NewRegistry(hosts.Options{Hosts: map[string]hosts.Host{"wasm": h}})
	t.Cleanup(r.Close)
	code := module(t, "guest")
	if _, err := r.Load(t.Context(), manifest(t, code), code); err != nil {
		t.Fatal(err)
	}
	return r
}

// inserts is one INSERT a call, as a transaction of its own.
func inserts(t *testing.T, db *engine.DB, sql string) func() error {
	t.Helper()
	s, err := db.Prepare(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return func() error { _, err := s.Exec(context.Background()); return err }
}

// TestWhatARuleAddsToADurableInsert: the processor comes back from its wait for the disk with cold caches, so that all that runs then takes four times as long,
// a rule as well. What it adds is therefore told as a share of the whole.
func TestWhatARuleAddsToADurableInsert(t *testing.T) {
	with, without := open(t, rules(t), engine.Durable), open(t, nil, engine.Durable)
	const sql = "INSERT INTO trades (symbol, qty) VALUES ('ACME', 5)"
	before := with.Rules().Stats()
	costs := turns(t, 20, inserts(t, with, sql), inserts(t, without, sql))
	after := with.Rules().Stats()
	ruled, plain := costs[0], costs[1]
	share := float64(ruled.median) / float64(plain.median)
	t.Logf("%v with the rule, %v without: adds %v at the median (×%.2f), budget ×%.2f; %v at the quietest tenth; the call of the rule takes %v in the mean", ruled.median, plain.median,
		ruled.median-plain.median, share, durableShare, ruled.least-plain.least, (after.Time-before.Time)/time.Duration(max(1, after.Calls-before.Calls)))
	if share > durableShare {
		t.Errorf("a rule makes a durable INSERT %.2f times as slow, more than %.2f", share, durableShare)
	}
}

// TestWhatARuleAdds compares INSERTs on a database with a rule in Go and on one without, in turns.
func TestWhatARuleAdds(t *testing.T) {
	r := rules(t)
	with, without := open(t, r, engine.Relaxed), open(t, nil, engine.Relaxed)
	insert := func(db *engine.DB, sql string) func() error { return inserts(t, db, sql) }
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
