package bench

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite/peer"
	"github.com/tidegate/engine/internal/bench/suite"
)

// BenchmarkSuite runs what folder peers runs with other drivers, on the engine and on the driver that it is built on. Pools of
// database/sql have one connection: the fastest they can be, because several would wait for the write lock asleep.
//
//	go test -run '^$' -bench Suite . ./peers
func BenchmarkSuite(b *testing.B) {
	b.Run("engine", func(b *testing.B) { suite.Run(b, newNative(b)) })
	b.Run("engine-sql", func(b *testing.B) { suite.Run(b, suite.Prepare(b, open(b).SQL())) })
	b.Run("ncruces", func(b *testing.B) {
		db, err := peer.Open(filepath.Join(b.TempDir(), "suite.db"), peer.Options{Connections: 1, Full: true})
		if err != nil {
			b.Fatal(err)
		}
		suite.Run(b, suite.Prepare(b, db))
	})
}

func open(b *testing.B) *engine.DB {
	b.Helper()
	db, err := engine.Open(b.Context(), engine.DefaultConfig(filepath.Join(b.TempDir(), "suite.db")))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// native is the engine by its own API.
type native struct{ db *engine.DB }

func newNative(b *testing.B) native {
	b.Helper()
	db := open(b)
	for _, q := range suite.Schema() {
		if _, err := db.Exec(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	return native{db}
}

func (n native) Point(ctx context.Context, id int64) (qty, px int64, err error) {
	err = n.db.QueryRow(ctx, suite.PointSQL, id).Scan(&qty, &px)
	return qty, px, err
}

func (n native) Scan(ctx context.Context) (sum int64, err error) {
	rows, err := n.db.Query(ctx, suite.ScanSQL)
	if err != nil {
		return 0, err
	}
	var id, qty, px int64
	for row, err := range rows.All() {
		if err != nil {
			return 0, err
		}
		if err := row.Scan(&id, &qty, &px, &note); err != nil {
			return 0, err
		}
		sum += id + qty + px + int64(len(note))
	}
	return sum, nil
}

func (n native) Insert(ctx context.Context, px int64) error {
	_, err := n.db.Exec(ctx, suite.InsertSQL, px)
	return err
}

func (n native) Count(ctx context.Context) (rows int64, err error) {
	return rows, n.db.QueryRow(ctx, "SELECT count(*) FROM ticks").Scan(&rows)
}

// BenchmarkGroup is a closure of one row by 1, 10 and 100 callers, and how many of them share an fsync. The closures run on
// their callers' goroutines; Exec, in BenchmarkSuite, runs on the lane.
func BenchmarkGroup(b *testing.B) {
	n := newNative(b)
	for _, callers := range []int{1, 10, 100} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			before := n.db.Stats()
			suite.Commit(b, closures{n}, callers)
			after := n.db.Stats()
			b.ReportMetric(float64(after.Writer.Jobs-before.Writer.Jobs)/float64(max(1, after.Syncs-before.Syncs)), "txn/fsync")
		})
	}
}

// closures write by Update.
type closures struct{ native }

func (c closures) Insert(ctx context.Context, px int64) error {
	return c.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, suite.InsertSQL, px)
		return err
	}, hold())
}
