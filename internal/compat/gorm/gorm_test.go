package gorm_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/compat"
)

type account struct {
	ID      uint `gorm:"primaryKey"`
	Owner   string
	Balance int64 `gorm:"check:balance >= 0"`
	Active  bool
	Opened  time.Time
	Closed  *time.Time
	Secret  []byte
	Entries []entry `gorm:"foreignKey:AccountID"`
	gorm.DeletedAt
}

type entry struct {
	ID        uint `gorm:"primaryKey"`
	AccountID uint
	Amount    int64
	CreatedAt time.Time
}

// each runs a test with both ways to begin a transaction: gorm wraps each write of its own in one.
func each(t *testing.T, test func(t *testing.T, db *gorm.DB)) {
	for name, opts := range map[string][]engine.SQLOption{"immediate": nil, "read first": {engine.ReadFirst()}} {
		for _, prepared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/prepared %v", name, prepared), func(t *testing.T) {
				t.Parallel()
				pool, _ := compat.Open(t, opts...)
				db, err := gorm.Open(sqlite.Dialector{Conn: pool}, &gorm.Config{PrepareStmt: prepared, Logger: logger.Discard})
				if err != nil {
					t.Fatal(err)
				}
				if err := db.AutoMigrate(&account{}, &entry{}); err != nil {
					t.Fatal(err)
				}
				test(t, db)
			})
		}
	}
}

func TestGormModels(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *gorm.DB) {
		at := time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)
		a := account{Owner: "ann", Balance: 100, Active: true, Opened: at, Secret: []byte{0, 255}, Entries: []entry{{Amount: 60}, {Amount: 40}}}
		if err := db.Create(&a).Error; err != nil || a.ID == 0 || a.Entries[1].AccountID != a.ID || a.Entries[1].ID == 0 {
			t.Fatalf("%+v, %v", a, err)
		}
		batch := []account{{Owner: "bob"}, {Owner: "cy"}, {Owner: "di"}}
		if err := db.Create(&batch).Error; err != nil || batch[2].ID != a.ID+3 {
			t.Errorf("%+v, %v", batch, err)
		}
		var got account
		if err := db.Preload("Entries").First(&got, "owner = ?", "ann").Error; err != nil {
			t.Fatal(err)
		}
		if !got.Opened.Equal(at) || !got.Active || got.Closed != nil || string(got.Secret) != "\x00\xff" || len(got.Entries) != 2 || got.Entries[0].CreatedAt.IsZero() {
			t.Errorf("read %+v", got)
		}
		if err := db.Model(&got).Updates(map[string]any{"balance": gorm.Expr("balance - ?", 30), "closed": at}).Error; err != nil {
			t.Error(err)
		}
		if err := db.First(&got, got.ID).Error; err != nil || got.Balance != 70 || !got.Closed.Equal(at) {
			t.Errorf("after an update %+v, %v", got, err)
		}
		if res := db.Model(&account{}).Where("owner <> ?", "ann").Update("active", true); res.Error != nil || res.RowsAffected != 3 {
			t.Errorf("%d rows, %v", res.RowsAffected, res.Error)
		}
		upsert := account{ID: a.ID, Owner: "anne"}
		if err := db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns([]string{"owner"})}).Create(&upsert).Error; err != nil || upsert.ID != a.ID {
			t.Errorf("upsert %+v, %v", upsert, err)
		}
		if err := db.Delete(&batch[0]).Error; err != nil {
			t.Error(err)
		}
		var live, all int64
		if err := errors.Join(db.Model(&account{}).Count(&live).Error, db.Unscoped().Model(&account{}).Count(&all).Error); err != nil || live != 3 || all != 4 {
			t.Errorf("%d of %d live, %v", live, all, err)
		}
		err := db.Model(&account{}).Where("id = ?", a.ID).Update("balance", -1).Error
		if !errors.Is(err, engine.ErrConstraint) {
			t.Errorf("a broken check: %v", err)
		}
		var found []account
		if err := db.FindInBatches(&found, 2, func(*gorm.DB, int) error { return nil }).Error; err != nil {
			t.Error(err)
		}
	})
}

func TestGormTransactions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *gorm.DB) {
		if err := db.Create(&account{Owner: "ann", Balance: 100}).Error; err != nil {
			t.Fatal(err)
		}
		stop := errors.New("stop")
		err := db.Transaction(func(tx *gorm.DB) error {
			if err := tx.Create(&account{Owner: "kept"}).Error; err != nil {
				return err
			}
			inner := tx.Transaction(func(tx *gorm.DB) error { // a savepoint
				if err := tx.Create(&account{Owner: "lost"}).Error; err != nil {
					return err
				}
				return stop
			})
			if !errors.Is(inner, stop) {
				t.Errorf("the inner transaction: %v", inner)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Transaction(func(tx *gorm.DB) error {
			return errors.Join(tx.Delete(&account{}, "owner = ?", "ann").Error, stop)
		}); !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
		var owners []string
		if err := db.Model(&account{}).Order("owner").Pluck("owner", &owners).Error; err != nil || fmt.Sprint(owners) != "[ann kept]" {
			t.Errorf("owners %v, %v", owners, err)
		}

		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for {
					err := db.Transaction(func(tx *gorm.DB) error {
						var a account
						if err := tx.First(&a, "owner = ?", "ann").Error; err != nil {
							return err
						}
						return tx.Model(&a).Update("balance", a.Balance+1).Error
					})
					if err == nil {
						return
					}
					if !engine.Retryable(err) {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		var a account
		if err := db.First(&a, "owner = ?", "ann").Error; err != nil || a.Balance != 150 {
			t.Errorf("fifty increments of 100 made %d, %v", a.Balance, err)
		}
	})
}

func TestGormSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *gorm.DB) {
		m := db.Migrator()
		type account struct { // the same table with one column more and one less
			ID    uint
			Owner string
			Limit int64 `gorm:"index"`
		}
		if err := db.Create(&account{Owner: "ann"}).Error; err == nil {
			t.Fatal("the column limit exists before the migration")
		}
		if err := db.AutoMigrate(&account{}); err != nil {
			t.Fatal(err)
		}
		if !m.HasColumn(&account{}, "Limit") || !m.HasIndex(&account{}, "idx_accounts_limit") || !m.HasTable("accounts") {
			t.Error("the migration is not complete")
		}
		types, err := m.ColumnTypes(&account{})
		if err != nil || len(types) < 8 {
			t.Errorf("%d columns, %v", len(types), err)
		}
		if err := m.RenameColumn(&account{}, "limit", "ceiling"); err != nil {
			t.Error(err)
		}
		if err := m.DropColumn(&account{}, "ceiling"); err != nil { // the dialect builds the table anew
			t.Errorf("DropColumn: %v", err)
		}
		if err := m.DropTable("entries"); err != nil || m.HasTable("entries") {
			t.Errorf("DropTable: %v", err)
		}
	})
}
