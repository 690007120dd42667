package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite/peer"
	"github.com/tidegate/engine/migrations"
)

// statements is how a transaction of the benchmark talks to either store.
type statements interface {
	exec(ctx context.Context, sql string, args ...any) error
	number(ctx context.Context, sql string, args ...any) (int64, error)
}

// store is a database in one of the ways that are compared.
type store interface {
	update(ctx context.Context, fn func(statements) error) error
	syncs() int64 // fsyncs of the log so far; 0 where the store cannot tell
	close() error
}

type engineStore struct{ db *engine.DB }

func openEngine(ctx context.Context, path string) (store, error) {
	cfg := engine.DefaultConfig(path)
	cfg.Migrations = migrations.FS
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &engineStore{db}, nil
}

func (s *engineStore) update(ctx context.Context, fn func(statements) error) error {
	return s.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error { return fn(engineTx{tx}) }, hold())
}

// hold is how long a transaction of a benchmark may keep the writer. The default of 50 ms is for traders; a caller that a busy
// machine does not let run for so long is no finding of a benchmark.
func hold() engine.Option { return engine.HoldFor(2 * time.Second) }

func (s *engineStore) syncs() int64 { return s.db.Stats().Syncs }
func (s *engineStore) close() error { return s.db.Close() }

type engineTx struct{ tx *engine.Tx }

func (t engineTx) exec(ctx context.Context, sql string, args ...any) error {
	_, err := t.tx.Exec(ctx, sql, args...)
	return err
}

func (t engineTx) number(ctx context.Context, sql string, args ...any) (n int64, err error) {
	return n, t.tx.QueryRow(ctx, sql, args...).Scan(&n)
}

// pool is database/sql over the same driver: prepared statements, BEGIN IMMEDIATE, every commit synced.
type pool struct {
	db    *sql.DB
	stmts map[string]*sql.Stmt
}

func openPool(ctx context.Context, path string, conns int, prepared []string) (store, error) {
	db, err := peer.Open(path, peer.Options{Connections: conns, Full: true})
	if err != nil {
		return nil, err
	}
	if err := create(ctx, db); err != nil {
		return nil, err
	}
	p := &pool{db: db, stmts: map[string]*sql.Stmt{}}
	for _, q := range prepared {
		if p.stmts[q], err = db.PrepareContext(ctx, q); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// create gives the peer the same schema: the up sections of all migrations.
func create(ctx context.Context, db *sql.DB) error {
	names, err := fs.Glob(migrations.FS, "*.sql") // in order: a number leads each name
	if err != nil || len(names) == 0 {
		return fmt.Errorf("migrations: %v, %w", names, err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			return err
		}
		_, up, _ := strings.Cut(string(text), "-- +up")
		up, _, _ = strings.Cut(up, "-- +down")
		if _, err := db.ExecContext(ctx, up); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *pool) update(ctx context.Context, fn func(statements) error) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(poolTx{p, tx}); err != nil {
		return errorsFirst(err, tx.Rollback())
	}
	return tx.Commit()
}

func errorsFirst(err, _ error) error { return err }

func (p *pool) syncs() int64 { return 0 }
func (p *pool) close() error { return p.db.Close() }

type poolTx struct {
	p  *pool
	tx *sql.Tx
}

func (t poolTx) exec(ctx context.Context, sql string, args ...any) error {
	if s := t.p.stmts[sql]; s != nil {
		_, err := t.tx.StmtContext(ctx, s).ExecContext(ctx, args...)
		return err
	}
	_, err := t.tx.ExecContext(ctx, sql, args...)
	return err
}

func (t poolTx) number(ctx context.Context, sql string, args ...any) (n int64, err error) {
	if s := t.p.stmts[sql]; s != nil {
		return n, t.tx.StmtContext(ctx, s).QueryRowContext(ctx, args...).Scan(&n)
	}
	return n, t.tx.QueryRowContext(ctx, sql, args...).Scan(&n)
}
