package convert_test

import (
	"testing"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/internal/testconn"
)

// BenchmarkConvert is the time for a row: a million rows take a million times that.
func BenchmarkConvert(b *testing.B) {
	for name, column := range map[string]string{"in place": "", "rebuild": " position=keep"} {
		b.Run(name, func(b *testing.B) {
			c := open(b)
			many(b, c, max(b.N, 100), 1)
			d := parse(b, "trades.price TEXT -> INTEGER using dec(6,2) on_loss=quarantine"+column)
			testconn.Exec(b, c, "BEGIN IMMEDIATE")
			b.ResetTimer()
			if _, err := convert.Apply(b.Context(), c, d, options()); err != nil {
				b.Fatal(err)
			}
			testconn.Exec(b, c, "COMMIT")
		})
	}
	// The ratio's other side: what SQLite alone takes to rewrite the column without any check.
	b.Run("unchecked CAST", func(b *testing.B) {
		c := open(b)
		many(b, c, max(b.N, 100), 1)
		b.ResetTimer()
		testconn.Exec(b, c, "BEGIN IMMEDIATE", "ALTER TABLE trades ADD COLUMN n INTEGER", "UPDATE trades SET n = CAST(round(price * 1000000) AS INTEGER)",
			"ALTER TABLE trades DROP COLUMN price", "ALTER TABLE trades RENAME COLUMN n TO price", "COMMIT")
	})
}
