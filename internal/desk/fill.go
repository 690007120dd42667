package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// Execution is a venue's report of a fill. VenueExecID is unique within the
// order: the same report again is a duplicate and changes nothing.
type Execution struct {
	Order       int64  `json:"order,string"`
	VenueExecID string `json:"exec"`
	Qty         int64  `json:"qty"`
	Px          int64  `json:"px"`
	Fee         int64  `json:"fee"` // in the settlement currency; a rebate is negative
	Liquidity   string `json:"liquidity"`
	Busts       string `json:"busts,omitempty"` // the execution taken back; empty for a fill
	TS          int64  `json:"ts"`
}

// Booking is what became of a report. Exactly one of its fields is set.
type Booking struct {
	ExecID    int64  // the execution's row
	Duplicate bool   // known already
	Break     int64  // the row in execution_breaks
	Reason    string // why it is a break
}

const (
	fillContext = `SELECT o.account_id, o.strategy_id, o.instrument_id, o.side, o.book, o.leaves_qty + o.canceled_qty, o.state,
  coalesce(p.qty, 0), coalesce(p.cost, 0), coalesce(p.realised, 0),
  EXISTS (SELECT 1 FROM executions x WHERE x.order_id = o.order_id AND x.venue_exec_id = ?2)
 FROM orders o LEFT JOIN positions p ON p.account_id = o.account_id AND p.instrument_id = o.instrument_id AND p.strategy_id = o.strategy_id AND p.book = o.book
 WHERE o.order_id = ?1`
	insertExecution = `INSERT INTO executions (exec_id, order_id, venue_exec_id, account_id, strategy_id, instrument_id, side, book, busts, qty, px, notional, realised,
  fee, fee_ccy, fee_settle, liquidity, trade_date, ts_event, ts_recv)
 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, 0), ?10, ?11, ?12, ?13, ?14, ?15, ?14, ?16, ?17, ?18, ?18)
 ON CONFLICT (order_id, venue_exec_id) DO NOTHING`
	insertTxn      = `INSERT INTO ledger_txns (txn_id, account_id, kind, ref, instrument_id, trade_date, ts_event, ts_recv) VALUES (?1, ?2, 'trade', ?3, ?4, ?5, ?6, ?6)`
	insertTransfer = `INSERT INTO ledger_transfers (txn_id, line, debit_id, credit_id, ccy, amount) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`
	findBreak      = `SELECT break_id FROM execution_breaks WHERE state = 'open' AND ts_recv = ?1 AND report = ?2`
	insertBreak    = `INSERT INTO execution_breaks (break_id, venue, report, reason, ts_recv) VALUES (?1, ?2, ?3, ?4, ?5)`
)

// refusal says why a report cannot be booked. It ends the transaction and is
// written down in another: a refused row must leave nothing behind.
type refusal struct {
	venue, reason string
	cause         error
}

func (r *refusal) Error() string { return "desk: report refused: " + r.reason }
func (r *refusal) Unwrap() error { return r.cause }

// Book applies a venue's report: a fill or, with Busts set, the end of one.
// Execution, order, position and ledger change in one durable transaction.
// What the rules refuse becomes a break.
//
// # Errors
//
// The engine's. A report that could be neither booked nor kept is an error, and
// must be sent again.
func (d *Desk) Book(ctx context.Context, x Execution) (Booking, error) {
	var b Booking
	apply, name := d.fill, "fill"
	if x.Busts != "" {
		apply, name = d.bust, "bust"
	}
	ids := rowIDs{exec: d.ids.Next(), txn: d.ids.Next()} // outside: a second run of the closure must not take others
	err := d.update(ctx, name, engine.ClassTrade, func(ctx context.Context, tx *engine.Tx) error {
		var err error
		b, err = apply(ctx, tx, ids, x)
		return err
	})
	var r *refusal
	if errors.Is(err, engine.ErrConstraint) && !errors.As(err, &r) {
		r = &refusal{venue: "", reason: "refused by the schema", cause: err}
	}
	if r != nil || errors.As(err, &r) {
		return d.keep(ctx, x, r)
	}
	if err != nil {
		return Booking{}, err
	}
	return b, nil
}

// rowIDs are the ids that a report's rows will have.
type rowIDs struct{ exec, txn int64 }

// keep writes a break, or finds the open one of the same report.
func (d *Desk) keep(ctx context.Context, x Execution, r *refusal) (Booking, error) {
	report, err := json.Marshal(x)
	if err != nil {
		return Booking{}, err
	}
	b, id := Booking{Reason: r.reason}, d.ids.Next()
	err = d.update(ctx, "break", engine.ClassTrade, func(ctx context.Context, tx *engine.Tx) error {
		err := tx.QueryRow(ctx, findBreak, x.TS, string(report)).Scan(&b.Break)
		if !errors.Is(err, engine.ErrNoRows) {
			return err
		}
		b.Break = id
		_, err = tx.Exec(ctx, insertBreak, id, r.venue, string(report), r.reason, x.TS)
		return err
	})
	if err != nil {
		return Booking{}, err
	}
	return b, nil
}

// state is what a report meets: its order and that order's position.
type state struct {
	account, strategy, instrument int64
	side, book                    int
	room                          int64 // what may still be filled, cancelled quantity included: a cancel may cross a fill
	order                         string
	position                      money.Position
	realised                      int64
	known                         bool
	ins                           instrument
}

