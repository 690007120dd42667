package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/migrations"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/doubleentry"
	"github.com/tidegate/engine/policies/orderlimits"
	"github.com/tidegate/engine/policies/reference"
	"github.com/tidegate/engine/policies/tradingcalendar"
)

// policed opens the trading schema under the engine's own rules, as their manifests say, and with some reference data.
func policed(t *testing.T, adjust ...func(*plugins.Manifest)) *engine.DB {
	t.Helper()
	makers := map[string]func() any{"orderlimits": orderlimits.New, "reference": reference.New, "doubleentry": doubleentry.New, "tradingcalendar": tradingcalendar.New}
	registry := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{plugins.KindBuiltin: builtin.New(makers, plugins.Services{})}})
	t.Cleanup(registry.Close)
	for name := range makers {
		m := plugintest.Manifest(t, filepath.Join("policies", name), name, nil)
		if name == "orderlimits" {
			m.Config["reference"] = "mark"
			m.Tests = nil // they are about the other reference
		}
		for _, f := range adjust {
			f(m)
		}
		if _, err := registry.Load(t.Context(), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	db := openAt(t, filepath.Join(t.TempDir(), "desk.db"), func(c *engine.Config) { c.Migrations, c.Rules.Source = migrations.FS, registry })
	for _, q := range []string{
		"CREATE TABLE journal (line INTEGER PRIMARY KEY, booking_id INTEGER, ccy TEXT, amount INTEGER) STRICT",
		"INSERT INTO currencies VALUES ('USD', 6, 'fiat')",
		"INSERT INTO instruments (instrument_id, venue, symbol, kind, cash_settled, quote_ccy, settle_ccy, price_scale, qty_scale, tick, lot) VALUES (1, 'XNYS', 'A', 'equity', 0, 'USD', 'USD', 2, 0, 1, 1), (2, 'BINANCE', 'B', 'equity', 0, 'USD', 'USD', 2, 0, 1, 1), (3, 'XNYS', 'C', 'equity', 0, 'USD', 'USD', 2, 0, 1, 1)",
		"UPDATE instruments SET status = 'halted' WHERE instrument_id = 3",
		"INSERT INTO accounts (account_id, code, base_ccy, kind, status) VALUES (1, 'one', 'USD', 'cash', 'active'), (2, 'two', 'USD', 'cash', 'closed')",
		"INSERT INTO strategies (strategy_id, code, version) VALUES (1, 's', '1')",
		"INSERT INTO last_quotes VALUES (1, 0, 999, 1001, 1000), (2, 0, 999, 1001, 1000)",
	} {
		if _, err := db.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return db
}

// TestPoliciesOnTheTradingSchema asks the engine's own rules, with the queries of their manifests, in real transactions: what a test of a policy answers with a
// function, the database answers here.
func TestPoliciesOnTheTradingSchema(t *testing.T) {
	t.Parallel()
	db := policed(t)
	open, closed := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC).UnixNano(), time.Date(2026, 1, 3, 15, 0, 0, 0, time.UTC).UnixNano()
	id := int64(0)
	place := func(account, instrument, qty, px, at int64) error {
		id++
		_, err := db.Exec(t.Context(), `INSERT INTO orders (order_id, account_id, strategy_id, instrument_id, client_order_id, side, type, tif, limit_px, qty, leaves_qty, ts_created, ts_event, ts_recv)
			VALUES (?, ?, 1, ?, ?, 1, 'limit', 'day', ?, ?, ?, ?, ?, ?)`, id, account, instrument, id, px, qty, qty, at, at, at)
		return err
	}
	for _, c := range []struct {
		account, instrument, qty, px, at int64
		plugin, reason                   string
	}{
		{1, 1, 10, 1000, open, "", ""},
		{1, 2, 10, 1000, closed, "", ""}, // the other market never closes
		{1, 1, 10, 1000, closed, "trading-calendar", "XNYS is closed"},
		{2, 1, 10, 1000, open, "reference", "the account does not exist or is not active"},
		{1, 3, 10, 1000, open, "order-limits", "nothing to measure"}, // asked ahead of the reference, which would refuse it too
		{1, 1, 10, 1101, open, "order-limits", "1000 bps from 1000"},
		{1, 1, 1_000_001, 1000, open, "order-limits", "over the limit of 1000000"},
	} {
		err := place(c.account, c.instrument, c.qty, c.px, c.at)
		var r *engine.RejectedError
		switch {
		case c.plugin == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.plugin != "" && (!errors.As(err, &r) || r.Plugin != c.plugin || !strings.Contains(r.Reason, c.reason)):
			t.Errorf("%+v: %v", c, err)
		}
	}
	var n int64
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d orders, %v", n, err)
	}
}

