package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// Order is what a session wants to trade. ClientID is the caller's key: placing
// it again finds the first order instead of making a second.
type Order struct {
	Account, Strategy, Instrument int64
	Signal, Parent                int64 // 0 for none
	ClientID                      string
	Side                          int
	Qty                           int64
	LimitPx                       int64 // 0: at the market, immediate or cancel
	RefPx                         int64 // what a market order is expected to pay; also the arrival price
	PostOnly                      bool
	TS                            int64
}

// Placement is the answer to an order.
type Placement struct {
	OrderID int64      // 0 where refused
	Repeat  bool       // the client id was used before; OrderID is that order
	Refused *RiskError // nil where placed
}

const (
	insertOrder = `INSERT INTO orders (order_id, account_id, strategy_id, instrument_id, signal_id, parent_order_id, client_order_id, side, type, tif, post_only,
  limit_px, arrival_px, qty, leaves_qty, hold, hold_ledger_id, ts_created, ts_event, ts_recv)
 VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), nullif(?6, 0), ?7, ?8, ?9, ?10, ?11, nullif(?12, 0), nullif(?13, 0), ?14, ?14, ?15, nullif(?16, 0), ?17, ?17, ?17)`
	findOrder  = `SELECT order_id FROM orders WHERE account_id = ?1 AND client_order_id = ?2`
	markSignal = `UPDATE signals SET status = ?2 WHERE signal_id = ?1 AND status = 'new'`
)

// Place checks an order against the account's limits, reserves what it may
// cost and writes it down, in one durable transaction. A veto is no error: the
// placement says so, and the order's signal is marked.
//
// # Errors
//
// The engine's; [ErrUnknown] for an account or instrument that is not there.
func (d *Desk) Place(ctx context.Context, o Order) (Placement, error) {
	i, err := d.ref.instrument(o.Instrument)
	if err != nil {
		return Placement{}, err
	}
	if o.LimitPx < 0 || o.LimitPx == 0 && o.RefPx <= 0 { // what it may cost is reckoned from its price: without one it would pass every limit
		return Placement{}, fmt.Errorf("desk: order on %s has no price; give a limit above 0, or the price that an order at the market is expected to pay", i.Symbol)
	}
	if o.Qty <= 0 || o.Qty%i.Lot != 0 || o.LimitPx%i.Tick != 0 || o.Side*o.Side != 1 {
		return Placement{}, fmt.Errorf("desk: order on %s is off lot, tick or side; round quantity to %d and price to %d", i.Symbol, i.Lot, i.Tick)
	}
	var p Placement
	id := d.ids.Next() // outside: a transaction that is begun again must not take another
	err = d.update(ctx, "place", engine.ClassTrade, func(ctx context.Context, tx *engine.Tx) error {
		p, err = d.place(ctx, tx, id, i, o)
		return err
	})
	if err != nil {
		return Placement{}, err
	}
	return p, nil
}

func (d *Desk) place(ctx context.Context, tx *engine.Tx, id int64, i instrument, o Order) (Placement, error) {
	var p Placement
	err := tx.QueryRow(ctx, findOrder, o.Account, o.ClientID).Scan(&p.OrderID)
	if err == nil {
		p.Repeat = true
		return p, nil
	}
	if !errors.Is(err, engine.ErrNoRows) {
		return p, err
	}
	hold, ledger, err := d.reserve(i, o)
	if err != nil {
		return p, err
	}
	status := "acted"
	if err := d.judge(ctx, tx, i, o, hold); err != nil {
		veto, ok := asRisk(err)
		if !ok {
			return p, err
		}
		p.Refused, status = veto, "vetoed"
	}
	if p.Refused == nil {
		p.OrderID = id
		kind, tif := "limit", "day"
		if o.LimitPx == 0 {
			kind, tif = "market", "ioc"
		}
		if _, err := tx.Exec(ctx, insertOrder, p.OrderID, o.Account, o.Strategy, o.Instrument, o.Signal, o.Parent, o.ClientID, o.Side, kind, tif, o.PostOnly,
			o.LimitPx, o.RefPx, o.Qty, hold, ledger, o.TS); err != nil {
			return p, err
		}
	}
	if o.Signal != 0 {
		if _, err := tx.Exec(ctx, markSignal, o.Signal, status); err != nil {
			return p, err
		}
	}
	return p, nil
}

// marginDivisor: a margin instrument reserves a twentieth of its notional.
const marginDivisor = 20

// reserve is how much cash an order keeps back until it is filled or cancelled,
// and from which ledger account. What is paid in full reserves its price, the
// dearest fee and, at the market, one part in fifty for the slide.
func (d *Desk) reserve(i instrument, o Order) (hold, ledger int64, err error) {
	price := o.LimitPx
	if price == 0 {
		price = o.RefPx + o.RefPx/50
	}
	notional, err := i.contract.Notional(o.Qty, price)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case i.CashSettled:
		hold = notional/marginDivisor + 1
	case o.Side > 0:
		fee, err := Fee(notional, "taker")
		if err != nil {
			return 0, 0, err
		}
		hold = notional + fee + 1
	case i.Kind == market.Spot, i.Kind == market.Equity:
		return 0, 0, nil // a sale brings cash; what is sold is checked against the position
	}
	ledger, err = d.ref.ledger(o.Account, "cash", i.Settle)
	return hold, ledger, err
}

