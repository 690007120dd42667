package main

import (
	"errors"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/sdktest"
)

type row = sdktest.Row

// cases are what the rule must say, wherever it runs.
func cases(t *testing.T, h *sdktest.Harness) {
	h.Insert(row{"EURUSD", 3000}, row{"XAUUSD", -100}, row{"EURUSD", 0}).Accepts().Within(10_000)
	h.Insert(row{"EURUSD", 1001}, row{"XAUUSD", 150}, row{"BTCUSD", 1}, row{nil, 1}).
		Rejects(0, codeLot, "qty 1001 is no multiple of the lot, 1000").Rejects(1, codeLot, "").Rejects(2, codeSymbol, "BTCUSD").Rejects(3, codeSymbol, "")
	h.Insert(row{"XAUUSD", 50_000}).Accepts().Warns(0, codeLarge, "500 lots")
	h.Update(row{"EURUSD", 1, "EURUSD", 1000}).Rejects(0, codeLot, "")
	h.Insert(row{"EURUSD", 1000.5}, row{"EURUSD", "1001"}, row{"EURUSD", nil}).Rejects(0, codeType, "no integer").Rejects(1, codeType, "").Rejects(2, codeType, "") // Cell.Int of these is 0, a whole lot
}

func TestLotSize(t *testing.T) {
	t.Parallel()
	cases(t, sdktest.New(t, &lotSize{}, sdktest.Setup{
		Config: `{"lots":{"EURUSD":1000,"XAUUSD":100},"large":500}`,
		Hooks:  []sdk.Hook{{Table: "trades", Columns: []string{"symbol", "qty"}}},
	}))
}

// The same cases, on the value and on the module.
func TestModule(t *testing.T) {
	t.Parallel()
	plugintest.Run(t, plugintest.Policy{Dir: ".", Main: ".", New: func() any { return &lotSize{} }, Cases: []plugintest.Case{
		{Name: "cases", Test: cases},
		{Name: "a lot of nothing", Config: `{"lots":{"EURUSD":0}}`, Refuses: "config.lots.EURUSD: a lot has at least one piece"},
	}})
}

// The module in front of a table.
func TestDeployed(t *testing.T) {
	t.Parallel()
	ctx, module := t.Context(), wasmtest.Go(t, ".")
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	registry := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": host}})
	t.Cleanup(registry.Close)
	if _, err := registry.Load(ctx, plugintest.Manifest(t, ".", "lot-size.wasm", module), module); err != nil {
		t.Fatal(err)
	}
	cfg := engine.DefaultConfig("sqlite://")
	cfg.Rules.Source = registry
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, `CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, qty INTEGER NOT NULL) STRICT`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, `INSERT INTO trades (symbol, qty) VALUES ('EURUSD', 1000), ('XAUUSD', 200)`); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO trades (symbol, qty) VALUES ('EURUSD', 2000), ('EURUSD', 1500)`,
		`INSERT INTO trades (symbol, qty) SELECT symbol, qty + 1 FROM trades`,
		`UPDATE trades SET qty = qty / 3`,
		`INSERT INTO trades (id, symbol, qty) VALUES (1, 'EURUSD', 7) ON CONFLICT DO UPDATE SET qty = excluded.qty`,
	} {
		_, err := db.Exec(ctx, sql)
		var r *engine.RejectedError
		if !errors.As(err, &r) || !errors.Is(err, engine.ErrRejected) || r.Plugin != "lot-size" || r.Rule != codeLot || r.Column != "qty" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var n, sum int64
	if err := db.QueryRow(ctx, `SELECT count(*), sum(qty) FROM trades`).Scan(&n, &sum); err != nil || n != 2 || sum != 1200 {
		t.Errorf("%d trades of %d pieces, %v", n, sum, err)
	}
}
