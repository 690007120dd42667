package desk_test

import (
	"context"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/id"
	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/migrations"
)

// The instruments that tests trade: a share, a coin and a perpetual.
const (
	share = 1  // ALFA in USD, price scale 4, tick 100, lot 1
	coin  = 31 // XRP/USDT, price scale 5, quantity scale 6, lot 1,000,000
	perp  = 33 // BTC-PERP in USDT, price scale 4, quantity scale 4, tick 10,000
)

// fifoAccount is the first account that books by FIFO.
const fifoAccount = 6

// bench is a desk on a database of its own, with a quote for every instrument.
type bench struct {
	*desk.Desk
	t    testing.TB
	now  int64
	sent atomic.Int64
}

func openDB(t testing.TB, url string, change ...func(*engine.Config)) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig(url)
	cfg.Migrations = migrations.FS
	cfg.Writer.Durability = engine.Relaxed // one caller at a time: each would wait for an fsync of its own
	cfg.Writer.Hold = 10 * time.Second     // what is tested here is the desk, on a machine as slow as it may be
	for _, f := range change {
		f(&cfg)
	}
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func newBench(t testing.TB, change ...func(*engine.Config)) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 9, 1, 15, 0, 0, 0, time.UTC).UnixNano()}
	db := openDB(t, "sqlite:///"+filepath.ToSlash(filepath.Join(t.TempDir(), "desk.db")), change...)
	plan := desk.DefaultPlan(time.Unix(0, b.now))
	plan.Accounts, plan.Days = 6, 2
	if err := desk.Seed(t.Context(), db, plan); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.Desk, err = desk.Open(t.Context(), db, func() time.Time { return time.Unix(0, b.now) }); err != nil {
		t.Fatal(err)
	}
	var quotes []market.Event
	for _, l := range market.Universe() {
		quotes = append(quotes, market.Event{Kind: market.QuoteEvent, Instrument: l.ID, TS: b.now, Quote: market.Quote{Bid: l.Start - l.Tick, Ask: l.Start + l.Tick}})
	}
	if err := b.Record(t.Context(), quotes); err != nil {
		t.Fatal(err)
	}
	return b
}

func listing(instrument int64) market.Listing { return market.Universe()[instrument-1] }

// order is a limit order at the start price.
func (b *bench) order(account, instrument int64, side int, qty int64) desk.Order {
	return desk.Order{Account: account, Strategy: 1, Instrument: instrument, ClientID: "c" + strconv.FormatInt(b.sent.Add(1), 10), Side: side, Qty: qty,
		LimitPx: listing(instrument).Start, RefPx: listing(instrument).Start, TS: b.now}
}

// place places an order that must be accepted, and acknowledges it.
func (b *bench) place(o desk.Order) int64 {
	b.t.Helper()
	p, err := b.Place(b.t.Context(), o)
	if err != nil || p.Refused != nil || p.OrderID == 0 {
		b.t.Fatalf("place: %+v, %v", p, err)
	}
	if ok, err := b.Ack(b.t.Context(), p.OrderID, "v"+strconv.FormatInt(p.OrderID, 10), b.now); err != nil || !ok {
		b.t.Fatalf("ack: %v, %v", ok, err)
	}
	return p.OrderID
}

func (b *bench) fillOf(order, qty, px, fee int64) desk.Execution {
	return desk.Execution{Order: order, VenueExecID: "x" + strconv.FormatInt(b.sent.Add(1), 10), Qty: qty, Px: px, Fee: fee, Liquidity: "taker", TS: b.now}
}

// book books a report that must become an execution.
func (b *bench) book(x desk.Execution) int64 {
	b.t.Helper()
	got, err := b.Book(b.t.Context(), x)
	if err != nil || got.ExecID == 0 {
		b.t.Fatalf("book: %+v, %v", got, err)
	}
	return got.ExecID
}

// trade places an order and fills it whole at a price.
func (b *bench) trade(account, instrument int64, side int, qty, px, fee int64) desk.Execution {
	b.t.Helper()
	o := b.order(account, instrument, side, qty)
	o.LimitPx = 0
	x := b.fillOf(b.place(o), qty, px, fee)
	b.book(x)
	return x
}

