package desk

import (
	"context"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/money"
)

const (
	// Newest first, and no further than the open quantity needs: the cost of a
	// fill does not grow with the position's age.
	newestLots = `SELECT e.qty, e.notional FROM executions e
 WHERE e.account_id = ?1 AND e.instrument_id = ?2 AND e.strategy_id = ?3 AND e.book = ?4 AND e.side = ?5 AND e.busts IS NULL
   AND NOT EXISTS (SELECT 1 FROM executions b WHERE b.busts = e.exec_id)
 ORDER BY e.exec_id DESC`
	hasAdjustments = `SELECT EXISTS (SELECT 1 FROM position_adjustments WHERE account_id = ?1 AND instrument_id = ?2 AND strategy_id = ?3 AND book = ?4)`
	// The whole history in the order of ids, which is the order of booking. What
	// was taken back, and ?5 which is about to be, is not part of it.
	history = `SELECT side, qty, notional FROM (
  SELECT e.exec_id AS id, e.side, e.qty, e.notional FROM executions e
   WHERE e.account_id = ?1 AND e.instrument_id = ?2 AND e.strategy_id = ?3 AND e.book = ?4 AND e.busts IS NULL AND e.exec_id <> ?5
     AND NOT EXISTS (SELECT 1 FROM executions b WHERE b.busts = e.exec_id)
  UNION ALL
  SELECT adjustment_id, 0, qty_delta, cost_delta FROM position_adjustments
   WHERE account_id = ?1 AND instrument_id = ?2 AND strategy_id = ?3 AND book = ?4)
 ORDER BY id`
)

// lots returns the fills that hold a FIFO position's open units, newest first.
// After a split the executions no longer count in today's units; then the whole
// history is replayed to find them.
func (d *Desk) lots(ctx context.Context, tx *engine.Tx, s state) ([]money.Lot, error) {
	var adjusted bool
	if err := tx.QueryRow(ctx, hasAdjustments, s.account, s.instrument, s.strategy, s.book).Scan(&adjusted); err != nil {
		return nil, err
	}
	if adjusted {
		entries, err := d.entries(ctx, tx, s, 0)
		if err != nil {
			return nil, err
		}
		return money.OpenLots(entries)
	}
	side, open := 1, s.position.Qty
	if open < 0 {
		side, open = -1, -open
	}
	rows, err := tx.Query(ctx, newestLots, s.account, s.instrument, s.strategy, s.book, side)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []money.Lot
	for open > 0 && rows.Next() {
		var l money.Lot
		if err := rows.Scan(&l.Qty, &l.Notional); err != nil {
			return nil, err
		}
		out = append(out, l)
		open -= l.Qty
	}
	return out, rows.Close()
}

// entries is the history of a position without the execution except.
func (d *Desk) entries(ctx context.Context, tx *engine.Tx, s state, except int64) ([]money.Entry, error) {
	var out []money.Entry
	err := each(ctx, tx, func(row *engine.Rows) error {
		var e money.Entry
		if err := row.Scan(&e.Side, &e.Qty, &e.Notional); err != nil {
			return err
		}
		out = append(out, e)
		return nil
	}, history, s.account, s.instrument, s.strategy, s.book, except)
	return out, err
}
