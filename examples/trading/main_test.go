package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

func TestTradingRunsAndRunsAgain(t *testing.T) {
	t.Parallel()
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "production_trading.db"))
	for range 2 {
		var out strings.Builder
		if err := run(t.Context(), url, &out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "500 fills") || strings.Count(out.String(), "ok: ") != 3 {
			t.Errorf("printed %s", out.String())
		}
	}
	db, err := engine.Open(context.Background(), engine.DefaultConfig(url))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int64
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM executions`).Scan(&n); err != nil || n != 2*traders*trades {
		t.Errorf("%d executions, %v", n, err)
	}
	// The proof must be able to fail.
	if _, err := db.Exec(t.Context(), `UPDATE ledger_accounts SET debits = debits + 1 WHERE ledger_id = 2`); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := prove(t.Context(), db, &out); err == nil || !strings.Contains(err.Error(), "the ledger sums to zero") {
		t.Errorf("a broken ledger was proven: %v", err)
	}
}

func TestTradingSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), "sqlite:///"+filepath.ToSlash(filepath.Join(t.TempDir(), "missing", "x.db")), &strings.Builder{}); err == nil {
		t.Error("a database in a missing folder was opened")
	}
}
