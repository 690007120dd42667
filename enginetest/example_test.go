package enginetest_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
)

// transfer is the code under test: it moves an amount between two accounts.
func transfer(ctx context.Context, db *engine.DB, from, to, amount int) error {
	b := engine.NewBatch()
	b.Exec("UPDATE account SET balance = balance - ? WHERE id = ?", amount, from).Expect(1)
	b.Exec("UPDATE account SET balance = balance + ? WHERE id = ?", amount, to).Expect(1)
	_, err := db.Batch(ctx, b)
	return err
}

// TestTransfer is what a test of an embedding program looks like.
func TestTransfer(t *testing.T) {
	t.Parallel()
	db := enginetest.Open(t,
		enginetest.WithSQL("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT"),
		enginetest.WithFixture(fstest.MapFS{"accounts.sql": {Data: []byte("INSERT INTO account VALUES (1, 100), (2, 0)")}})) // embed.FS in a program
	if err := transfer(t.Context(), db, 1, 2, 70); err != nil {
		t.Fatal(err)
	}
	if err := transfer(t.Context(), db, 1, 2, 70); err == nil {
		t.Error("money was made")
	}
	if balance, err := engine.Get[int](t.Context(), db, "SELECT balance FROM account WHERE id = 2"); err != nil || balance != 70 {
		t.Errorf("balance %d, %v", balance, err)
	}
}
