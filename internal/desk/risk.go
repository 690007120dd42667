package desk

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// Figures are what an order is judged by, read in the transaction that places
// it: two sessions of one account cannot both use the last of a limit.
type Figures struct {
	Position   int64 // signed quantity in the instrument, all strategies
	OpenSame   int64 // quantity still open on the order's side
	OpenOrders int64 // of the account
	Gross      int64 // cost of all positions in the instrument's currency; a mark may be missing, a cost never is
	DayPnL     int64 // realised today less fees, in that currency
	Power      int64 // what the account can still pay with: balance, less held, plus credit
	Mark       int64 // the instrument's last mark; 0 where no quote has come
}

// RiskError says which limit refused an order. Nothing was written but the
// signal's veto.
type RiskError struct {
	Kind         string // as in risk_limits, or buying_power, no_quote, holding
	Limit, Value int64
}

func (e *RiskError) Error() string {
	return fmt.Sprintf("risk: %s is limited to %d and would be %d; lower the order or raise the limit", e.Kind, e.Limit, e.Value)
}

const riskFigures = `SELECT
  (SELECT coalesce(sum(qty), 0) FROM positions WHERE account_id = ?1 AND instrument_id = ?2),
  (SELECT coalesce(sum(leaves_qty), 0) FROM orders WHERE account_id = ?1 AND instrument_id = ?2 AND side = ?3 AND leaves_qty > 0),
  (SELECT count(*) FROM orders WHERE account_id = ?1 AND leaves_qty > 0),
  (SELECT coalesce(sum(abs(p.cost)), 0) FROM positions p CROSS JOIN instruments i WHERE i.instrument_id = p.instrument_id AND p.account_id = ?1 AND i.settle_ccy = ?4),
  (SELECT coalesce(sum(d.realised - d.fees), 0) FROM position_days d CROSS JOIN instruments i
    WHERE i.instrument_id = d.instrument_id AND d.account_id = ?1 AND d.trade_date = ?5 AND i.settle_ccy = ?4),
  (SELECT debits - credits - held + credit_limit FROM ledger_accounts WHERE ledger_id = ?6),
  coalesce((SELECT mark FROM last_quotes WHERE instrument_id = ?2), 0)`

// Every limit that names the order's account, and its instrument or strategy or
// none, must hold. The kinds are spelt out so that the index is sought.
const riskLimits = `SELECT kind, min(value) FROM risk_limits
 WHERE account_id = ?1 AND kind IN ('order_qty', 'order_notional', 'position_qty', 'gross_notional', 'open_orders', 'daily_loss', 'collar_bps')
   AND coalesce(instrument_id, 0) IN (0, ?2) AND coalesce(strategy_id, 0) IN (0, ?3) AND enabled = 1
 GROUP BY kind`

// Figures reads what an order on that side would be judged by.
func (d *Desk) Figures(ctx context.Context, account, instrument int64, side int, ts int64) (Figures, error) {
	var f Figures
	i, err := d.ref.instrument(instrument)
	if err != nil {
		return f, err
	}
	err = d.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		f, err = d.figures(ctx, tx, i, account, side, ts)
		return err
	}, engine.WithName("risk"), engine.WithClass(engine.ClassTrade))
	return f, err
}

func (d *Desk) figures(ctx context.Context, tx *engine.Tx, i instrument, account int64, side int, ts int64) (Figures, error) {
	var f Figures
	ledger, err := d.ref.ledger(account, "cash", i.Settle)
	if err != nil {
		return f, err
	}
	err = tx.QueryRow(ctx, riskFigures, account, i.ID, side, i.Settle, d.ref.tradeDate(i.Venue, ts), ledger).
		Scan(&f.Position, &f.OpenSame, &f.OpenOrders, &f.Gross, &f.DayPnL, &f.Power, &f.Mark)
	return f, err
}

// judge returns a [*RiskError] for the first limit that an order breaks.
// reserve is what it takes out of the buying power.
func (d *Desk) judge(ctx context.Context, tx *engine.Tx, i instrument, o Order, reserve int64) error {
	f, err := d.figures(ctx, tx, i, o.Account, o.Side, o.TS)
	if err != nil {
		return err
	}
	price := o.LimitPx
	if price == 0 {
		price = f.Mark
	}
	notional, err := i.contract.Notional(o.Qty, price)
	if err != nil {
		return err
	}
	if err := i.holds(f, o, reserve); err != nil {
		return err
	}
	return each(ctx, tx, func(row *engine.Rows) error {
		var (
			kind  string
			limit int64
		)
		if err := row.Scan(&kind, &limit); err != nil {
			return err
		}
		value, err := exposure(kind, f, o, notional)
		if err == nil && value > limit {
			err = &RiskError{Kind: kind, Limit: limit, Value: value}
		}
		return err
	}, riskLimits, o.Account, i.ID, o.Strategy)
}

// holds checks what needs no limit: a price, the means to pay, and, where
// nothing can be borrowed, the asset itself.
func (i instrument) holds(f Figures, o Order, reserve int64) error {
	switch {
	case f.Mark <= 0:
		return &RiskError{Kind: "no_quote"}
	case reserve > f.Power:
		return &RiskError{Kind: "buying_power", Limit: f.Power, Value: reserve}
	case i.Kind == market.Spot && o.Side < 0 && f.OpenSame+o.Qty > f.Position:
		return &RiskError{Kind: "holding", Limit: f.Position, Value: f.OpenSame + o.Qty}
	}
	return nil
}

// exposure is what an order would make of the figure that a limit bounds. An
// order that only reduces a position is never stopped by what it reduces.
func exposure(kind string, f Figures, o Order, notional int64) (int64, error) {
	side := int64(o.Side)
	after := f.Position + side*(f.OpenSame+o.Qty)
	reduces := f.Position*side < 0 && f.OpenSame+o.Qty <= max(f.Position, -f.Position)
	switch kind {
	case "order_qty":
		return o.Qty, nil
	case "order_notional":
		return notional, nil
	case "position_qty":
		if reduces {
			return 0, nil
		}
		return max(after, -after), nil
	case "gross_notional":
		if reduces {
			return 0, nil
		}
		return f.Gross + notional, nil
	case "open_orders":
		return f.OpenOrders + 1, nil
	case "daily_loss":
		if reduces {
			return 0, nil
		}
		return -f.DayPnL, nil
	case "collar_bps":
		if o.LimitPx == 0 {
			return 0, nil
		}
		away := side * (o.LimitPx - f.Mark) // worse than the mark for who pays it
		return money.MulDiv(max(away, 0), 10_000, f.Mark)
	}
	return 0, fmt.Errorf("desk: risk limit of unknown kind %q", kind)
}

// asRisk picks the veto out of an error.
func asRisk(err error) (*RiskError, bool) {
	var r *RiskError
	ok := errors.As(err, &r)
	return r, ok
}
