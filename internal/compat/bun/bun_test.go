package bun_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/compat"
)

type account struct {
	bun.BaseModel `bun:"table:accounts,alias:a"`

	ID      int64             `bun:",pk,autoincrement"`
	Owner   string            `bun:",notnull,unique"`
	Balance int64             `bun:",notnull"`
	Active  bool              `bun:",notnull"`
	Opened  time.Time         `bun:",notnull"`
	Closed  bun.NullTime      `bun:",nullzero"`
	Secret  []byte            `bun:"type:blob"`
	Tags    map[string]string `bun:"type:json"`
	Entries []*entry          `bun:"rel:has-many,join:id=account_id"`
}

type entry struct {
	bun.BaseModel `bun:"table:entries"`

	ID        int64 `bun:",pk,autoincrement"`
	AccountID int64 `bun:",notnull"`
	Amount    int64 `bun:",notnull"`
}

func open(t *testing.T, opts ...engine.SQLOption) *bun.DB {
	t.Helper()
	pool, _ := compat.Open(t, opts...)
	db := bun.NewDB(pool, sqlitedialect.New())
	for _, model := range []any{(*account)(nil), (*entry)(nil)} {
		if _, err := db.NewCreateTable().Model(model).IfNotExists().Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func TestBunModels(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]engine.SQLOption{"immediate": nil, "read first": {engine.ReadFirst()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, ctx := open(t, opts...), t.Context()
			at := time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
			a := &account{Owner: "ann", Balance: 100, Active: true, Opened: at, Secret: []byte{0, 255}, Tags: map[string]string{"tier": "gold"}}
			if _, err := db.NewInsert().Model(a).Exec(ctx); err != nil || a.ID == 0 {
				t.Fatalf("%+v, %v", a, err)
			}
			more := []*account{{Owner: "bob", Opened: at}, {Owner: "cy", Opened: at}}
			if _, err := db.NewInsert().Model(&more).Exec(ctx); err != nil || more[1].ID != a.ID+2 {
				t.Errorf("%+v, %v", more[1], err)
			}
			if _, err := db.NewInsert().Model(&[]entry{{AccountID: a.ID, Amount: 60}, {AccountID: a.ID, Amount: 40}}).Exec(ctx); err != nil {
				t.Fatal(err)
			}
			got := new(account)
			if err := db.NewSelect().Model(got).Relation("Entries").Where("a.owner = ?", "ann").Scan(ctx); err != nil {
				t.Fatal(err)
			}
			if !got.Opened.Equal(at) || !got.Active || !got.Closed.IsZero() || string(got.Secret) != "\x00\xff" || got.Tags["tier"] != "gold" || len(got.Entries) != 2 {
				t.Errorf("read %+v", got)
			}
			res, err := db.NewUpdate().Model((*account)(nil)).Set("balance = balance + ?", 5).Where("active = ?", true).Exec(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := res.RowsAffected(); n != 1 || err != nil {
				t.Errorf("%d rows, %v", n, err)
			}
			up := &account{Owner: "ann", Balance: 7, Opened: at}
			if _, err := db.NewInsert().Model(up).On("CONFLICT (owner) DO UPDATE").Set("balance = EXCLUDED.balance").Returning("*").Exec(ctx); err != nil || up.ID != a.ID || up.Balance != 7 {
				t.Errorf("upsert %+v, %v", up, err)
			}
			var rows []map[string]any
			if err := db.NewSelect().Model((*account)(nil)).Column("owner", "active").OrderExpr("id").Scan(ctx, &rows); err != nil || len(rows) != 3 || rows[0]["owner"] != "ann" {
				t.Errorf("%v, %v", rows, err)
			}
			if n, err := db.NewSelect().Model((*account)(nil)).Where("id IN (?)", bun.In([]int64{a.ID, more[0].ID})).Count(ctx); n != 2 || err != nil {
				t.Errorf("count %d, %v", n, err)
			}
			if ok, err := db.NewSelect().Model((*account)(nil)).Where("owner = 'nobody'").Exists(ctx); ok || err != nil {
				t.Errorf("exists %v, %v", ok, err)
			}
			if _, err := db.NewInsert().Model(&account{Owner: "bob", Opened: at}).Exec(ctx); !errors.Is(err, engine.ErrConstraint) {
				t.Errorf("a second bob: %v", err)
			}
			if _, err := db.NewDelete().Model(got).WherePK().Exec(ctx); err != nil {
				t.Error(err)
			}
			if err := db.NewSelect().Model(got).WherePK().Scan(ctx); !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("a deleted row: %v", err)
			}
			if _, err := db.NewAddColumn().Model((*account)(nil)).ColumnExpr("tier INTEGER DEFAULT 1").Exec(ctx); err != nil {
				t.Error(err)
			}
			if _, err := db.NewCreateIndex().Model((*entry)(nil)).Index("by_account").Column("account_id").Exec(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBunTransactions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]engine.SQLOption{"immediate": nil, "read first": {engine.ReadFirst()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, ctx := open(t, opts...), t.Context()
			stop := errors.New("stop")
			add := func(owner string) func(context.Context, bun.Tx) error {
				return func(ctx context.Context, tx bun.Tx) error {
					_, err := tx.NewInsert().Model(&account{Owner: owner, Opened: time.Now()}).Exec(ctx)
					return err
				}
			}
			err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				if err := add("kept")(ctx, tx); err != nil {
					return err
				}
				inner := tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { // a savepoint
					return errors.Join(add("lost")(ctx, tx), stop)
				})
				if !errors.Is(inner, stop) {
					t.Errorf("the inner transaction: %v", inner)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				return errors.Join(add("lost")(ctx, tx), stop)
			}); !errors.Is(err, stop) {
				t.Errorf("got %v", err)
			}
			var owners []string
			if err := db.NewSelect().Model((*account)(nil)).Column("owner").Scan(ctx, &owners); err != nil || len(owners) != 1 || owners[0] != "kept" {
				t.Errorf("owners %v, %v", owners, err)
			}
			err = db.RunInTx(ctx, &sql.TxOptions{ReadOnly: true}, add("never"))
			if !errors.Is(err, engine.ErrReadOnly) {
				t.Errorf("a write in a read-only transaction: %v", err)
			}
		})
	}
}
