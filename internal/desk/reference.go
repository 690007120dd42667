package desk

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// reference is the part of the database that does not change while the desk
// runs, kept in memory: a fill looks up an instrument and up to six ledger
// accounts. It is immutable once loaded.
type reference struct {
	instruments map[int64]instrument
	accounts    map[int64]account
	ledgers     map[ledgerKey]int64
	calendar    map[string][]session
}

type instrument struct {
	market.Instrument
	contract money.Contract
}

type account struct {
	method money.Method
	base   string
}

type ledgerKey struct {
	account   int64
	role, ccy string
}

type session struct {
	date        int
	open, close int64
}

func loadReference(ctx context.Context, db *engine.DB) (*reference, error) {
	r := &reference{instruments: map[int64]instrument{}, accounts: map[int64]account{}, ledgers: map[ledgerKey]int64{}, calendar: map[string][]session{}}
	err := db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		for _, load := range []func(context.Context, *engine.Tx) error{r.loadInstruments, r.loadAccounts, r.loadLedgers, r.loadCalendar} {
			if err := load(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	}, engine.WithName("load reference"))
	if err != nil {
		return nil, fmt.Errorf("desk: load the reference data: %w", err)
	}
	return r, nil
}

// each runs a query and calls row for every row of it.
func each(ctx context.Context, tx *engine.Tx, row func(*engine.Rows) error, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	for r, err := range rows.All() {
		if err != nil {
			return err
		}
		if err := row(r); err != nil {
			return err
		}
	}
	return nil
}

func (r *reference) loadInstruments(ctx context.Context, tx *engine.Tx) error {
	return each(ctx, tx, func(row *engine.Rows) error {
		var (
			i            instrument
			kind         string
			scale        int
			num, den     int64
			inverse      bool
			base, settle string
		)
		if err := row.Scan(&i.ID, &i.Venue, &i.Symbol, &kind, &i.CashSettled, &base, &i.Quote, &settle, &i.PriceScale, &i.QtyScale, &i.Tick, &i.Lot, &num, &den, &inverse, &scale); err != nil {
			return err
		}
		if inverse {
			return nil // quoted in units of what they pay: the desk does not trade them
		}
		i.Kind, i.Base, i.Settle = market.Kind(kind), base, settle
		var err error
		if i.contract, err = money.NewContract(i.PriceScale, i.QtyScale, scale, num, den); err != nil {
			return err
		}
		r.instruments[i.ID] = i
		return nil
	}, `SELECT i.instrument_id, i.venue, i.symbol, i.kind, i.cash_settled, coalesce(i.base_ccy, ''), i.quote_ccy, i.settle_ccy,
  i.price_scale, i.qty_scale, i.tick, i.lot, i.mult_num, i.mult_den, i.inverse, c.scale
 FROM instruments i JOIN currencies c ON c.ccy = i.settle_ccy`)
}

func (r *reference) loadAccounts(ctx context.Context, tx *engine.Tx) error {
	return each(ctx, tx, func(row *engine.Rows) error {
		var (
			id     int64
			method string
			a      account
		)
		if err := row.Scan(&id, &method, &a.base); err != nil {
			return err
		}
		a.method = money.Method(method)
		r.accounts[id] = a
		return nil
	}, `SELECT account_id, cost_method, base_ccy FROM accounts`)
}

func (r *reference) loadLedgers(ctx context.Context, tx *engine.Tx) error {
	return each(ctx, tx, func(row *engine.Rows) error {
		var (
			id int64
			k  ledgerKey
		)
		if err := row.Scan(&id, &k.account, &k.role, &k.ccy); err != nil {
			return err
		}
		r.ledgers[k] = id
		return nil
	}, `SELECT ledger_id, account_id, role, ccy FROM ledger_accounts`)
}

func (r *reference) loadCalendar(ctx context.Context, tx *engine.Tx) error {
	return each(ctx, tx, func(row *engine.Rows) error {
		var (
			venue string
			s     session
		)
		if err := row.Scan(&venue, &s.date, &s.open, &s.close); err != nil {
			return err
		}
		r.calendar[venue] = append(r.calendar[venue], s)
		return nil
	}, `SELECT venue, trade_date, open_ts, close_ts FROM sessions ORDER BY venue, trade_date`)
}

func (r *reference) instrument(id int64) (instrument, error) {
	i, ok := r.instruments[id]
	if !ok {
		return i, fmt.Errorf("desk: instrument %d: %w", id, ErrUnknown)
	}
	return i, nil
}

func (r *reference) ledger(account int64, role, ccy string) (int64, error) {
	id, ok := r.ledgers[ledgerKey{account, role, ccy}]
	if !ok {
		return 0, fmt.Errorf("desk: ledger account %d %s %s: %w", account, role, ccy, ErrUnknown)
	}
	return id, nil
}

// tradeDate is the venue's trading day of an instant: the session it lies in or
// the next one, and the UTC date where the calendar ends.
func (r *reference) tradeDate(venue string, ts int64) int {
	days := r.calendar[venue]
	i := sort.Search(len(days), func(i int) bool { return days[i].close > ts })
	if i < len(days) {
		return days[i].date
	}
	return Date(time.Unix(0, ts))
}

// Date is yyyymmdd in UTC.
func Date(t time.Time) int {
	y, m, d := t.UTC().Date()
	return y*10000 + int(m)*100 + d
}
