package peers

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tidegate/engine/internal/bench/suite"
)

// BenchmarkSuiteZombiezen is modernc's SQLite by an API of its own: one connection, which callers take in turn.
func BenchmarkSuiteZombiezen(b *testing.B) {
	conn, err := sqlite.OpenConn(filepath.Join(b.TempDir(), "suite.db"), sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	for _, q := range append([]string{"PRAGMA synchronous=full", "PRAGMA foreign_keys=1", "PRAGMA cache_size=-8192"}, suite.Schema()...) {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			b.Fatal(err)
		}
	}
	suite.Run(b, &zombiezen{conn: conn})
}

type zombiezen struct {
	mu   sync.Mutex
	conn *sqlite.Conn
}

func (z *zombiezen) Point(_ context.Context, id int64) (qty, px int64, err error) {
	s, err := z.conn.Prepare(suite.PointSQL)
	if err != nil {
		return 0, 0, err
	}
	s.BindInt64(1, id)
	if _, err := s.Step(); err != nil {
		return 0, 0, err
	}
	qty, px = s.ColumnInt64(0), s.ColumnInt64(1)
	return qty, px, s.Reset()
}

func (z *zombiezen) Scan(context.Context) (sum int64, err error) {
	s, err := z.conn.Prepare(suite.ScanSQL)
	if err != nil {
		return 0, err
	}
	for {
		row, err := s.Step()
		if err != nil {
			return 0, err
		}
		if !row {
			return sum, s.Reset()
		}
		sum += s.ColumnInt64(0) + s.ColumnInt64(1) + s.ColumnInt64(2) + int64(len(s.ColumnText(3)))
	}
}

func (z *zombiezen) Insert(_ context.Context, px int64) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	s, err := z.conn.Prepare(suite.InsertSQL)
	if err != nil {
		return err
	}
	s.BindInt64(1, px)
	if _, err := s.Step(); err != nil {
		return err
	}
	return s.Reset()
}

func (z *zombiezen) Count(context.Context) (int64, error) {
	s, err := z.conn.Prepare("SELECT count(*) FROM ticks")
	if err != nil {
		return 0, err
	}
	return sqlitex.ResultInt64(s)
}
