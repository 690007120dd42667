package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/tidegate/engine"
)

// A fill: the order, the position and the ledger change together or not at all. The expected counts tell when somebody else was
// faster; the batch is then rolled back.
func ExampleDB_Batch() {
	ctx := context.Background()
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	schema := engine.NewBatch()
	schema.Exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, open INTEGER NOT NULL) STRICT")
	schema.Exec("CREATE TABLE position (symbol TEXT PRIMARY KEY, qty INTEGER NOT NULL) STRICT")
	schema.Exec("INSERT INTO orders VALUES (1, 10)")
	if _, err := db.Batch(ctx, schema); err != nil {
		log.Fatal(err)
	}

	fill := engine.NewBatch()
	fill.Exec("UPDATE orders SET open = open - ?1 WHERE id = ?2 AND open >= ?1", 6, 1).Expect(1)
	held := fill.Query("INSERT INTO position VALUES (?, ?) ON CONFLICT DO UPDATE SET qty = qty + excluded.qty RETURNING qty", "ETH", 6)
	for range 2 {
		res, err := db.Batch(ctx, fill, engine.WithName("fill"), engine.WithClass(engine.ClassTrade))
		var expect *engine.ExpectError
		if errors.As(err, &expect) {
			fmt.Printf("statement %d changed %d rows: the order is not open any more\n", expect.Statement, expect.Found)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		qty, err := engine.Collect[int](&res.Steps[held.Index()].Rows)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("position", qty)
	}
	// Output:
	// position [6]
	// statement 1 changed 0 rows: the order is not open any more
}

// A statement that is run all the time, alone and inside a transaction.
func ExampleDB_Prepare() {
	ctx := context.Background()
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, "CREATE TABLE quote (symbol TEXT PRIMARY KEY, bid INTEGER NOT NULL) STRICT"); err != nil {
		log.Fatal(err)
	}
	put, err := db.Prepare(ctx, "INSERT INTO quote VALUES (?, ?) ON CONFLICT DO UPDATE SET bid = excluded.bid", engine.WithDurability(engine.Relaxed))
	if err != nil {
		log.Fatal(err)
	}
	bid, err := db.Prepare(ctx, "SELECT bid FROM quote WHERE symbol = ?")
	if err != nil {
		log.Fatal(err)
	}
	_, err = db.Prepare(ctx, "SELECT ask FROM quote")
	fmt.Println("a mistake shows at once:", errors.Is(err, engine.ErrSQL))

	if _, err := put.Exec(ctx, "ETH", 18150); err != nil {
		log.Fatal(err)
	}
	err = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		old, err := engine.Get[int](ctx, bid.In(tx), "", "ETH")
		if err != nil {
			return err
		}
		_, err = put.In(tx).Exec(ctx, "ETH", old+25)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(engine.Get[int](ctx, bid, "", "ETH"))
	// Output:
	// a mistake shows at once: true
	// 18175 <nil>
}

// Rows become values of the program's own types.
func ExampleAll() {
	ctx := context.Background()
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, "CREATE TABLE position (symbol TEXT PRIMARY KEY, qty INTEGER NOT NULL, avg_price TEXT) STRICT"); err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec(ctx, "INSERT INTO position VALUES ('ETH', 3, '181.50'), ('XRP', 500, NULL)"); err != nil {
		log.Fatal(err)
	}

	type Position struct {
		Symbol   string
		Qty      int64
		AvgPrice *engine.Decimal // avg_price; nil for NULL
	}
	positions, err := engine.All[Position](ctx, db, "SELECT symbol, qty, avg_price FROM position ORDER BY symbol")
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range positions {
		fmt.Println(p.Symbol, p.Qty, p.AvgPrice)
	}
	total, err := engine.Get[int64](ctx, db, "SELECT sum(qty) FROM position")
	fmt.Println(total, err)
	for symbol, err := range engine.Each[string](ctx, db, "SELECT symbol FROM position ORDER BY symbol DESC") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(symbol)
		break // ends the query, too
	}
	// Output:
	// ETH 3 181.50
	// XRP 500 <nil>
	// 503 <nil>
	// XRP
}

// Money without floats: exact sums, and roundings that say what they do.
func ExampleDecimal() {
	price, err := engine.ParseDecimal("181.255")
	if err != nil {
		log.Fatal(err)
	}
	qty, err := engine.NewDecimal(3, 0)
	if err != nil {
		log.Fatal(err)
	}
	notional, err := price.Mul(qty, 2, engine.RoundHalfEven)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(notional)
	_, err = price.Mul(qty, 2, engine.RoundExact)
	fmt.Println(errors.Is(err, engine.ErrDecimal), err)
	third, err := notional.Div(qty, 6, engine.RoundDown)
	fmt.Println(third, err)
	// Output:
	// 543.76
	// true engine: decimal: mul: inexact: a digit would be lost, choose a larger scale or a rounding
	// 181.253333 <nil>
}

// An amount that SQL sums and compares is stored as an INTEGER of a scale of one's choice.
func ExampleScaled() {
	ctx := context.Background()
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, "CREATE TABLE entry (amount INTEGER NOT NULL) STRICT"); err != nil {
		log.Fatal(err)
	}
	for _, s := range []string{"0.10", "0.20", "1234567.89"} {
		amount, err := engine.ParseDecimal(s)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := db.Exec(ctx, "INSERT INTO entry VALUES (?)", engine.Scaled(&amount, 2)); err != nil {
			log.Fatal(err)
		}
	}
	var sum engine.Decimal
	if err := db.QueryRow(ctx, "SELECT sum(amount) FROM entry WHERE amount > 0").Scan(engine.Scaled(&sum, 2)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum)
	// Output: 1234568.19
}
