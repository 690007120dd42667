// Package suite is one set of benchmarks for every way to use SQLite: a point read, a scan of ten thousand rows, and durable
// transactions of one row by 1, 10 and 100 callers at once. It knows no driver: two that register the same name with
// database/sql cannot be in one program.
package suite

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// The statements, and the rows of the first table.
const (
	PointSQL  = "SELECT qty, px FROM fills WHERE id = ?"
	ScanSQL   = "SELECT id, qty, px, note FROM fills"
	InsertSQL = "INSERT INTO ticks (px) VALUES (?)"
	Rows      = 10_000
)

// Schema returns the statements that make the two tables and fill the first.
func Schema() []string {
	return []string{
		"CREATE TABLE fills (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL, px INTEGER NOT NULL, note TEXT NOT NULL) STRICT",
		"INSERT INTO fills WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 10000) SELECT x, x*7, x*13, 'fill number ' || x FROM c",
		"CREATE TABLE ticks (id INTEGER PRIMARY KEY, px INTEGER NOT NULL) STRICT",
	}
}

// Database is what is measured. Its methods are called by one goroutine at a time, but for Insert.
type Database interface {
	// Point reads the row of an id.
	Point(ctx context.Context, id int64) (qty, px int64, err error)
	// Scan reads all fills and returns the sum of the integers and of the texts' lengths.
	Scan(ctx context.Context) (sum int64, err error)
	// Insert commits one row, durably.
	Insert(ctx context.Context, px int64) error
	// Count is how many rows Insert has committed.
	Count(ctx context.Context) (int64, error)
}

// Run runs all benchmarks on a database that holds the Schema.
func Run(b *testing.B, db Database) {
	b.Run("point", func(b *testing.B) { Point(b, db) })
	b.Run("scan", func(b *testing.B) { Scan(b, db) })
	for _, callers := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("commit-%d", callers), func(b *testing.B) { Commit(b, db, callers) })
	}
}

// Point reads row after row.
func Point(b *testing.B, db Database) {
	ctx := b.Context()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := int64(i%Rows + 1)
		qty, px, err := db.Point(ctx, id)
		if err != nil || qty != id*7 || px != id*13 {
			b.Fatalf("row %d: %d %d %v", id, qty, px, err)
		}
	}
}

// Scan reads all rows.
func Scan(b *testing.B, db Database) {
	ctx := b.Context()
	var want int64
	for id := int64(1); id <= Rows; id++ {
		want += id*21 + int64(len(fmt.Sprint("fill number ", id)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if sum, err := db.Scan(ctx); err != nil || sum != want {
			b.Fatalf("sum %d, want %d: %v", sum, want, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/Rows, "ns/row")
}

// Commit commits one row at a time from several callers.
func Commit(b *testing.B, db Database, callers int) {
	ctx := b.Context()
	before, err := db.Count(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := db.Insert(ctx, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "txn/s")
	if after, err := db.Count(ctx); err != nil || after-before != int64(b.N) {
		b.Fatalf("%d rows are there of %d committed: %v", after-before, b.N, err)
	}
}

// Pool is a database under database/sql, with prepared statements. It is safe for concurrent use.
type Pool struct {
	db                  *sql.DB
	point, scan, insert *sql.Stmt
}

// Prepare makes the tables in db and prepares the statements. The benchmark's end closes db.
func Prepare(b *testing.B, db *sql.DB) *Pool {
	b.Helper()
	b.Cleanup(func() { db.Close() })
	for _, q := range Schema() {
		if _, err := db.ExecContext(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	p := &Pool{db: db}
	for q, stmt := range map[string]**sql.Stmt{PointSQL: &p.point, ScanSQL: &p.scan, InsertSQL: &p.insert} {
		var err error
		if *stmt, err = db.PrepareContext(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	return p
}

// Point implements [Database].
func (p *Pool) Point(ctx context.Context, id int64) (qty, px int64, err error) {
	err = p.point.QueryRowContext(ctx, id).Scan(&qty, &px)
	return qty, px, err
}

// Scan implements [Database].
func (p *Pool) Scan(ctx context.Context) (sum int64, err error) {
	rows, err := p.scan.QueryContext(ctx)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var id, qty, px int64
	var note string
	for rows.Next() {
		if err := rows.Scan(&id, &qty, &px, &note); err != nil {
			return 0, err
		}
		sum += id + qty + px + int64(len(note))
	}
	return sum, rows.Err()
}

// Insert implements [Database].
func (p *Pool) Insert(ctx context.Context, px int64) error {
	_, err := p.insert.ExecContext(ctx, px)
	return err
}

// Count implements [Database].
func (p *Pool) Count(ctx context.Context) (n int64, err error) {
	return n, p.db.QueryRowContext(ctx, "SELECT count(*) FROM ticks").Scan(&n)
}
