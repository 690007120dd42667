// Trading embeds the engine: twenty traders share four accounts and trade at
// the same time, each fill one durable transaction, while a portfolio is read.
// At the end the books are proven by SQL. Usage: go run ./examples/trading [URL]
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/migrations"
)

const (
	accounts = 4
	traders  = 20
	trades   = 25 // of each trader
)

func main() {
	dir, err := os.MkdirTemp("", "trading-example-")
	if err == nil {
		defer os.RemoveAll(dir)
		url := "sqlite:///" + filepath.ToSlash(filepath.Join(dir, "production_trading.db"))
		err = run(context.Background(), append(os.Args[1:], url)[0], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "trading:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string, out io.Writer) (err error) {
	cfg := engine.DefaultConfig(url)
	cfg.Migrations = migrations.FS // the schema that comes with the engine; yours works as well
	cfg.Writer.Hold = time.Second  // the default suits trading; a busy laptop may stop a goroutine for longer
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Update(ctx, seed); err != nil {
		return err
	}
	d := &desk{db: db}
	d.ids.Store(time.Now().UnixNano()) // ids only have to rise
	var wg sync.WaitGroup
	errs, done := make(chan error, traders), make(chan struct{})
	for n := range traders {
		wg.Go(func() { errs <- d.trader(ctx, n) })
	}
	go func() { wg.Wait(); close(done) }()
	err = d.watch(ctx, done)
	<-done
	for range traders {
		err = errors.Join(err, <-errs)
	}
	s := db.Stats()
	fmt.Fprintf(out, "%d fills in %d transactions and %d fsyncs; %d portfolios read meanwhile\n", d.fills.Load(), s.Writer.Jobs, s.Syncs, d.reads.Load())
	return errors.Join(err, prove(ctx, db, out))
}

// seed is the reference data: one currency, one share, accounts with cash.
func seed(ctx context.Context, tx *engine.Tx) error {
	statements := []string{
		`INSERT INTO currencies VALUES ('USD', 6, 'fiat') ON CONFLICT DO NOTHING`,
		`INSERT INTO instruments (instrument_id, venue, symbol, kind, cash_settled, quote_ccy, settle_ccy, price_scale, qty_scale, tick, lot)
 VALUES (1, 'XNAS', 'ALFA', 'equity', 0, 'USD', 'USD', 2, 0, 1, 1) ON CONFLICT DO NOTHING`,
		`INSERT INTO strategies (strategy_id, code, version) VALUES (1, 'example', '1') ON CONFLICT DO NOTHING`,
	}
	for a := 1; a <= accounts; a++ {
		statements = append(statements,
			fmt.Sprintf(`INSERT INTO accounts (account_id, code, base_ccy, kind) VALUES (%d, 'A%d', 'USD', 'margin') ON CONFLICT DO NOTHING`, a, a),
			fmt.Sprintf(`INSERT INTO ledger_accounts (ledger_id, account_id, role, ccy, credit_limit)
 VALUES (%[1]d, %[3]d, 'cash', 'USD', 1000000000000), (%[2]d, %[3]d, 'trading', 'USD', NULL) ON CONFLICT DO NOTHING`, 2*a, 2*a+1, a))
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

type desk struct {
	db           *engine.DB
	ids          atomic.Int64
	fills, reads atomic.Int64
}

func (d *desk) trader(ctx context.Context, n int) error {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for range trades {
		side, qty, cents := 1-2*rng.Int64N(2), 1+rng.Int64N(20), 10_000+rng.Int64N(200)
		err := d.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
			order, err := d.place(ctx, tx, 1+n%accounts, side, qty, cents)
			if err != nil {
				return err
			}
			return d.fill(ctx, tx, order, qty, cents)
		}, engine.WithName("trade"), engine.WithClass(engine.ClassTrade))
		if err != nil {
			return err
		}
		d.fills.Add(1) // counted once the fill is on the disk
	}
	return nil
}

func (d *desk) place(ctx context.Context, tx *engine.Tx, account int, side, qty, px int64) (int64, error) {
	id, now := d.ids.Add(1), time.Now().UnixNano()
	_, err := tx.Exec(ctx, `INSERT INTO orders (order_id, account_id, strategy_id, instrument_id, client_order_id, side, type, tif, limit_px, qty, leaves_qty, ts_created, ts_event, ts_recv)
 VALUES (?1, ?2, 1, 1, ?3, ?4, 'limit', 'day', ?5, ?6, ?6, ?7, ?7, ?7)`, id, account, fmt.Sprint("example-", id), side, px, qty, now)
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE orders SET state = 'new', event_seq = event_seq + 1, last_event = 'ack' WHERE order_id = ?`, id)
	}
	return id, err
}

// fill books an execution. The schema's triggers carry it into order, position
// and day; its P&L rule refuses a wrong profit.
func (d *desk) fill(ctx context.Context, tx *engine.Tx, order, qty, cents int64) error {
	var account, side, held, cost int64
	err := tx.QueryRow(ctx, `SELECT o.account_id, o.side, coalesce(p.qty, 0), coalesce(p.cost, 0) FROM orders o
 LEFT JOIN positions p ON p.account_id = o.account_id AND p.instrument_id = 1 AND p.strategy_id = 1 AND p.book = 0 WHERE o.order_id = ?`, order).Scan(&account, &side, &held, &cost)
	if err != nil {
		return err
	}
	notional := qty * cents * 10_000 // cents to millionths
	left, costLeft := held+side*qty, cost+side*notional
	switch { // average cost
	case held*side >= 0:
	case left*held >= 0: // reduced: the cost that stays is in proportion
		costLeft = cost / held * left
	default: // through zero
		costLeft = side * notional / qty * max(left, -left)
	}
	id, now := d.ids.Add(2), time.Now()
	if _, err = tx.Exec(ctx, `INSERT INTO executions (exec_id, order_id, venue_exec_id, account_id, strategy_id, instrument_id, side, qty, px, notional, realised, fee_ccy, liquidity, trade_date, ts_event, ts_recv)
 VALUES (?1, ?2, 'x' || ?1, ?3, 1, 1, ?4, ?5, ?6, ?7, ?8, 'USD', 'taker', ?9, ?10, ?10)`,
		id, order, account, side, qty, cents, notional, costLeft-cost-side*notional, now.Year()*10000+int(now.Month())*100+now.Day(), now.UnixNano()); err != nil {
		return err
	}
	if _, err = tx.Exec(ctx, `INSERT INTO ledger_txns (txn_id, account_id, kind, ref, trade_date, ts_event, ts_recv) VALUES (?1, ?2, 'trade', ?3, 0, ?4, ?4)`, id-1, account, id, now.UnixNano()); err != nil {
		return err
	}
	debit, credit := 2*account+1, 2*account // a buyer pays cash and holds the asset
	if side < 0 {
		debit, credit = credit, debit
	}
	_, err = tx.Exec(ctx, `INSERT INTO ledger_transfers VALUES (?, 1, ?, ?, 'USD', ?)`, id-1, debit, credit, notional)
	return err
}

// watch reads portfolios until the traders are done. A View is one snapshot, so
// positions and ledger always fit.
func (d *desk) watch(ctx context.Context, done <-chan struct{}) error {
	for {
		var paid, booked int64
		err := d.db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
			return errors.Join(tx.QueryRow(ctx, `SELECT coalesce(sum(cost - realised), 0) FROM positions`).Scan(&paid),
				tx.QueryRow(ctx, `SELECT sum(balance) FROM ledger_accounts WHERE role = 'trading'`).Scan(&booked))
		})
		if err == nil && paid != booked {
			err = fmt.Errorf("a portfolio shows %d paid and %d booked", paid, booked)
		}
		if err != nil {
			return err
		}
		d.reads.Add(1)
		select {
		case <-done:
			return nil
		default:
		}
	}
}

// prove counts what breaks the rules of the books.
func prove(ctx context.Context, db *engine.DB, out io.Writer) (err error) {
	for rule, sql := range map[string]string{
		"the ledger sums to zero":             `SELECT abs(sum(balance)) FROM ledger_accounts`,
		"orders carry their executions":       `SELECT count(*) FROM orders o WHERE cum_qty <> coalesce((SELECT sum(qty) FROM executions x WHERE x.order_id = o.order_id), 0)`,
		"positions are the sum of executions": `SELECT count(*) FROM positions p WHERE qty <> coalesce((SELECT sum(side * qty) FROM executions x WHERE x.account_id = p.account_id), 0)`,
	} {
		var broken int64
		if e := db.QueryRow(ctx, sql).Scan(&broken); e != nil || broken != 0 {
			err = errors.Join(err, e, fmt.Errorf("broken: %s (%d)", rule, broken))
		} else {
			fmt.Fprintln(out, "ok:", rule)
		}
	}
	return err
}
