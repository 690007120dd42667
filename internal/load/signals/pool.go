package signals

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tidegate/engine/core/sqlite/peer"
	"github.com/tidegate/engine/migrations"
)

// pool is a database under database/sql, with prepared statements.
type pool struct {
	db    *sql.DB
	stmts map[string]*sql.Stmt
}

// openPool makes a database with the trading schema.
func openPool(ctx context.Context, path string, o peer.Options) (_ *pool, err error) {
	db, err := peer.Open(path, o)
	if err != nil {
		return nil, err
	}
	p := &pool{db: db, stmts: map[string]*sql.Stmt{}}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	names, err := fs.Glob(migrations.FS, "*.sql") // in order: a number leads each name
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			return nil, err
		}
		_, up, _ := strings.Cut(string(text), "-- +up")
		up, _, _ = strings.Cut(up, "-- +down")
		if _, err := db.ExecContext(ctx, up); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, q := range []string{insertSignal, markSignal, latestSignal, lastQuote, waiting} {
		if p.stmts[q], err = db.PrepareContext(ctx, q); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *pool) write(ctx context.Context, e entry) (err error) {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tx.Rollback() // after the error that counts
		}
	}()
	if _, err := tx.StmtContext(ctx, p.stmts[insertSignal]).ExecContext(ctx, e.id, e.strategy, e.instrument, e.side, e.strength, e.refPx, e.ts, e.ts+int64(life)); err != nil {
		return err
	}
	if e.last != 0 {
		res, err := tx.StmtContext(ctx, p.stmts[markSignal]).ExecContext(ctx, e.last, "acted")
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errLost{e.last}
		}
	}
	return tx.Commit()
}

func (p *pool) rows(ctx context.Context, sql string, args ...any) (int, error) {
	rows, err := p.stmts[sql].QueryContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	row := newRow(len(columns))
	n := 0
	for rows.Next() {
		if err := rows.Scan(row.into...); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

func (p *pool) numbers(ctx context.Context, sql string) (out []int64, err error) {
	rows, err := p.db.QueryContext(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

func (p *pool) setup(ctx context.Context, fn func(exec func(sql string, args ...any) error) error) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	err = fn(func(sql string, args ...any) error {
		_, err := tx.ExecContext(ctx, sql, args...)
		return err
	})
	if err != nil {
		tx.Rollback() // after the error that counts
		return err
	}
	return tx.Commit()
}

func (p *pool) close() error { return p.db.Close() }
