package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tidegate/engine"
)

// Two statements in one View see the same state, whatever is committed between them.
func ExampleDB_View() {
	ctx := context.Background()
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for _, sql := range []string{"CREATE TABLE cash (amount INTEGER)", "CREATE TABLE trade (cost INTEGER)", "INSERT INTO cash VALUES (100)"} {
		if _, err := db.Exec(ctx, sql); err != nil {
			log.Fatal(err)
		}
	}

	err = db.View(ctx, func(viewCtx context.Context, tx *engine.Tx) error {
		var cash, spent int
		if err := tx.QueryRow(viewCtx, "SELECT amount FROM cash").Scan(&cash); err != nil {
			return err
		}
		// Meanwhile somebody buys something.
		err := db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE cash SET amount = amount - 40"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO trade VALUES (40)")
			return err
		})
		if err != nil {
			return err
		}
		if err := tx.QueryRow(viewCtx, "SELECT coalesce(sum(cost), 0) FROM trade").Scan(&spent); err != nil {
			return err
		}
		fmt.Println("in the view:", cash, "and", spent, "make", cash+spent)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	var cash, spent int
	if err := db.QueryRow(ctx, "SELECT (SELECT amount FROM cash), (SELECT sum(cost) FROM trade)").Scan(&cash, &spent); err != nil {
		log.Fatal(err)
	}
	fmt.Println("afterwards:", cash, "and", spent, "make", cash+spent)
	// Output:
	// in the view: 100 and 0 make 100
	// afterwards: 60 and 40 make 100
}
