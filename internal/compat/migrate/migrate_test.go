package migrate_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	stock "github.com/golang-migrate/migrate/v4/database/sqlite"
	contract "github.com/golang-migrate/migrate/v4/database/testing"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/compat"
)

// adapter is what a driver of golang-migrate for the engine looks like: a migration with all its statements and the version are two
// transactions, as its interface has it.
type adapter struct {
	db     *sql.DB
	locked atomic.Bool
}

const versions = "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL, dirty BOOLEAN NOT NULL)"

func newAdapter(db *sql.DB) (*adapter, error) {
	_, err := db.Exec(versions)
	return &adapter{db: db}, err
}

func (a *adapter) Open(string) (database.Driver, error) { return nil, errors.ErrUnsupported }
func (a *adapter) Close() error                         { return nil }

func (a *adapter) Lock() error {
	if !a.locked.CompareAndSwap(false, true) {
		return database.ErrLocked
	}
	return nil
}

func (a *adapter) Unlock() error {
	if !a.locked.CompareAndSwap(true, false) {
		return database.ErrNotLocked
	}
	return nil
}

func (a *adapter) Run(migration io.Reader) error {
	text, err := io.ReadAll(migration)
	if err != nil {
		return err
	}
	_, err = a.db.Exec(string(text)) // several statements, one transaction
	return err
}

func (a *adapter) SetVersion(version int, dirty bool) error {
	tx, err := a.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("DELETE FROM schema_migrations"); err != nil {
		return err
	}
	if version >= 0 || dirty { // as the contract wants it: a dirty "no version" is a version
		if _, err := tx.Exec("INSERT INTO schema_migrations VALUES (?, ?)", version, dirty); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (a *adapter) Version() (version int, dirty bool, err error) {
	err = a.db.QueryRow("SELECT version, dirty FROM schema_migrations LIMIT 1").Scan(&version, &dirty)
	if errors.Is(err, sql.ErrNoRows) {
		return database.NilVersion, false, nil
	}
	return version, dirty, err
}

// Drop drops tables inside the rows that list them, which wants a second session.
func (a *adapter) Drop() error {
	rows, err := a.db.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		if _, err := a.db.Exec(fmt.Sprintf("DROP TABLE %q", name)); err != nil {
			return err
		}
	}
	return rows.Err()
}

func TestMigrateContract(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	a, err := newAdapter(pool)
	if err != nil {
		t.Fatal(err)
	}
	contract.Test(t, a, []byte("CREATE TABLE t (qty INTEGER, name VARCHAR(40)); CREATE INDEX by_name ON t (name); INSERT INTO t VALUES (1, 'a;b');"))
	var left int
	if err := pool.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d objects after Drop, %v", left, err)
	}
}

func source() fstest.MapFS {
	return fstest.MapFS{
		"1_orders.up.sql":   {Data: []byte("CREATE TABLE orders (id INTEGER PRIMARY KEY, qty INTEGER); INSERT INTO orders VALUES (1, 10), (2, 20);")},
		"1_orders.down.sql": {Data: []byte("DROP TABLE orders;")},
		"2_log.up.sql": {Data: []byte("CREATE TABLE log (id INTEGER);\nCREATE TRIGGER t AFTER DELETE ON orders BEGIN INSERT INTO log VALUES (old.id); END;\n" +
			"DELETE FROM orders WHERE id = 1;")},
		"2_log.down.sql": {Data: []byte("DROP TRIGGER t; DROP TABLE log;")},
	}
}

// The driver for SQLite that golang-migrate ships works on an open sql.DB, and so on the engine.
func TestMigrateStockDriver(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	driver, err := stock.WithInstance(pool, &stock.Config{})
	if err != nil {
		t.Fatal(err)
	}
	src, err := iofs.New(source(), ".")
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrate.NewWithInstance("iofs", src, "engine", driver)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(); err != nil {
		t.Fatal(err)
	}
	var logged int
	if err := pool.QueryRow("SELECT count(*) FROM log").Scan(&logged); err != nil || logged != 1 {
		t.Errorf("the trigger ran %d times, %v", logged, err)
	}
	if v, dirty, err := m.Version(); v != 2 || dirty || err != nil {
		t.Errorf("version %d, dirty %v, %v", v, dirty, err)
	}
	if err := m.Steps(-1); err != nil {
		t.Error(err)
	}
	if err := m.Migrate(2); err != nil {
		t.Error(err)
	}
	if err := m.Down(); err != nil {
		t.Error(err)
	}
	// Its Drop ends with VACUUM, which is the engine's own business.
	if err := driver.Drop(); !errors.Is(unwrapped(err), engine.ErrForbidden) {
		t.Errorf("Drop: %v", err)
	}
}

// unwrapped is the error inside the library's own, which hides it from errors.Is.
func unwrapped(err error) error {
	var own *database.Error
	if errors.As(err, &own) {
		return own.OrigErr
	}
	var byValue database.Error
	if errors.As(err, &byValue) {
		return byValue.OrigErr
	}
	return err
}

func TestMigrateFailure(t *testing.T) {
	t.Parallel()
	pool, _ := compat.Open(t)
	driver, err := stock.WithInstance(pool, &stock.Config{})
	if err != nil {
		t.Fatal(err)
	}
	err = driver.Run(strings.NewReader("CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO a VALUES (1);"))
	if !errors.Is(unwrapped(err), engine.ErrConstraint) {
		t.Errorf("got %v", err)
	}
	var n int
	if err := pool.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name = 'a'").Scan(&n); err != nil || n != 0 {
		t.Errorf("a failed migration left its table, %v", err)
	}
}