func (b *bench) number(sql string, args ...any) int64 {
	b.t.Helper()
	var n int64
	if err := b.DB().QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (b *bench) text(sql string, args ...any) string {
	b.t.Helper()
	var s string
	if err := b.DB().QueryRow(context.Background(), sql, args...).Scan(&s); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// balance of a ledger account.
func (b *bench) balance(account int64, role, ccy string) int64 {
	b.t.Helper()
	return b.number(`SELECT balance FROM ledger_accounts WHERE account_id = ? AND role = ? AND ccy = ?`, account, role, ccy)
}

// sound proves the invariants.
func (b *bench) sound() {
	b.t.Helper()
	verdicts, err := desk.Verify(b.t.Context(), b.DB())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, v := range verdicts {
		if v.Broken > 0 {
			b.t.Errorf("%s %s: %s", v.Name, v.Rule, v.Example)
		}
	}
}

func TestSeedMayRunAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	counts := `SELECT (SELECT count(*) FROM instruments) * 1000000 + (SELECT count(*) FROM ledger_accounts) * 100 + (SELECT count(*) FROM ledger_txns) + (SELECT sum(debits) FROM ledger_accounts)`
	before := b.number(counts)
	plan := desk.DefaultPlan(time.Unix(0, b.now).AddDate(0, 0, 3))
	plan.Accounts = 6
	if err := desk.Seed(t.Context(), b.DB(), plan); err != nil {
		t.Fatal(err)
	}
	if after := b.number(counts); after != before {
		t.Errorf("seeding again changed the reference data: %d, before %d", after, before)
	}
	b.sound()
	plan.Accounts = 0
	if err := desk.Seed(t.Context(), b.DB(), plan); err == nil {
		t.Error("a desk without accounts was seeded")
	}
}

// A run whose clock was ahead leaves ids in the future; the next run's must
// still be higher, or its rows would lie among the old ones.
func TestIDsGoOnAfterAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.now += int64(24 * time.Hour)
	first := b.place(b.order(1, share, 1, 1))
	b.now -= int64(24 * time.Hour)
	again, err := desk.Open(t.Context(), b.DB(), func() time.Time { return time.Unix(0, b.now) })
	if err != nil {
		t.Fatal(err)
	}
	p, err := again.Place(t.Context(), b.order(1, share, 1, 1))
	if err != nil || p.OrderID <= first {
		t.Errorf("order %d after %d, %v", p.OrderID, first, err)
	}
	if got := id.Time(first); got.UnixNano() != b.now+int64(24*time.Hour) {
		t.Errorf("the order's id says %v", got)
	}
}

// Every statement of the hot path finds its rows by an index; only tables that
// hold a handful of rows are read whole.
func TestStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	small := map[string]bool{"i": true, "accounts": true, "strategies": true}
	parameter := regexp.MustCompile(`\?([0-9]+)`)
	for name, sql := range desk.Statements() {
		args := 0
		for _, m := range parameter.FindAllStringSubmatch(sql, -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			args = max(args, n)
		}
		for _, detail := range b.plan(sql, args) {
			scan, found := strings.CutPrefix(detail, "SCAN ")
			if !found || strings.HasPrefix(scan, "(subquery") || strings.HasPrefix(scan, "CONSTANT") {
				continue
			}
			table := strings.Fields(scan)[0]
			if !small[table] && !cte(sql, table) {
				t.Errorf("%s: %s", name, detail)
			}
		}
	}
}

// plan explains a statement where it runs, inside a transaction.
func (b *bench) plan(sql string, args int) []string {
	b.t.Helper()
	var out []string
	err := b.DB().Update(b.t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		rows, err := tx.Query(ctx, "EXPLAIN QUERY PLAN "+sql, make([]any, args)...)
		if err != nil {
			return err
		}
		for row, err := range rows.All() {
			var a, b, c int64
			var detail string
			if err == nil {
				err = row.Scan(&a, &b, &c, &detail)
			}
			if err != nil {
				return err
			}
			out = append(out, detail)
		}
		return nil
	})
	if err != nil || len(out) == 0 && !strings.HasPrefix(sql, "INSERT") {
		b.t.Errorf("no plan of %s: %v", sql, err)
	}
	return out
}

// cte says whether a name is a subquery of the statement.
func cte(sql, name string) bool {
	return strings.Contains(sql, "WITH "+name+" AS") || strings.Contains(sql, "FROM (") && name == "history"
}
