package desk

import (
	"context"
	"fmt"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/signal"
)

// Plan is the reference data of a desk.
type Plan struct {
	Accounts int // 1 to 1000; every sixth accounts by FIFO, the others at average cost
	Listings []market.Listing
	// Sessions says when a venue is open on the Days days from From.
	Sessions func(venue string, day time.Time) (open, close time.Time)
	From     time.Time
	Days     int
}

// DefaultPlan is 12 accounts on the whole universe, for thirty days from the
// given one.
func DefaultPlan(from time.Time) Plan {
	return Plan{Accounts: 12, Listings: market.Universe(), Sessions: RoundTheClock, From: from.UTC().Truncate(24 * time.Hour), Days: 30}
}

// RoundTheClock keeps every venue open from midnight to midnight.
func RoundTheClock(_ string, day time.Time) (open, close time.Time) {
	return day, day.Add(24 * time.Hour)
}

// BusinessHours opens the venues as their kind does: shares for eight hours,
// all else round the clock.
func BusinessHours(venue string, day time.Time) (open, close time.Time) {
	switch venue {
	case market.Nasdaq:
		return day.Add(13*time.Hour + 30*time.Minute), day.Add(20 * time.Hour)
	case market.Xetra:
		return day.Add(7 * time.Hour), day.Add(15*time.Hour + 30*time.Minute)
	}
	return RoundTheClock(venue, day)
}

func roles() []string {
	return []string{"cash", "trading", "pnl", "fees", "funding", "income", "capital"}
}

type deposit struct {
	ccy    string
	amount int64 // in units of the currency
}

// deposits is what each account starts with.
func deposits() []deposit {
	return []deposit{{"USD", 10_000_000_000_000}, {"EUR", 10_000_000_000_000}, {"USDT", 10_000_000_000_000}, {"ETH", 2_000_000_000_000}}
}

// Seed writes the plan's reference data and the first deposits. What is there
// already stays as it is, so that it may run at every start.
func Seed(ctx context.Context, db *engine.DB, p Plan) error {
	if p.Accounts < 1 || p.Accounts > 1000 {
		return fmt.Errorf("desk: %d accounts; choose 1 to 1000", p.Accounts)
	}
	s := &seeder{plan: p}
	for _, part := range []func() error{s.currencies, s.instruments, s.accounts, s.limits, s.sessions, s.ledgers, s.rates} {
		err := db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
			s.ctx, s.tx = ctx, tx
			return part()
		}, engine.WithName("seed"), engine.HoldFor(5*time.Second), engine.Replayable())
		if err != nil {
			return fmt.Errorf("desk: seed the reference data: %w", err)
		}
	}
	return nil
}

type seeder struct {
	plan Plan
	ctx  context.Context
	tx   *engine.Tx
}

func (s *seeder) exec(sql string, args ...any) error {
	_, err := s.tx.Exec(s.ctx, sql, args...)
	return err
}

