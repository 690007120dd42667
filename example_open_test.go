package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/tidegate/engine"
)

// A database in a file: opened, written in one transaction, read row by row.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	// The form of SQLAlchemy: a fourth slash begins an absolute path, three slashes name a relative one.
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite:///"+filepath.Join(dir, "production_trading.db")))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	err = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TABLE position (symbol TEXT PRIMARY KEY, qty INTEGER NOT NULL) STRICT"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO position VALUES (?, ?), (?, ?)", "ETH", 3, "XRP", 500)
		return err // nil commits
	})
	if err != nil {
		log.Fatal(err)
	}

	rows, err := db.Query(ctx, "SELECT symbol, qty FROM position WHERE qty > ? ORDER BY symbol", 1)
	if err != nil {
		log.Fatal(err)
	}
	for row, err := range rows.All() {
		if err != nil {
			log.Fatal(err)
		}
		var symbol string
		var qty int
		if err := row.Scan(&symbol, &qty); err != nil {
			log.Fatal(err)
		}
		fmt.Println(symbol, qty)
	}
	// Output:
	// ETH 3
	// XRP 500
}

// A transaction moves money and books it, or does neither. Side effects wait for the commit.
func ExampleDB_Update() {
	ctx := context.Background()
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT"); err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec(ctx, "INSERT INTO account VALUES (1, 100), (2, 0)"); err != nil {
		log.Fatal(err)
	}

	transfer := func(amount int) error {
		return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE account SET balance = balance + ? WHERE id = 2", amount); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE account SET balance = balance - ? WHERE id = 1", amount); err != nil {
				return err
			}
			tx.OnCommit(func() { fmt.Println("moved", amount) })
			return nil
		}, engine.WithName("transfer"), engine.WithClass(engine.ClassTrade))
	}
	if err := transfer(70); err != nil {
		log.Fatal(err)
	}
	err = transfer(70)
	fmt.Println("refused:", errors.Is(err, engine.ErrConstraint), "worth another try:", engine.Retryable(err))

	var one, two int
	if err := db.QueryRow(ctx, "SELECT (SELECT balance FROM account WHERE id = 1), (SELECT balance FROM account WHERE id = 2)").Scan(&one, &two); err != nil {
		log.Fatal(err)
	}
	fmt.Println(one, two)
	// Output:
	// moved 70
	// refused: true worth another try: false
	// 30 70
}
