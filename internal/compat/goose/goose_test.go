package goose_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/compat"
)

func file(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(sql)} }

func TestGooseUpAndDown(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]engine.SQLOption{"immediate": nil, "read first": {engine.ReadFirst()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, _ := compat.Open(t, opts...)
			p, err := goose.NewProvider(goose.DialectSQLite3, pool, fstest.MapFS{
				"001_orders.sql": file("-- +goose Up\nCREATE TABLE orders (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL);\n" +
					"INSERT INTO orders VALUES (1, 10);\n-- +goose Down\nDROP TABLE orders;\n"),
				"002_trigger.sql": file("-- +goose Up\nCREATE TABLE log (id INTEGER);\n-- +goose StatementBegin\n" +
					"CREATE TRIGGER t AFTER INSERT ON orders BEGIN\n INSERT INTO log VALUES (new.id);\nEND;\n-- +goose StatementEnd\n" +
					"INSERT INTO orders VALUES (2, 20);\n-- +goose Down\nDROP TRIGGER t;\nDROP TABLE log;\n"),
				"003_index.sql": file("-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX by_qty ON orders (qty);\n-- +goose Down\nDROP INDEX by_qty;\n"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if done, err := p.Up(t.Context()); err != nil || len(done) != 3 {
				t.Fatalf("%d migrations, %v", len(done), err)
			}
			if v, err := p.GetDBVersion(t.Context()); err != nil || v != 3 {
				t.Errorf("version %d, %v", v, err)
			}
			var n int
			if err := pool.QueryRow("SELECT count(*) FROM log").Scan(&n); err != nil || n != 1 {
				t.Errorf("the trigger ran %d times, %v", n, err)
			}
			if status, err := p.Status(t.Context()); err != nil || len(status) != 3 || status[2].State != goose.StateApplied || status[2].AppliedAt.IsZero() {
				t.Errorf("status %+v, %v", status, err)
			}
			if done, err := p.DownTo(t.Context(), 0); err != nil || len(done) != 3 {
				t.Fatalf("%d migrations back, %v", len(done), err)
			}
			if err := pool.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name IN ('orders', 'log', 't', 'by_qty')").Scan(&n); err != nil || n != 0 {
				t.Errorf("%d objects are left, %v", n, err)
			}
		})
	}
}

// A migration that fails leaves nothing of itself; the ones before it stay.
func TestGooseFailure(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, fstest.MapFS{
		"001_a.sql": file("-- +goose Up\nCREATE TABLE a (id INTEGER PRIMARY KEY);\n"),
		"002_b.sql": file("-- +goose Up\nCREATE TABLE b (id INTEGER);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Up(t.Context()); !errors.Is(err, engine.ErrConstraint) {
		t.Fatalf("got %v", err)
	}
	var a, b int
	if err := pool.QueryRow("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM sqlite_schema WHERE name = 'b')").Scan(&a, &b); err != nil || a+b != 0 {
		t.Errorf("%d rows, %d tables of the failed migration, %v", a, b, err)
	}
	if v, err := p.GetDBVersion(t.Context()); err != nil || v != 1 {
		t.Errorf("version %d, %v", v, err)
	}
}
