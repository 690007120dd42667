package peers

import (
	"testing"

	_ "modernc.org/sqlite" // registers "sqlite"
)

// BenchmarkSuiteModernc is SQLite translated from C to Go.
func BenchmarkSuiteModernc(b *testing.B) {
	pooled(b, "sqlite", "?_txlock=immediate&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(30000)&_pragma=foreign_keys(1)&_pragma=cache_size(-8192)")
}
