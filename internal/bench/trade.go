package bench

import (
	"context"
	"fmt"
)

// The statements of a fill, as the demo's desk writes them: read the position, write execution, ledger transaction and two
// transfers; triggers carry them into order, event, position, day and balances. Thirteen rows change.
const (
	readPosition   = "SELECT qty FROM positions WHERE account_id = ? AND instrument_id = 1 AND strategy_id = 1 AND book = 0"
	writeExecution = `INSERT INTO executions (exec_id, order_id, venue_exec_id, account_id, strategy_id, instrument_id, side, qty, px, notional, fee_ccy, liquidity, trade_date, ts_event, ts_recv)
VALUES (?, ?, ?, ?, 1, 1, 1, 1, 100, 100, 'USD', 'taker', 20261125, ?, ?) ON CONFLICT DO NOTHING`
	writeTxn      = "INSERT INTO ledger_txns (txn_id, account_id, kind, ref, instrument_id, trade_date, ts_event, ts_recv) VALUES (?, ?, 'trade', ?, 1, 20261125, ?, ?)"
	writeTransfer = "INSERT INTO ledger_transfers (txn_id, line, debit_id, credit_id, ccy, amount) VALUES (?, ?, ?, ?, ?, ?)"
	writeOne      = "INSERT INTO prints (instrument_id, ts, seq, px, qty, side) VALUES (1, ?, ?, 100, 1, 1)"
)

var prepared = []string{readPosition, writeExecution, writeTxn, writeTransfer, writeOne}

// seed makes the reference data and a large order for each of n accounts.
func seed(ctx context.Context, s store, n int) error {
	return s.update(ctx, func(t statements) error {
		all := []string{
			"INSERT INTO currencies VALUES ('USD', 6, 'fiat'), ('XYZ', 0, 'crypto')",
			"INSERT INTO instruments (instrument_id, venue, symbol, kind, cash_settled, base_ccy, quote_ccy, settle_ccy, price_scale, qty_scale, tick, lot) VALUES (1, 'V', 'XYZUSD', 'spot', 0, 'XYZ', 'USD', 'USD', 2, 0, 1, 1)",
			"INSERT INTO strategies VALUES (1, 'bench', '1', 'live')",
		}
		for a := 1; a <= n; a++ {
			all = append(all, fmt.Sprintf("INSERT INTO accounts (account_id, code, base_ccy, kind) VALUES (%d, 'A%d', 'USD', 'cash')", a, a),
				fmt.Sprintf(`INSERT INTO ledger_accounts (ledger_id, account_id, role, ccy, credit_limit) VALUES (%d, %d, 'cash', 'USD', 1000000000000),
(%d, %d, 'trading', 'USD', NULL), (%d, %d, 'cash', 'XYZ', 1000000000000), (%d, %d, 'trading', 'XYZ', NULL)`, a*4, a, a*4+1, a, a*4+2, a, a*4+3, a),
				fmt.Sprintf(`INSERT INTO orders (order_id, account_id, strategy_id, instrument_id, client_order_id, side, type, tif, limit_px, qty, leaves_qty, ts_created, ts_event, ts_recv)
VALUES (%d, %d, 1, 1, 'o%d', 1, 'limit', 'gtc', 100, 1000000000, 1000000000, 1, 1, 1)`, a, a, a))
		}
		for _, q := range all {
			if err := t.exec(ctx, q); err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
		}
		return nil
	})
}

// fill books one execution of an account's order.
func fill(ctx context.Context, s store, account, id int64) error {
	return s.update(ctx, func(t statements) error {
		if id >= 2<<32 { // not the first of the account: there is a position to read
			if _, err := t.number(ctx, readPosition, account); err != nil {
				return err
			}
		}
		if err := t.exec(ctx, writeExecution, id, account, fmt.Sprint(id), account, id, id); err != nil {
			return err
		}
		if err := t.exec(ctx, writeTxn, id, account, id, id, id); err != nil {
			return err
		}
		l := account * 4
		if err := t.exec(ctx, writeTransfer, id, int64(1), l+1, l, "USD", int64(100)); err != nil {
			return err
		}
		return t.exec(ctx, writeTransfer, id, int64(2), l+2, l+3, "XYZ", int64(1))
	})
}

// one writes one row.
func one(ctx context.Context, s store, account, id int64) error {
	return s.update(ctx, func(t statements) error { return t.exec(ctx, writeOne, id, account) })
}
