package desk

import (
	"context"
	"fmt"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// Holding is a position at its mark. Value, Unrealised and Realised are in the
// instrument's settlement currency.
type Holding struct {
	Instrument, Strategy int64
	Book                 int
	Qty, Cost, Mark      int64
	Value, Unrealised    int64
	Realised, Fees       int64
}

// Portfolio is what an account holds, all of it from one snapshot.
type Portfolio struct {
	Account    int64
	Holdings   []Holding
	Cash       map[string]int64 // balance by currency
	OpenOrders int64
}

const (
	holdings = `SELECT p.instrument_id, p.strategy_id, p.book, p.qty, p.cost, p.realised, p.fees, coalesce(q.mark, 0)
 FROM positions p LEFT JOIN last_quotes q ON q.instrument_id = p.instrument_id WHERE p.account_id = ?1`
	balances   = `SELECT role, ccy, balance FROM ledger_accounts WHERE account_id = ?1 AND (debits <> 0 OR credits <> 0)`
	openOrders = `SELECT count(*) FROM orders WHERE account_id = ?1 AND leaves_qty > 0`
)

// TornError says that one snapshot showed ledger and positions that do not
// fit. It cannot happen while a View is one snapshot.
type TornError struct {
	Account  int64
	What     string
	Off      int64
	Currency string
}

func (e *TornError) Error() string {
	return fmt.Sprintf("desk: account %d: %s in %s is off by %d units within one snapshot; run the invariants and stop trading", e.Account, e.What, e.Currency, e.Off)
}

// Portfolio reads an account's positions, cash and open orders, and proves on
// the way that they belong together: every currency sums to zero over the
// account's ledger, what assets cost is what was paid for them, and held coins
// are the spot position.
//
// # Errors
//
// [*TornError] where they do not.
func (d *Desk) Portfolio(ctx context.Context, account int64) (Portfolio, error) {
	p := Portfolio{Account: account}
	if _, ok := d.ref.accounts[account]; !ok {
		return p, fmt.Errorf("desk: account %d: %w", account, ErrUnknown)
	}
	err := d.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		var err error
		p, err = d.portfolio(ctx, tx, account)
		return err
	}, engine.WithName("portfolio"), engine.WithClass(engine.ClassNormal))
	return p, err
}

func (d *Desk) portfolio(ctx context.Context, tx *engine.Tx, account int64) (Portfolio, error) {
	p := Portfolio{Account: account, Cash: map[string]int64{}}
	proof := proof{off: map[proofKey]int64{}}
	err := each(ctx, tx, func(row *engine.Rows) error {
		var h Holding
		if err := row.Scan(&h.Instrument, &h.Strategy, &h.Book, &h.Qty, &h.Cost, &h.Realised, &h.Fees, &h.Mark); err != nil {
			return err
		}
		i, err := d.ref.instrument(h.Instrument)
		if err != nil {
			return err
		}
		if h.Value, err = i.contract.Notional(h.Qty, h.Mark); err != nil {
			return err
		}
		h.Unrealised = h.Value - h.Cost
		proof.holding(i, h)
		p.Holdings = append(p.Holdings, h)
		return nil
	}, holdings, account)
	if err != nil {
		return p, err
	}
	err = each(ctx, tx, func(row *engine.Rows) error {
		var (
			role, ccy string
			balance   int64
		)
		if err := row.Scan(&role, &ccy, &balance); err != nil {
			return err
		}
		if role == "cash" {
			p.Cash[ccy] = balance
		}
		proof.balance(role, ccy, balance)
		return nil
	}, balances, account)
	if err != nil {
		return p, err
	}
	if err := tx.QueryRow(ctx, openOrders, account).Scan(&p.OpenOrders); err != nil {
		return p, err
	}
	return p, proof.result(account)
}

// proof adds up what must come out as zero.
type proof struct {
	off map[proofKey]int64
}

type proofKey struct{ what, ccy string }