// Fee is what a fill of that notional costs: half of a thousandth for who takes,
// and a rebate of a tenth of that for who makes.
func Fee(notional int64, liquidity string) (int64, error) {
	if liquidity == "maker" {
		return money.MulDiv(notional, -5, 100_000)
	}
	return money.MulDiv(notional, 50, 100_000)
}

// The states an event may come in are part of each statement: an event that
// comes too late changes nothing.
const (
	ackOrder = `UPDATE orders SET state = CASE state WHEN 'pending_new' THEN 'new' ELSE state END, venue_order_id = ?2,
  event_seq = event_seq + 1, last_event = 'ack', last_ref = ?2, ts_event = ?3, ts_recv = ?3
 WHERE order_id = ?1 AND state IN ('pending_new', 'pending_cancel') AND venue_order_id IS NULL`
	rejectOrder = `UPDATE orders SET state = 'rejected', canceled_qty = canceled_qty + leaves_qty, leaves_qty = 0, hold = 0,
  event_seq = event_seq + 1, last_event = 'reject', last_ref = ?2, ts_event = ?3, ts_recv = ?3
 WHERE order_id = ?1 AND cum_qty = 0 AND state IN ('pending_new', 'new', 'pending_cancel')`
	requestCancel = `UPDATE orders SET state = 'pending_cancel',
  event_seq = event_seq + 1, last_event = 'cancel_request', last_ref = ?2, ts_event = ?3, ts_recv = ?3
 WHERE order_id = ?1 AND state IN ('pending_new', 'new', 'partially_filled')`
	cancelOrder = `UPDATE orders SET state = 'canceled', canceled_qty = canceled_qty + leaves_qty, leaves_qty = 0, hold = 0,
  event_seq = event_seq + 1, last_event = 'cancel', last_ref = ?2, ts_event = ?3, ts_recv = ?3
 WHERE order_id = ?1 AND state IN ('pending_new', 'new', 'partially_filled', 'pending_cancel')`
)

// Ack records that the venue has the order, under the venue's id. It reports
// whether that was news.
func (d *Desk) Ack(ctx context.Context, order int64, venueID string, ts int64) (bool, error) {
	return d.event(ctx, "ack", ackOrder, order, venueID, ts)
}

// Reject records that the venue does not want the order.
func (d *Desk) Reject(ctx context.Context, order int64, reason string, ts int64) (bool, error) {
	return d.event(ctx, "reject", rejectOrder, order, reason, ts)
}

// RequestCancel records that the desk has asked for the order's end.
func (d *Desk) RequestCancel(ctx context.Context, order int64, ref string, ts int64) (bool, error) {
	return d.event(ctx, "cancel request", requestCancel, order, ref, ts)
}

// Cancel records that the venue has ended the order; what was held for it is
// free again. False: it had ended before, filled or otherwise.
func (d *Desk) Cancel(ctx context.Context, order int64, ref string, ts int64) (bool, error) {
	return d.event(ctx, "cancel", cancelOrder, order, ref, ts)
}

func (d *Desk) event(ctx context.Context, name, sql string, order int64, ref string, ts int64) (bool, error) {
	var changed bool
	err := d.update(ctx, name, engine.ClassTrade, func(ctx context.Context, tx *engine.Tx) error {
		res, err := tx.Exec(ctx, sql, order, ref, ts)
		changed = res.RowsAffected > 0
		return err
	})
	return changed && err == nil, err
}

// FeeOf is what a fill in an instrument costs, in its settlement currency.
func (d *Desk) FeeOf(instrument, qty, px int64, liquidity string) (int64, error) {
	i, err := d.ref.instrument(instrument)
	if err != nil {
		return 0, err
	}
	notional, err := i.contract.Notional(qty, px)
	if err != nil {
		return 0, err
	}
	return Fee(notional, liquidity)
}

const openOfAccount = `SELECT order_id FROM orders WHERE account_id = ?1 AND leaves_qty > 0 ORDER BY order_id`

// OpenOrders returns the ids of all open orders, account by account.
func (d *Desk) OpenOrders(ctx context.Context) ([]int64, error) {
	accounts := make([]int64, 0, len(d.ref.accounts))
	for a := range d.ref.accounts {
		accounts = append(accounts, a)
	}
	slices.Sort(accounts)
	var out []int64
	err := d.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		out = out[:0]
		for _, a := range accounts {
			err := each(ctx, tx, func(row *engine.Rows) error {
				var id int64
				err := row.Scan(&id)
				out = append(out, id)
				return err
			}, openOfAccount, a)
			if err != nil {
				return err
			}
		}
		return nil
	}, engine.WithName("open orders"))
	return out, err
}
