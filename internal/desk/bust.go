package desk

import (
	"context"
	"errors"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/money"
)

const bustContext = `SELECT exec_id, qty, px, notional, fee, EXISTS (SELECT 1 FROM executions b WHERE b.busts = x.exec_id)
 FROM executions x WHERE order_id = ?1 AND venue_exec_id = ?2 AND busts IS NULL`

// bust takes an execution back by a negative row. What it does to the P&L is
// found by replaying the position without it: fills that came later were priced
// against a position that included it.
func (d *Desk) bust(ctx context.Context, tx *engine.Tx, ids rowIDs, x Execution) (Booking, error) {
	s, err := d.meet(ctx, tx, x)
	if err != nil {
		return Booking{}, err
	}
	if s.known {
		return Booking{Duplicate: true}, nil
	}
	var (
		e     entry
		taken bool
	)
	err = tx.QueryRow(ctx, bustContext, x.Order, x.Busts).Scan(&e.busts, &e.qty, &x.Px, &e.notional, &e.fee, &taken)
	switch {
	case errors.Is(err, engine.ErrNoRows):
		return Booking{}, &refusal{venue: s.ins.Venue, reason: "bust of an unknown execution"}
	case err != nil:
		return Booking{}, err
	case taken:
		return Booking{}, &refusal{venue: s.ins.Venue, reason: "execution was taken back before"}
	}
	entries, err := d.entries(ctx, tx, s, e.busts)
	if err != nil {
		return Booking{}, err
	}
	_, realised, err := money.Replay(d.ref.accounts[s.account].method, entries)
	if err != nil {
		// Without it the history makes no sense any more, as when a split
		// rescaled what it had opened: a person must decide.
		return Booking{}, &refusal{venue: s.ins.Venue, reason: "position cannot be replayed without the execution", cause: err}
	}
	e.qty, e.notional, e.fee = -e.qty, -e.notional, -e.fee
	e.realised = realised - s.realised
	return d.write(ctx, tx, ids, x, s, e)
}
