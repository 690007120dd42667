package peers

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "github.com/mattn/go-sqlite3" // registers "sqlite3"

	"github.com/tidegate/engine/internal/bench/suite"
)

// BenchmarkSuiteMattn is SQLite in C; without cgo there is none.
func BenchmarkSuiteMattn(b *testing.B) {
	pooled(b, "sqlite3", "?_txlock=immediate&_journal_mode=wal&_synchronous=full&_busy_timeout=30000&_foreign_keys=1&_cache_size=-8192")
}

// pooled runs the suite on a pool of one connection.
func pooled(b *testing.B, driver, options string) {
	b.Helper()
	db, err := sql.Open(driver, "file:"+filepath.ToSlash(filepath.Join(b.TempDir(), "suite.db"))+options)
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(b.Context()); err != nil {
		db.Close()
		b.Skip(err)
	}
	var mode string
	var level int
	if err := db.QueryRowContext(b.Context(), "SELECT (SELECT journal_mode FROM pragma_journal_mode), (SELECT synchronous FROM pragma_synchronous)").Scan(&mode, &level); err != nil || mode != "wal" || level != 2 {
		b.Fatalf("journal %q, synchronous %d, %v: the options are not those of this driver", mode, level, err)
	}
	suite.Run(b, suite.Prepare(b, db))
}