// TestDoubleEntryAtCommit: a booking may be unbalanced between two statements and not between two transactions, whatever the statements are.
func TestDoubleEntryAtCommit(t *testing.T) {
	t.Parallel()
	db := policed(t)
	run := func(statements ...string) error {
		return db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			for _, q := range statements {
				if _, err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, c := range []struct {
		balanced   bool
		statements []string
	}{
		{true, []string{"INSERT INTO journal VALUES (1, 1, 'USD', 100)", "INSERT INTO journal VALUES (2, 1, 'USD', -100)"}},
		{false, []string{"INSERT INTO journal VALUES (3, 2, 'USD', 100)", "INSERT INTO journal VALUES (4, 2, 'USD', -99)"}},
		{false, []string{"INSERT INTO journal VALUES (3, 2, 'USD', 100)", "INSERT INTO journal VALUES (4, 2, 'EUR', -100)"}},
		{false, []string{"UPDATE journal SET amount = 101 WHERE line = 1"}},
		{false, []string{"UPDATE journal SET amount = -amount WHERE line = 1"}},
		{false, []string{"DELETE FROM journal WHERE line = 1"}},
		{false, []string{"UPDATE journal SET booking_id = 9 WHERE line = 1"}},
		{true, []string{"UPDATE journal SET amount = 101 WHERE line = 1", "UPDATE journal SET amount = -101 WHERE line = 2"}},
		{true, []string{"DELETE FROM journal WHERE line = 1", "INSERT INTO journal VALUES (5, 1, 'USD', 101)"}}, // calls of their own, each of which adds something
		{true, []string{"INSERT INTO journal VALUES (6, 3, 'USD', 7)", "DELETE FROM journal WHERE line = 6"}},
		// Sums that int64 does not hold: of a booking that balances in the end, of one that does not, and of one that is off by 2^64.
		{true, []string{"INSERT INTO journal VALUES (10, 7, 'USD', 9223372036854775807), (11, 7, 'USD', 9223372036854775807)", "INSERT INTO journal VALUES (12, 7, 'USD', -9223372036854775807), (13, 7, 'USD', -9223372036854775807)", "UPDATE journal SET booking_id = 8 WHERE booking_id = 7"}},
		{false, []string{"UPDATE journal SET amount = amount - 1 WHERE line = 12"}},
		{false, []string{"INSERT INTO journal VALUES (20, 9, 'USD', 9223372036854775807), (21, 9, 'USD', 9223372036854775807)"}},
		{false, []string{"INSERT INTO journal VALUES (20, 9, 'USD', -9223372036854775808), (21, 9, 'USD', -9223372036854775808)"}},
		{true, []string{"DELETE FROM journal"}},
	} {
		err := run(c.statements...)
		if c.balanced != (err == nil) || !c.balanced && !errors.Is(err, engine.ErrRejected) {
			t.Errorf("%v: %v", c.statements, err)
		}
	}
}

// TestDoubleEntryOfOneCurrency: a configuration that names no currency has the query look at the whole booking, not at none of it.
func TestDoubleEntryOfOneCurrency(t *testing.T) {
	t.Parallel()
	db := policed(t, func(m *plugins.Manifest) {
		if m.Name == "double-entry" {
			m.Config["columns"] = map[string]any{"booking": "booking_id", "amount": "amount"}
			m.Tests = nil // they are about currencies
		}
	})
	if _, err := db.Exec(t.Context(), "INSERT INTO journal VALUES (1, 1, 'USD', 100), (2, 1, 'USD', -99)"); !errors.Is(err, engine.ErrRejected) {
		t.Errorf("an unbalanced booking: %v", err)
	}
	if _, err := db.Exec(t.Context(), "INSERT INTO journal VALUES (1, 1, 'USD', 100), (2, 1, 'USD', -100)"); err != nil {
		t.Errorf("a balanced booking: %v", err)
	}
}

// TestQueriesOfRetention runs the queries of the retention policies' manifests, which nothing in the engine asks yet.
func TestQueriesOfRetention(t *testing.T) {
	t.Parallel()
	db := policed(t)
	tried := 0
	for folder, args := range map[string]map[string][]any{"retainbysize": {"size": nil, "cutoff": {0}}, "retainbystate": {"states": {"[1,2,9]"}}} {
		m := plugintest.Manifest(t, filepath.Join("policies", folder), folder, nil)
		for _, q := range m.Capabilities.Lookup {
			a, known := args[q.Name]
			if !known {
				t.Errorf("%s: nobody has tried the query %s", folder, q.Name)
			}
			rows, err := db.Query(t.Context(), q.SQL, a...)
			if err != nil {
				t.Errorf("%s: %s: %v", folder, q.Name, err)
				continue
			}
			n := 0
			for _, err := range rows.All() {
				if err != nil {
					t.Errorf("%s: %s: %v", folder, q.Name, err)
				}
				n++
			}
			if want := map[string]int{"size": 1, "cutoff": 0, "states": 2}[q.Name]; n != want {
				t.Errorf("%s: %s: %d rows, want %d", folder, q.Name, n, want)
			}
			tried++
		}
	}
	if tried != 3 {
		t.Errorf("%d queries were tried, want 3", tried)
	}
}
