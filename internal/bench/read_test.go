package bench

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/bench/suite"
)

const (
	pointSQL = suite.PointSQL
	scanSQL  = suite.ScanSQL
	rowCount = suite.Rows
)

// note keeps what was read from being optimised away.
var note string

// fixture is a table of ten thousand rows, open in the engine and in the bare driver.
func fixture(b testing.TB) (*engine.DB, *sqlite3.Conn) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "read.db")
	db, err := engine.Open(b.Context(), engine.DefaultConfig(path))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	for _, q := range suite.Schema() {
		if _, err := db.Exec(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	conn, err := sqlite3.Open("file:" + path + "?_pragma=query_only(1)&_pragma=cache_size(-4096)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return db, conn
}

func BenchmarkPointRead(b *testing.B) {
	db, conn := fixture(b)
	bare := func(b *testing.B) {
		s, _, err := conn.Prepare(pointSQL)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		b.ReportAllocs()
		var sum int64
		for i := 0; b.Loop(); i++ {
			if err := s.BindInt64(1, int64(i%rowCount+1)); err != nil {
				b.Fatal(err)
			}
			if !s.Step() {
				b.Fatal(s.Err())
			}
			sum += s.ColumnInt64(0) + s.ColumnInt64(1)
			if err := s.Reset(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("alone/bare", bare)
	b.Run("alone/engine", func(b *testing.B) {
		b.ReportAllocs()
		var qty, px int64
		for i := 0; b.Loop(); i++ {
			if err := db.QueryRow(b.Context(), pointSQL, i%rowCount+1).Scan(&qty, &px); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("alone/engine-prepared", func(b *testing.B) {
		stmt, err := db.Prepare(b.Context(), pointSQL)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		var qty, px int64
		for i := 0; b.Loop(); i++ {
			if err := stmt.QueryRow(b.Context(), i%rowCount+1).Scan(&qty, &px); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("transaction/bare", func(b *testing.B) {
		if err := conn.Exec("BEGIN"); err != nil {
			b.Fatal(err)
		}
		defer conn.Exec("ROLLBACK")
		bare(b)
	})
	b.Run("transaction/engine", func(b *testing.B) {
		b.ReportAllocs()
		var qty, px int64
		err := db.View(b.Context(), func(ctx context.Context, tx *engine.Tx) error {
			for i := 0; b.Loop(); i++ {
				if err := tx.QueryRow(ctx, pointSQL, i%rowCount+1).Scan(&qty, &px); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	db, conn := fixture(b)
	b.Run("bare", func(b *testing.B) {
		s, _, err := conn.Prepare(scanSQL)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		b.ReportAllocs()
		for b.Loop() {
			var sum, size int64
			for s.Step() {
				sum += s.ColumnInt64(0) + s.ColumnInt64(1) + s.ColumnInt64(2)
				note = s.ColumnText(3)
				size += int64(len(note))
			}
			if err := s.Reset(); err != nil || sum == 0 || size == 0 {
				b.Fatal(err)
			}
		}
	})
	b.Run("engine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := db.Query(b.Context(), scanSQL)
			if err != nil {
				b.Fatal(err)
			}
			var id, qty, px, sum, size int64
			for row, err := range rows.All() {
				if err != nil {
					b.Fatal(err)
				}
				if err := row.Scan(&id, &qty, &px, &note); err != nil {
					b.Fatal(err)
				}
				sum += id + qty + px
				size += int64(len(note))
			}
			if sum == 0 || size == 0 {
				b.Fatal("nothing read")
			}
		}
	})
}