func (p proof) holding(i instrument, h Holding) {
	if !i.CashSettled {
		p.off[proofKey{"what was paid for assets", i.Settle}] += h.Cost - h.Realised
	}
	if i.Kind == market.Spot {
		p.off[proofKey{"what is held of an asset", i.Base}] -= h.Qty
		p.off[proofKey{"what was paid for assets", i.Base}] -= h.Qty // the asset's own leg
	}
	if i.CashSettled {
		p.off[proofKey{"profit of margin instruments", i.Settle}] += h.Realised
	}
}

func (p proof) balance(role, ccy string, balance int64) {
	p.off[proofKey{"the ledger", ccy}] += balance
	switch role {
	case "trading":
		p.off[proofKey{"what was paid for assets", ccy}] -= balance
	case "pnl":
		p.off[proofKey{"profit of margin instruments", ccy}] += balance
	case "cash":
		if base(ccy) {
			p.off[proofKey{"what is held of an asset", ccy}] += balance
		}
	}
}

// base says whether a currency of the universe comes into an account only by
// spot trades.
func base(ccy string) bool { return creditLimit(ccy) == 0 }

func (p proof) result(account int64) error {
	for k, off := range p.off {
		if off != 0 {
			return &TornError{Account: account, What: k.what, Off: off, Currency: k.ccy}
		}
	}
	return nil
}

const (
	insertSnapshot = `INSERT INTO portfolio_snapshots (account_id, ts, equity, cash, gross, net, realised, unrealised, fees, open_orders)
 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING`
	rateToUSD = `SELECT rate_e9 FROM fx_rates WHERE ccy = ?1 AND ref_ccy = 'USD' AND ts <= ?2 ORDER BY ts DESC LIMIT 1`
)

// Snapshot marks an account to market and writes the result in its base
// currency, relaxed: it can be computed again. The figures come from one
// snapshot of the database; only the row is written by the writer, who has
// trades to book.
func (d *Desk) Snapshot(ctx context.Context, account, ts int64) error {
	a, ok := d.ref.accounts[account]
	if !ok {
		return fmt.Errorf("desk: account %d: %w", account, ErrUnknown)
	}
	var v valuation
	err := d.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		p, err := d.portfolio(ctx, tx, account)
		if err != nil {
			return err
		}
		v, err = d.value(p, &converter{ctx: ctx, tx: tx, ts: ts, base: a.base, scale: d.scales()})
		return err
	}, engine.WithName("mark to market"))
	if err != nil {
		return err
	}
	return d.update(ctx, "snapshot", engine.ClassNormal, func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, insertSnapshot, account, ts, v.cash+v.net, v.cash, v.gross, v.net, v.realised, v.unrealised, v.fees, v.openOrders)
		return err
	}, engine.WithDurability(engine.Relaxed))
}

// valuation is a portfolio in one currency.
type valuation struct {
	cash, gross, net, realised, unrealised, fees, openOrders int64
}

func (d *Desk) value(p Portfolio, c *converter) (valuation, error) {
	v := valuation{openOrders: p.OpenOrders}
	for ccy, n := range p.Cash {
		if !base(ccy) { // coins are counted by their positions, at the mark
			v.cash += c.convert(n, ccy)
		}
	}
	for _, h := range p.Holdings {
		i := d.ref.instruments[h.Instrument]
		value := h.Value
		if i.CashSettled {
			value = h.Unrealised
		}
		v.net += c.convert(value, i.Settle)
		gross := c.convert(h.Value, i.Settle)
		v.gross += max(gross, -gross)
		v.realised += c.convert(h.Realised, i.Settle)
		v.unrealised += c.convert(h.Unrealised, i.Settle)
		v.fees += c.convert(h.Fees, i.Settle)
	}
	return v, c.err
}

// scales is the number of decimals of the currencies.
func (d *Desk) scales() map[string]int {
	out := map[string]int{}
	for _, c := range market.Currencies() {
		out[c.Code] = c.Scale
	}
	return out
}

