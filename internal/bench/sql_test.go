package bench

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/tidegate/engine"
)

// BenchmarkSQLPointRead is a point read under database/sql, prepared and not: through the engine, which keeps statements compiled either
// way, and through the driver it is built on.
func BenchmarkSQLPointRead(b *testing.B) {
	db, conn := fixture(b)
	path := conn.Filename("main").String()
	read := func(b *testing.B, pool *sql.DB) {
		b.Helper()
		stmt, err := pool.PrepareContext(b.Context(), pointSQL)
		if err != nil {
			b.Fatal(err)
		}
		defer stmt.Close()
		b.ReportAllocs()
		var qty, px int64
		for i := 0; b.Loop(); i++ {
			id := int64(i%rowCount + 1)
			if err := stmt.QueryRowContext(b.Context(), id).Scan(&qty, &px); err != nil {
				b.Fatal(err)
			}
			if qty != id*7 || px != id*13 {
				b.Fatalf("row %d: %d %d", id, qty, px)
			}
		}
	}
	plain := func(b *testing.B, pool *sql.DB) {
		b.Helper()
		b.ReportAllocs()
		var qty, px int64
		for i := 0; b.Loop(); i++ {
			id := int64(i%rowCount + 1)
			if err := pool.QueryRowContext(b.Context(), pointSQL, id).Scan(&qty, &px); err != nil {
				b.Fatal(err)
			}
			if qty != id*7 || px != id*13 {
				b.Fatalf("row %d: %d %d", id, qty, px)
			}
		}
	}
	for _, how := range []struct {
		name string
		run  func(*testing.B, *sql.DB)
	}{{"prepared", read}, {"unprepared", plain}} {
		b.Run(how.name+"/engine", func(b *testing.B) {
			pool := db.SQL()
			defer pool.Close()
			how.run(b, pool)
		})
		b.Run(how.name+"/driver", func(b *testing.B) {
			pool, err := driver.Open("file:" + path + "?_pragma=query_only(1)&_pragma=cache_size(-4096)")
			if err != nil {
				b.Fatal(err)
			}
			defer pool.Close()
			how.run(b, pool)
		})
	}
}

// BenchmarkSQLPointReadSessions is the same by 64 sessions at once, against a pool of connections as database/sql has it by default and one
// that is large enough.
func BenchmarkSQLPointReadSessions(b *testing.B) {
	db, conn := fixture(b)
	dsn := "file:" + conn.Filename("main").String() + "?_pragma=query_only(1)&_pragma=cache_size(-4096)"
	read := func(b *testing.B, pool *sql.DB) {
		b.Helper()
		stmt, err := pool.PrepareContext(b.Context(), pointSQL)
		if err != nil {
			b.Fatal(err)
		}
		defer stmt.Close()
		b.SetParallelism(32)
		b.ReportAllocs()
		var next atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			var qty, px int64
			for pb.Next() {
				id := next.Add(1)%rowCount + 1
				if err := stmt.QueryRowContext(b.Context(), id).Scan(&qty, &px); err != nil || qty != id*7 {
					b.Errorf("row %d: %d, %v", id, qty, err)
					return
				}
			}
		})
	}
	b.Run("engine", func(b *testing.B) {
		pool := db.SQL()
		defer pool.Close()
		read(b, pool)
	})
	for _, idle := range []int{2, 64} {
		b.Run(fmt.Sprintf("driver/pool of %d", idle), func(b *testing.B) {
			pool, err := driver.Open(dsn)
			if err != nil {
				b.Fatal(err)
			}
			defer pool.Close()
			pool.SetMaxIdleConns(idle)
			read(b, pool)
		})
	}
}

// BenchmarkSQLTransaction is an interactive transaction of one row by 64 callers at once. The engine reports how many shared a COMMIT.
func BenchmarkSQLTransaction(b *testing.B) {
	write := func(b *testing.B, pool *sql.DB) {
		b.Helper()
		if _, err := pool.ExecContext(b.Context(), "CREATE TABLE ticks (id INTEGER PRIMARY KEY, px INTEGER NOT NULL)"); err != nil {
			b.Fatal(err)
		}
		var px atomic.Int64
		b.SetParallelism(32)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				tx, err := pool.BeginTx(b.Context(), nil)
				if err != nil {
					b.Error(err)
					return
				}
				if _, err := tx.ExecContext(b.Context(), "INSERT INTO ticks (px) VALUES (?)", px.Add(1)); err != nil {
					b.Error(err)
				}
				if err := tx.Commit(); err != nil {
					b.Error(err)
				}
			}
		})
		b.StopTimer()
		var n int64
		if err := pool.QueryRowContext(b.Context(), "SELECT count(*) FROM ticks").Scan(&n); err != nil || n != px.Load() {
			b.Fatalf("%d rows of %d: %v", n, px.Load(), err)
		}
	}
	b.Run("engine", func(b *testing.B) {
		db, err := engine.Open(b.Context(), engine.DefaultConfig(filepath.Join(b.TempDir(), "tx.db")))
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		pool := db.SQL()
		defer pool.Close()
		before := db.Stats().Writer
		write(b, pool)
		after := db.Stats().Writer
		b.ReportMetric(float64(after.Jobs-before.Jobs)/float64(after.Commits-before.Commits), "txn/commit")
	})
	b.Run("driver", func(b *testing.B) {
		pool, err := driver.Open("file:" + filepath.Join(b.TempDir(), "tx.db") +
			"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(10000)&_txlock=immediate")
		if err != nil {
			b.Fatal(err)
		}
		defer pool.Close()
		pool.SetMaxOpenConns(1) // the fastest that it can be: several would wait for the lock, asleep
		write(b, pool)
	})
}
