package main

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/internal/desk/floor"
)

// TestDemoUnderRules: a desk that trades under the engine's own policies is refused nothing, and each policy refuses what it is there for, on the very same books.
func TestDemoUnderRules(t *testing.T) {
	t.Parallel()
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "desk.db"))
	o := demonstrate(t, "--rules", "--db", url, "--json", "--seed", "3")
	var r floor.Report
	if err := json.Unmarshal([]byte(o.stdout), &r); o.code != exitOK || err != nil {
		t.Fatalf("code %d, %v: %s%s", o.code, err, o.stdout, o.stderr)
	}
	if !r.Sound || r.Counts.Fills == 0 || !strings.Contains(o.stderr, "; 0 rejected, 0 failed") || strings.Contains(o.stderr, "rules: 0 calls") {
		t.Errorf("%+v: %s", r.Counts, o.stderr)
	}
	entries := append(demoRules(), config.Builtin{"policy": "doubleentry", "config": map[string]any{"columns": map[string]any{"booking": "booking_id", "currency": "ccy", "amount": "amount"}}})
	db, err := new(sources).ruledBy(t.Context(), io.Discard, entries, func(cfg *engine.Config) { cfg.URL = url })
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, sql := range []string{
		"CREATE TABLE journal (line INTEGER PRIMARY KEY, booking_id INTEGER, ccy TEXT, amount INTEGER) STRICT",
		"UPDATE instruments SET status = 'halted' WHERE instrument_id = (SELECT max(instrument_id) FROM instruments WHERE venue = 'XNAS')",
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	const order = `INSERT INTO orders (order_id, account_id, strategy_id, instrument_id, client_order_id, side, type, tif, limit_px, arrival_px, qty, leaves_qty, ts_created, ts_event, ts_recv)
		SELECT (SELECT max(order_id) FROM orders) + 1, account_id, strategy_id, instrument_id, 'again', side, type, tif, `
	const of = ` FROM orders WHERE type = 'limit' AND instrument_id = (SELECT min(instrument_id) FROM instruments WHERE venue = 'XNAS') LIMIT 1`
	orders := func() (n int64) {
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := orders()
	for _, c := range []struct{ plugin, reason, sql string }{
		{"order-limits", "bps from", order + "limit_px * 2, limit_px, qty, qty, ts_created, ts_event, ts_recv" + of},
		{"reference", "the instrument does not exist or is not traded", strings.Replace(order, ", instrument_id, 'again'", ", (SELECT instrument_id FROM instruments WHERE status = 'halted'), 'again'", 1) + "limit_px, limit_px, qty, qty, ts_created, ts_event, ts_recv" + of},
		{"trading-calendar", "XNAS is closed", order + "limit_px, limit_px, qty, qty, 946728000000000000, ts_event, ts_recv" + of},
		{"double-entry", "", "INSERT INTO journal VALUES (1, 1, 'USD', 100), (2, 1, 'USD', -99)"},
	} {
		_, err := db.Exec(t.Context(), c.sql)
		var rej *engine.RejectedError
		if !errors.As(err, &rej) || rej.Plugin != c.plugin || !strings.Contains(rej.Reason, c.reason) {
			t.Errorf("%s: %v", c.plugin, err)
		}
	}
	if n := orders(); n != before || before == 0 {
		t.Errorf("%d orders became %d", before, n)
	}
	for _, sql := range []string{order + "limit_px, limit_px, qty, qty, ts_created, ts_event, ts_recv" + of, "INSERT INTO journal VALUES (1, 1, 'USD', 100), (2, 1, 'USD', -100)"} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Errorf("what is right: %v", err)
		}
	}
}