// converter turns amounts into an account's base currency at the rates of a
// time, by way of the dollar. The first error stays in err.
type converter struct {
	ctx   context.Context
	tx    *engine.Tx
	ts    int64
	base  string
	scale map[string]int
	err   error
}

const rateUnit = 1_000_000_000

func (c *converter) convert(n int64, ccy string) int64 {
	if ccy == c.base || n == 0 || c.err != nil {
		return n
	}
	usd := c.rescale(n, c.rate(ccy), rateUnit, ccy, "USD")
	return c.rescale(usd, rateUnit, c.rate(c.base), "USD", c.base)
}

func (c *converter) rate(ccy string) int64 {
	if ccy == "USD" {
		return rateUnit
	}
	var r int64
	if err := c.tx.QueryRow(c.ctx, rateToUSD, ccy, c.ts).Scan(&r); err != nil && c.err == nil {
		c.err = fmt.Errorf("desk: rate of %s: %w", ccy, err)
		return rateUnit
	}
	return max(r, 1)
}

func (c *converter) rescale(n, num, den int64, from, to string) int64 {
	out, err := money.MulDiv(n, num, den)
	shift := c.scale[to] - c.scale[from]
	if err == nil && shift != 0 {
		var p int64
		if p, err = money.Pow10(max(shift, -shift)); err == nil && shift > 0 {
			out, err = money.MulDiv(out, p, 1)
		} else if err == nil {
			out, err = money.MulDiv(out, 1, p)
		}
	}
	if err != nil && c.err == nil {
		c.err = err
	}
	return out
}

// Trade is an execution as the blotter shows it.
type Trade struct {
	ExecID, Order              int64
	Side                       int
	Qty, Px, Notional, TSEvent int64
}

const tradeHistory = `SELECT exec_id, order_id, side, qty, px, notional, ts_event FROM executions
 WHERE account_id = ?1 AND instrument_id = ?2 AND exec_id < ?3 ORDER BY exec_id DESC LIMIT ?4`

// History returns up to limit trades of an account and instrument before an
// exec id, newest first; pass the last one's id to get the next page.
func (d *Desk) History(ctx context.Context, account, instrument, before int64, limit int) ([]Trade, error) {
	var out []Trade
	err := d.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		out = out[:0]
		return each(ctx, tx, func(row *engine.Rows) error {
			var t Trade
			if err := row.Scan(&t.ExecID, &t.Order, &t.Side, &t.Qty, &t.Px, &t.Notional, &t.TSEvent); err != nil {
				return err
			}
			out = append(out, t)
			return nil
		}, tradeHistory, account, instrument, before, limit)
	}, engine.WithName("history"))
	return out, err
}

const turnover = `WITH t AS (
  SELECT d.instrument_id, sum(buy_notional + sell_notional) AS turnover, sum(fills) AS fills
    FROM position_days d WHERE trade_date BETWEEN ?1 AND ?2 GROUP BY 1)
SELECT i.symbol, t.turnover, t.fills, rank() OVER (PARTITION BY i.settle_ccy ORDER BY t.turnover DESC)
  FROM t JOIN instruments i ON i.instrument_id = t.instrument_id ORDER BY t.turnover DESC LIMIT ?3`

// Turnover is a line of the table of the most traded instruments.
type Turnover struct {
	Symbol          string
	Turnover, Fills int64
	Rank            int // within the settlement currency
}

// Turnover returns the most traded instruments between two dates, on the lane
// of long reads.
func (d *Desk) Turnover(ctx context.Context, from, to, limit int) ([]Turnover, error) {
	var out []Turnover
	err := d.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		out = out[:0]
		return each(ctx, tx, func(row *engine.Rows) error {
			var t Turnover
			if err := row.Scan(&t.Symbol, &t.Turnover, &t.Fills, &t.Rank); err != nil {
				return err
			}
			out = append(out, t)
			return nil
		}, turnover, from, to, limit)
	}, engine.WithName("turnover"), engine.WithClass(engine.ClassAnalytics))
	return out, err
}