func (d *Desk) meet(ctx context.Context, tx *engine.Tx, x Execution) (state, error) {
	var s state
	err := tx.QueryRow(ctx, fillContext, x.Order, x.VenueExecID).Scan(&s.account, &s.strategy, &s.instrument, &s.side, &s.book, &s.room, &s.order,
		&s.position.Qty, &s.position.Cost, &s.realised, &s.known)
	if errors.Is(err, engine.ErrNoRows) {
		return s, &refusal{reason: "unknown order"}
	}
	if err != nil {
		return s, err
	}
	s.ins, err = d.ref.instrument(s.instrument)
	return s, err
}

func (d *Desk) fill(ctx context.Context, tx *engine.Tx, ids rowIDs, x Execution) (Booking, error) {
	s, err := d.meet(ctx, tx, x)
	if err != nil {
		return Booking{}, err
	}
	refuse := func(reason string) (Booking, error) { return Booking{}, &refusal{venue: s.ins.Venue, reason: reason} }
	switch {
	case s.known:
		return Booking{Duplicate: true}, nil
	case s.order == "rejected":
		return refuse("order was rejected")
	case x.Qty > s.room:
		return refuse("overfill")
	case x.Qty <= 0 || x.Qty%s.ins.Lot != 0 || x.Px%s.ins.Tick != 0:
		return refuse("off lot or tick")
	}
	notional, err := s.ins.contract.Notional(x.Qty, x.Px)
	if err != nil {
		return refuse("notional exceeds 63 bits")
	}
	f := money.Fill{Side: s.side, Qty: x.Qty, Notional: notional}
	_, realised, err := d.cost(ctx, tx, s, f)
	if errors.Is(err, money.ErrOverflow) {
		return refuse("position exceeds 63 bits")
	}
	if err != nil {
		return Booking{}, err
	}
	return d.write(ctx, tx, ids, x, s, entry{qty: x.Qty, notional: notional, realised: realised, fee: x.Fee})
}

// entry is the money side of an execution; a bust has it negative.
type entry struct {
	busts                        int64
	qty, notional, realised, fee int64
}

// write inserts the execution, whose triggers carry it into order, position and
// day, and books its cash.
func (d *Desk) write(ctx context.Context, tx *engine.Tx, ids rowIDs, x Execution, s state, e entry) (Booking, error) {
	date := d.ref.tradeDate(s.ins.Venue, x.TS)
	res, err := tx.Exec(ctx, insertExecution, ids.exec, x.Order, x.VenueExecID, s.account, s.strategy, s.instrument, s.side, s.book, e.busts, e.qty, x.Px,
		e.notional, e.realised, e.fee, s.ins.Settle, x.Liquidity, date, x.TS)
	if err != nil {
		return Booking{}, err
	}
	if res.RowsAffected == 0 {
		return Booking{Duplicate: true}, nil
	}
	legs, err := d.legs(s, e)
	if err != nil || len(legs) == 0 {
		return Booking{ExecID: ids.exec}, err
	}
	if _, err := tx.Exec(ctx, insertTxn, ids.txn, s.account, ids.exec, s.instrument, date, x.TS); err != nil {
		return Booking{}, err
	}
	for line, l := range legs {
		if _, err := tx.Exec(ctx, insertTransfer, ids.txn, line+1, l.debit, l.credit, l.ccy, l.amount); err != nil {
			return Booking{}, err
		}
	}
	return Booking{ExecID: ids.exec}, nil
}

// leg moves an amount from the credited account to the debited one.
type leg struct {
	debit, credit int64
	ccy           string
	amount        int64
}

// legs is the cash of an execution. Spot and shares exchange what is paid, and
// spot the asset too; a margin instrument moves only its profit or loss.
func (d *Desk) legs(s state, e entry) ([]leg, error) {
	var (
		out []leg
		err error
	)
	add := func(role, ccy string, toCash int64) {
		cash, e1 := d.ref.ledger(s.account, "cash", ccy)
		other, e2 := d.ref.ledger(s.account, role, ccy)
		err = errors.Join(err, e1, e2)
		switch {
		case toCash > 0:
			out = append(out, leg{debit: cash, credit: other, ccy: ccy, amount: toCash})
		case toCash < 0:
			out = append(out, leg{debit: other, credit: cash, ccy: ccy, amount: -toCash})
		}
	}
	side := int64(s.side)
	if s.ins.CashSettled {
		add("pnl", s.ins.Settle, e.realised)
	} else {
		add("trading", s.ins.Settle, -side*e.notional)
	}
	if s.ins.Kind == market.Spot {
		add("trading", s.ins.Base, side*e.qty)
	}
	add("fees", s.ins.Settle, -e.fee)
	return out, err
}

// cost books a fill against the position by the account's method.
func (d *Desk) cost(ctx context.Context, tx *engine.Tx, s state, f money.Fill) (money.Position, int64, error) {
	reduces := s.position.Qty != 0 && s.position.Qty > 0 != (f.Side > 0)
	if d.ref.accounts[s.account].method != money.MethodFIFO || !reduces {
		return money.Average(s.position, f)
	}
	lots, err := d.lots(ctx, tx, s)
	if err != nil {
		return s.position, 0, fmt.Errorf("desk: lots of the position: %w", err)
	}
	return money.FIFO(s.position, lots, f)
}
