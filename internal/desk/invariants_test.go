package desk_test

import (
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/desk"
)

func TestInvariantsAreComplete(t *testing.T) {
	t.Parallel()
	list := desk.Invariants()
	if len(list) != 15 {
		t.Fatalf("%d invariants", len(list))
	}
	queries := 0
	for n, inv := range list {
		if want := "I" + dec(int64(n+1) + 100)[1:]; inv.Name != want || inv.Rule == "" || len(inv.Queries) == 0 {
			t.Errorf("invariant %d is %+v", n, inv)
		}
		for _, q := range inv.Queries {
			queries++
			if !strings.Contains(q, "AS broken") || strings.Contains(q, ";") {
				t.Errorf("%s: query %s", inv.Name, q)
			}
		}
	}
	if queries != 19 {
		t.Errorf("%d queries", queries)
	}
}

// busyBench holds something of everything that the invariants speak of.
func busyBench(t *testing.T) *bench {
	b := newBench(t)
	px := listing(share).Start
	b.trade(1, share, 1, 10, px, 55)
	b.trade(1, share, -1, 4, px+1000, 44)
	b.trade(1, coin, 1, 5*listing(coin).Lot, listing(coin).Start, 9)
	b.trade(1, perp, -1, 10_000, listing(perp).Start, 7)
	b.book(b.bustOf(b.trade(2, share, 1, 3, px, 5)))
	b.trade(2, perp, 1, 10_000, listing(perp).Start, 7)
	b.trade(2, perp, -1, 10_000, listing(perp).Start+10*10_000, 7)
	part := b.place(b.order(2, share, 1, 10))
	b.book(b.fillOf(part, 4, px, 1))
	if ok, err := b.Cancel(t.Context(), part, "c", b.now); !ok || err != nil {
		t.Fatal(err)
	}
	b.place(b.order(3, share, 1, 10))
	b.sound()
	return b
}

// A check that cannot fail proves nothing: each invariant names the damage
// that was done to it. Guards are dropped first where the schema has them.
func TestEachInvariantNamesItsCorruption(t *testing.T) {
	t.Parallel()
	const cash = `UPDATE ledger_accounts SET debits = debits + 1 WHERE account_id = 1 AND role = 'cash' AND ccy = `
	for named, damage := range map[string][]string{
		"I01": {`DROP VIEW ledger_entries`, `CREATE VIEW ledger_entries AS SELECT txn_id, line, debit_id AS ledger_id, ccy, amount FROM ledger_transfers`},
		"I02": {cash + `'USD'`},
		"I03": {cash + `'USD'`},
		"I04": {`UPDATE ledger_accounts SET held = held + 1 WHERE account_id = 3 AND role = 'cash' AND ccy = 'USD'`},
		// an UPDATE that claims to be a fill passes the guards
		"I05":                            {`UPDATE orders SET cum_notional = cum_notional + 1, event_seq = event_seq + 1, last_event = 'fill' WHERE state = 'canceled' AND cum_qty > 0`},
		"I06":                            {`DELETE FROM order_events WHERE seq = 1 AND order_id = (SELECT min(order_id) FROM orders WHERE event_seq > 1)`},
		"I06 last event":                 {`DROP TRIGGER order_events_fixed`, `UPDATE order_events SET cum_qty = cum_qty + 1 WHERE (order_id, seq) IN (SELECT order_id, event_seq FROM orders WHERE state = 'filled')`},
		"I07":                            {`DROP TRIGGER executions_fixed`, `UPDATE executions SET book = 1 WHERE exec_id = (SELECT min(exec_id) FROM executions)`},
		"I08":                            {`UPDATE positions SET fees = fees + 1 WHERE account_id = 1`},
		"I08 of a position that is gone": {`DELETE FROM positions WHERE account_id = 1 AND instrument_id = 1`},
		"I09":                            {`UPDATE position_days SET fills = fills + 1 WHERE account_id = 1`},
		"I10":                            {`UPDATE ledger_accounts SET credits = credits + 1 WHERE account_id = 1 AND role = 'trading' AND ccy = 'USD'`},
		"I11":                            {`UPDATE ledger_accounts SET credits = credits + 1 WHERE account_id = 2 AND role = 'pnl' AND ccy = 'USDT'`},
		"I11 fees":                       {`UPDATE ledger_accounts SET debits = debits + 1 WHERE account_id = 2 AND role = 'fees' AND ccy = 'USDT'`},
		"I12":                            {cash + `'XRP'`},
		"I13":                            {`INSERT INTO ledger_txns (txn_id, account_id, kind, ref, trade_date, ts_event, ts_recv) VALUES (777, 1, 'trade', 777, 20260901, 1, 1)`},
		"I13 unbooked execution":         {`DELETE FROM ledger_transfers WHERE txn_id = (SELECT min(txn_id) FROM ledger_txns WHERE kind = 'trade')`, `DELETE FROM ledger_txns WHERE txn_id = (SELECT min(txn_id) FROM ledger_txns WHERE kind = 'trade')`},
		"I14":                            {`DROP TRIGGER executions_fixed`, `UPDATE executions SET notional = notional + 2 WHERE qty > 0 AND exec_id = (SELECT min(exec_id) FROM executions)`},
		"I15":                            {`DROP TRIGGER executions_fixed`, `UPDATE executions SET px = px + 1 WHERE exec_id = (SELECT min(exec_id) FROM executions)`},
	} {
		name := named[:len("I01")]
		t.Run(named, func(t *testing.T) {
			t.Parallel()
			b := busyBench(t)
			for n, sql := range damage {
				res, err := b.DB().Exec(t.Context(), sql)
				if err != nil || n == len(damage)-1 && res.RowsAffected == 0 && !strings.HasPrefix(sql, "CREATE") {
					t.Fatalf("%s: %d rows, %v", sql, res.RowsAffected, err)
				}
			}
			verdicts, err := desk.Verify(t.Context(), b.DB())
			if err != nil {
				t.Fatal(err)
			}
			if desk.AllHold(verdicts) {
				t.Fatal("no invariant saw the damage")
			}
			for _, v := range verdicts {
				if v.Name == name && (v.Broken == 0 || v.Example == "") {
					t.Errorf("%s did not see it", name)
				}
			}
		})
	}
	if desk.AllHold(nil) {
		t.Error("nothing checked counts as sound")
	}
}
