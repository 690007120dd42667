package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/money"
)

const (
	insertAction = `INSERT INTO corporate_actions (action_id, instrument_id, kind, ex_date, ratio_num, ratio_den, applied_ts) VALUES (?1, ?2, 'split', ?3, ?4, ?5, ?6) ON CONFLICT (instrument_id, kind, ex_date) DO NOTHING`
	openQty      = `SELECT account_id, strategy_id, book, qty FROM positions WHERE instrument_id = ?1 AND qty <> 0`
	insertAdjust = `INSERT INTO position_adjustments (adjustment_id, account_id, instrument_id, strategy_id, book, kind, qty_delta, cost_delta, action_id, idem_key, ts_event)
 VALUES (?1, ?2, ?3, ?4, ?5, 'split', ?6, 0, ?7, ?8, ?9) ON CONFLICT (idem_key) DO NOTHING`
	anyOpen = `SELECT count(*) FROM orders o WHERE leaves_qty > 0 AND instrument_id = ?1 AND account_id = ?2`
)

// Split applies a split of num for den: quantities change, costs stay. All
// positions change in one transaction, and once, however often it is called.
//
// # Errors
//
// Open orders in the instrument must be cancelled first: their quantities are
// in the old units. A ratio that leaves a position with a fraction is refused.
func (d *Desk) Split(ctx context.Context, instrument int64, exDate int, num, den, ts int64) error {
	i, err := d.ref.instrument(instrument)
	if err != nil {
		return err
	}
	if num <= 0 || den <= 0 {
		return fmt.Errorf("desk: a split of %d for %d; both must be positive", num, den)
	}
	action := d.ids.Next()
	return d.update(ctx, "split", engine.ClassNormal, func(ctx context.Context, tx *engine.Tx) error {
		for account := range d.ref.accounts {
			var open int64
			if err := tx.QueryRow(ctx, anyOpen, instrument, account).Scan(&open); err != nil {
				return err
			}
			if open > 0 {
				return fmt.Errorf("desk: account %d has %d open orders in %s; cancel them before the split", account, open, i.Symbol)
			}
		}
		res, err := tx.Exec(ctx, insertAction, action, instrument, exDate, num, den, ts)
		if err != nil {
			return err
		}
		if res.RowsAffected == 0 {
			return nil // applied before, positions and all
		}
		return d.adjust(ctx, tx, instrument, action, num, den, ts)
	}, engine.HoldFor(5*time.Second))
}

func (d *Desk) adjust(ctx context.Context, tx *engine.Tx, instrument, action, num, den, ts int64) error {
	type position struct {
		account, strategy int64
		book              int
		qty               int64
	}
	var open []position
	err := each(ctx, tx, func(row *engine.Rows) error {
		var p position
		if err := row.Scan(&p.account, &p.strategy, &p.book, &p.qty); err != nil {
			return err
		}
		open = append(open, p)
		return nil
	}, openQty, instrument)
	if err != nil {
		return err
	}
	for _, p := range open {
		after, err := money.MulDiv(p.qty, num, den)
		if err != nil {
			return err
		}
		if back, err := money.MulDiv(after, den, num); err != nil || back != p.qty || after == 0 {
			return errors.Join(err, fmt.Errorf("desk: account %d: a split of %d for %d leaves a fraction; settle the fraction in cash first", p.account, num, den))
		}
		key := fmt.Sprintf("split %d %d %d %d", action, p.account, p.strategy, p.book)
		if _, err := tx.Exec(ctx, insertAdjust, d.ids.Next(), p.account, instrument, p.strategy, p.book, after-p.qty, action, key, ts); err != nil {
			return err
		}
	}
	return nil
}
