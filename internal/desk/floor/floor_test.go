package floor_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/floor"
	"github.com/tidegate/engine/internal/desk/sim"
	"github.com/tidegate/engine/migrations"
)

func open(t *testing.T) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig("sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "floor.db")))
	cfg.Migrations = migrations.FS
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

// Enough faults for each kind to be met in a second.
func config() floor.Config {
	return floor.Config{Seed: 1, Sessions: 30, Duration: time.Second, Faults: sim.Faults{Reject: 0.05, Duplicate: 0.05, LateFill: 0.05, Bust: 0.05, Overfill: 0.02}}
}

func TestBooksHoldUnderLoadAndFaults(t *testing.T) {
	t.Parallel()
	db := open(t)
	cfg := config()
	var acknowledged, progress atomic.Int64
	cfg.Acknowledged = func(int64) error { acknowledged.Add(1); return nil }
	cfg.Progress = func(floor.Progress) { progress.Add(1) }
	cfg.Duration += 300 * time.Millisecond
	r, err := floor.Run(t.Context(), db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range r.Invariants {
		if i.Broken > 0 {
			t.Errorf("%s %s: %s", i.Name, i.Rule, i.Example)
		}
	}
	c := r.Counts
	if !r.Sound || c.Fills == 0 || c.Busts == 0 || c.Duplicates == 0 || c.Cancels == 0 || c.Rejects == 0 {
		t.Errorf("%+v", c)
	}
	var rows int64
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM executions`).Scan(&rows); err != nil || rows != acknowledged.Load() || rows != c.Fills+c.Busts {
		t.Errorf("%d executions, %d acknowledged, %d counted, %v", rows, acknowledged.Load(), c.Fills+c.Busts, err)
	}
	if progress.Load() == 0 {
		t.Error("no progress was reported")
	}
	var groups uint64
	for _, n := range r.Writer.GroupSizes {
		groups += n
	}
	if groups != r.Writer.Groups || r.Writer.Transactions < r.Writer.Durable || r.Writer.Fsyncs == 0 {
		t.Errorf("%+v", r.Writer)
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil || strings.Contains(out.String(), "BROKEN") || !strings.Contains(out.String(), "simulated") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// Books that a snapshot shows torn are told even where no invariant sees it: money that went from one account to another, where each account's
// currencies sum to zero.
func TestTornBooksEndTheRun(t *testing.T) {
	t.Parallel()
	db := open(t)
	cfg := config()
	cfg.Sessions, cfg.Duration = 2, 50*time.Millisecond
	if _, err := floor.Run(t.Context(), db, cfg); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO ledger_txns (txn_id, account_id, kind, ref, trade_date, ts_event, ts_recv) VALUES (777777, 1, 'transfer', 7, 20260901, 1, 1)`,
		`INSERT INTO ledger_transfers (txn_id, line, debit_id, credit_id, ccy, amount) SELECT 777777, 1, d.ledger_id, c.ledger_id, 'USD', 5 FROM ledger_accounts d, ledger_accounts c
 WHERE d.account_id = 1 AND c.account_id = 2 AND d.role = 'cash' AND c.role = 'cash' AND d.ccy = 'USD' AND c.ccy = 'USD'`,
	} {
		if res, err := db.Exec(t.Context(), sql); err != nil || res.RowsAffected != 1 {
			t.Fatalf("%d rows, %v", res.RowsAffected, err)
		}
	}
	cfg.Duration = time.Hour
	var torn *desk.TornError
	if _, err := floor.Run(t.Context(), db, cfg); !errors.As(err, &torn) || torn.Currency != "USD" || torn.Off != 5 && torn.Off != -5 {
		t.Errorf("got %v", err)
	}
}

func TestAFailureEndsTheRun(t *testing.T) {
	t.Parallel()
	db := open(t)
	cfg := config()
	cfg.Duration = time.Hour
	full := errors.New("ledger is full")
	cfg.Acknowledged = func(int64) error { return full }
	if _, err := floor.Run(t.Context(), db, cfg); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []floor.Config{{Duration: time.Second}, {Sessions: 1}} {
		if _, err := floor.Run(t.Context(), db, bad); err == nil {
			t.Errorf("%+v was run", bad)
		}
	}
}