func (s *seeder) currencies() error {
	for _, c := range market.Currencies() {
		if err := s.exec(`INSERT INTO currencies (ccy, scale, kind) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, c.Code, c.Scale, c.Kind); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) instruments() error {
	for _, l := range s.plan.Listings {
		var base any
		if l.Base != "" {
			base = l.Base
		}
		err := s.exec(`INSERT INTO instruments (instrument_id, venue, symbol, kind, cash_settled, base_ccy, quote_ccy, settle_ccy, price_scale, qty_scale, tick, lot)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			l.ID, l.Venue, l.Symbol, string(l.Kind), l.CashSettled, base, l.Quote, l.Settle, l.PriceScale, l.QtyScale, l.Tick, l.Lot)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) accounts() error {
	for n := 1; n <= s.plan.Accounts; n++ {
		method, base := "average", "USD"
		if n%6 == 0 {
			method = "fifo"
		}
		if n%4 == 0 {
			base = "EUR"
		}
		if err := s.exec(`INSERT INTO accounts (account_id, code, base_ccy, kind, cost_method) VALUES (?, ?, ?, 'margin', ?) ON CONFLICT DO NOTHING`,
			n, fmt.Sprintf("DESK%03d", n), base, method); err != nil {
			return err
		}
	}
	for i, code := range signal.Codes() {
		if err := s.exec(`INSERT INTO strategies (strategy_id, code, version) VALUES (?, ?, '1') ON CONFLICT DO NOTHING`, i+1, string(code)); err != nil {
			return err
		}
	}
	return nil
}

// Limits in units of the settlement currency, which have six digits behind the
// point, or eight: coarse on purpose, they stop an order that ran away.
const (
	maxOrder     = 50_000_000_000
	maxGross     = 5_000_000_000_000
	maxLoss      = 1_000_000_000_000
	maxOpen      = 400
	collarBPS    = 500
	maxPositions = 200_000 // of money, in each instrument
)

func (s *seeder) limits() error {
	limit := func(account int, instrument any, kind string, value int64) error {
		return s.exec(`INSERT INTO risk_limits (account_id, instrument_id, kind, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, account, instrument, kind, value)
	}
	for n := 1; n <= s.plan.Accounts; n++ {
		for _, l := range []struct {
			kind  string
			value int64
		}{{"order_notional", maxOrder}, {"gross_notional", maxGross}, {"open_orders", maxOpen}, {"daily_loss", maxLoss}, {"collar_bps", collarBPS}} {
			if err := limit(n, nil, l.kind, l.value); err != nil {
				return err
			}
		}
		for _, l := range s.plan.Listings {
			if err := limit(n, l.ID, "position_qty", positionLimit(l)); err != nil {
				return err
			}
		}
	}
	return nil
}

// positionLimit is about maxPositions worth of an instrument, in whole lots.
func positionLimit(l market.Listing) int64 {
	worth := float64(maxPositions)
	if l.Settle == "ETH" {
		worth = 100
	}
	unit := float64(l.Start) * float64(l.Lot)
	for range l.PriceScale + l.QtyScale {
		unit /= 10
	}
	return (int64(worth/unit) + 1) * l.Lot
}

func (s *seeder) sessions() error {
	seen := map[string]bool{}
	for _, l := range s.plan.Listings {
		if seen[l.Venue] {
			continue
		}
		seen[l.Venue] = true
		for n := range s.plan.Days {
			day := s.plan.From.AddDate(0, 0, n)
			open, close := s.plan.Sessions(l.Venue, day)
			if err := s.exec(`INSERT INTO sessions (venue, trade_date, open_ts, close_ts) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				l.Venue, Date(day), open.UnixNano(), close.UnixNano()); err != nil {
				return err
			}
		}
	}
	return nil
}

// ledgers gives every account a ledger account for each role and currency, and
// the first deposits. Ids are computed, so that a second run finds them.
func (s *seeder) ledgers() error {
	currencies := market.Currencies()
	ledger := func(account, role, ccy int) int { return (account*len(roles())+role)*len(currencies) + ccy + 1 }
	now := s.plan.From.UnixNano()
	for n := 1; n <= s.plan.Accounts; n++ {
		for r, role := range roles() {
			for c, ccy := range currencies {
				var limit any
				if role == "cash" {
					limit = creditLimit(ccy.Code)
				}
				if err := s.exec(`INSERT INTO ledger_accounts (ledger_id, account_id, role, ccy, credit_limit) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
					ledger(n, r, c), n, role, ccy.Code, limit); err != nil {
					return err
				}
			}
		}
		for i, dep := range deposits() {
			txn := n*len(deposits()) + i + 1 // far below every id that carries a time
			res, err := s.tx.Exec(s.ctx, `INSERT INTO ledger_txns (txn_id, account_id, kind, ref, trade_date, ts_event, ts_recv) VALUES (?, ?, 'deposit', ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				txn, n, txn, Date(s.plan.From), now, now)
			if err != nil {
				return err
			}
			if res.RowsAffected == 0 {
				continue
			}
			if err := s.exec(`INSERT INTO ledger_transfers (txn_id, line, debit_id, credit_id, ccy, amount)
 SELECT ?, 1, d.ledger_id, c.ledger_id, ?, ? FROM ledger_accounts d JOIN ledger_accounts c ON c.account_id = d.account_id AND c.role = 'capital' AND c.ccy = d.ccy
  WHERE d.account_id = ? AND d.role = 'cash' AND d.ccy = ?`, txn, dep.ccy, dep.amount, n, dep.ccy); err != nil {
				return err
			}
		}
	}
	return nil
}

// creditLimit is how far cash may go below zero: as far as the deposit, and not
// at all in what can only be held.
func creditLimit(ccy string) int64 {
	for _, d := range deposits() {
		if d.ccy == ccy {
			return d.amount
		}
	}
	return 0
}

func (s *seeder) rates() error {
	for _, r := range []struct {
		ccy  string
		rate int64
	}{{"EUR", 1_121_200_000}, {"USDT", 1_000_100_000}, {"ETH", 3_678_000_000_000}} {
		if err := s.exec(`INSERT INTO fx_rates (ccy, ref_ccy, ts, rate_e9) VALUES (?, 'USD', ?, ?) ON CONFLICT DO NOTHING`, r.ccy, s.plan.From.UnixNano(), r.rate); err != nil {
			return err
		}
	}
	return nil
}
