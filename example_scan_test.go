package engine_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/tidegate/engine"
)

// A row fills a struct by the names of its columns. NULL needs a pointer or a sql.Null type, and times are read in the
// forms in which SQLAlchemy and others store them.
func ExampleRows_Scan() {
	ctx := context.Background()
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	type Order struct {
		OrderID  int64 // order_id
		Symbol   string
		Limit    *float64  `db:"limit_price"`
		PlacedAt time.Time // placed_at
	}
	rows, err := db.Query(ctx, `
		SELECT 1 AS order_id, 'ETH' AS symbol, 181.5 AS limit_price, '2019-10-11 08:15:00.250000' AS placed_at
		UNION ALL
		SELECT 2, 'XRP', NULL, '2019-10-11T08:16:00Z'`)
	if err != nil {
		log.Fatal(err)
	}
	for row, err := range rows.All() {
		if err != nil {
			log.Fatal(err)
		}
		var o Order
		if err := row.Scan(&o); err != nil {
			log.Fatal(err)
		}
		limit := "at any price"
		if o.Limit != nil {
			limit = fmt.Sprint("up to ", *o.Limit)
		}
		fmt.Println(o.OrderID, o.Symbol, limit, o.PlacedAt.Format(time.StampMilli))
	}
	// Output:
	// 1 ETH up to 181.5 Oct 11 08:15:00.250
	// 2 XRP at any price Oct 11 08:16:00.000
}

// A function that SQL can call, on every connection.
func ExampleFunction() {
	ctx := context.Background()
	cfg := engine.DefaultConfig("sqlite://")
	cfg.Extend.Functions = []engine.Function{{
		Name: "notional", Args: 2, Deterministic: true,
		Scalar: func(args []engine.Value) (any, error) {
			qty, price := args[0].Any(), args[1].Any()
			q, ok1 := qty.(int64)
			p, ok2 := price.(int64)
			if !ok1 || !ok2 {
				return nil, fmt.Errorf("two integers are wanted, got %T and %T", qty, price)
			}
			return q * p, nil
		},
	}}
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow(ctx, "SELECT notional(?, ?)", 3, 181).Scan(&n); err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
	fmt.Println(db.QueryRow(ctx, "SELECT notional('3', 181)").Scan(&n))
	// Output:
	// 543
	// engine: step: SQL logic error: notional(): two integers are wanted, got string and int64 (in: SELECT notional(?, ?))
}
