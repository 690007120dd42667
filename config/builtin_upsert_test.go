package config_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine"
)

// TestDailyLimitsOfChanges: no statement that raises a quantity which is there gets past the limit of a day, whether it updates, upserts or replaces.
func TestDailyLimitsOfChanges(t *testing.T) {
	t.Parallel()
	db := opened(t, `plugins:
  builtin:
    - policy: dailylimits
      config: {max_qty: 10}
      hooks: [{on: validate, table: trades, ops: [insert, update], columns: [account_id, qty]}]
`, filepath.Join(t.TempDir(), "desk.db"))
	for _, c := range []struct {
		sql  string
		want error
	}{
		{"CREATE TABLE trades (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER, note TEXT) STRICT", nil},
		{"INSERT INTO trades VALUES (1, 1, 5, NULL)", nil},
		{"UPDATE trades SET qty = 11 WHERE id = 1", engine.ErrRejected},
		{"INSERT INTO trades VALUES (1, 1, 11, NULL) ON CONFLICT (id) DO UPDATE SET qty = excluded.qty", engine.ErrRejected},
		{"INSERT OR REPLACE INTO trades VALUES (1, 1, 11, NULL)", engine.ErrRejected},
		{"INSERT INTO trades VALUES (1, 1, 8, NULL) ON CONFLICT (id) DO UPDATE SET qty = excluded.qty", nil}, // 8 of 10
		{"UPDATE trades SET note = 'checked'", nil},
		{"UPDATE trades SET qty = 1", nil}, // gives nothing back
		{"INSERT INTO trades VALUES (2, 1, 3, NULL)", engine.ErrRejected},
		{"INSERT INTO trades VALUES (2, 1, 2, NULL)", nil},
		{"UPDATE trades SET qty = 2 WHERE id = 1", engine.ErrRejected},
		{"DELETE FROM trades", nil},
		{"INSERT INTO trades VALUES (3, 1, 1, NULL)", engine.ErrRejected},
	} {
		if err := exec(t, db, c.sql); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.sql, err, c.want)
		}
	}
}
