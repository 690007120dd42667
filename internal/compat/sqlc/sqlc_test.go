package sqlc_test

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/compat"
	"github.com/tidegate/engine/internal/compat/sqlc/ledger"
)

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

//go:embed schema.sql
var schema string

// each runs a test with plain and with prepared queries, and with both ways to begin a transaction.
func each(t *testing.T, test func(t *testing.T, pool *sql.DB, q *ledger.Queries)) {
	for name, opts := range map[string][]engine.SQLOption{"immediate": nil, "read first": {engine.ReadFirst()}} {
		for _, prepared := range []string{"plain", "prepared"} {
			t.Run(name+"/"+prepared, func(t *testing.T) {
				t.Parallel()
				pool, _ := compat.Open(t, opts...)
				if _, err := pool.Exec(schema); err != nil {
					t.Fatal(err)
				}
				q := ledger.New(pool)
				if prepared == "prepared" {
					var err error
					if q, err = ledger.Prepare(t.Context(), pool); err != nil {
						t.Fatal(err)
					}
					defer q.Close()
				}
				test(t, pool, q)
			})
		}
	}
}

func TestSQLCQueries(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *sql.DB, q *ledger.Queries) {
		ctx := t.Context()
		at := time.Date(2024, 5, 6, 7, 8, 9, 10, time.FixedZone("", 7200))
		var ids []int64
		for _, owner := range []string{"ann", "bob", "cy"} {
			a, err := q.OpenAccount(ctx, ledger.OpenAccountParams{Owner: owner, Balance: 100, Opened: at})
			if err != nil {
				t.Fatal(err)
			}
			if a.Owner != owner || a.Balance != 100 || !a.Active || !a.Opened.Equal(at) || a.Note.Valid {
				t.Errorf("opened %+v", a)
			}
			ids = append(ids, a.ID)
		}
		if n, err := q.Move(ctx, ledger.MoveParams{Amount: -30, ID: ids[0]}); err != nil || n != 1 {
			t.Errorf("%d rows, %v", n, err)
		}
		entry, err := q.Book(ctx, ledger.BookParams{Account: ids[0], Amount: -30, Proof: []byte{0, 255}})
		if err != nil || entry == 0 {
			t.Errorf("entry %d, %v", entry, err)
		}
		if err := q.Retire(ctx, ledger.RetireParams{ID: ids[2]}); err != nil {
			t.Error(err)
		}
		active, err := q.ActiveAccounts(ctx, at.Add(time.Second))
		if err != nil || len(active) != 2 || !active[1].Opened.Equal(at) {
			t.Errorf("active %+v, %v", active, err)
		}
		some, err := q.AccountsByID(ctx, []int64{ids[0], ids[1], 99})
		if err != nil || len(some) != 2 || some[0].Balance != 70 {
			t.Errorf("by id %+v, %v", some, err)
		}
		statement, err := q.Statement(ctx, ids[0])
		if err != nil || len(statement) != 1 || statement[0].ID != entry || string(statement[0].Proof) != "\x00\xff" || statement[0].Owner != "ann" {
			t.Errorf("statement %+v, %v", statement, err)
		}
		if _, err := q.Account(ctx, 99); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("a missing account: %v", err)
		}
		if _, err := q.Move(ctx, ledger.MoveParams{Amount: -500, ID: ids[0]}); !errors.Is(err, engine.ErrConstraint) {
			t.Errorf("an overdraft: %v", err)
		}
	})
}

// A hundred transfers at once, each a transaction that reads and then writes, run again where it was lost.
func TestSQLCTransfers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, pool *sql.DB, q *ledger.Queries) {
		ctx := t.Context()
		for range 2 {
			if _, err := q.OpenAccount(ctx, ledger.OpenAccountParams{Owner: "x", Balance: 1000, Opened: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				err := transfer(ctx, pool, q)
				for engine.Retryable(err) {
					err = transfer(ctx, pool, q)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		both, err := q.AccountsByID(ctx, []int64{1, 2})
		if err != nil || len(both) != 2 || both[0].Balance != 900 || both[1].Balance != 1100 {
			t.Errorf("after a hundred transfers %+v, %v", both, err)
		}
		if lines, err := q.Statement(ctx, 1); err != nil || len(lines) != 100 {
			t.Errorf("%d entries, %v", len(lines), err)
		}
	})
}

func transfer(ctx context.Context, pool *sql.DB, q *ledger.Queries) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	in := q.WithTx(tx)
	from, err := in.Account(ctx, 1)
	if err != nil {
		return err
	}
	if from.Balance < 1 {
		return errors.New("out of money")
	}
	for id, amount := range map[int64]int64{1: -1, 2: 1} {
		if _, err := in.Move(ctx, ledger.MoveParams{Amount: amount, ID: id}); err != nil {
			return err
		}
	}
	if _, err := in.Book(ctx, ledger.BookParams{Account: 1, Amount: -1}); err != nil {
		return err
	}
	return tx.Commit()
}
