package torture

import (
	"context"
	"fmt"

	"github.com/tidegate/engine"
)

// Intact fails where SQLite finds something wrong with the database.
func Intact(ctx context.Context, db *engine.DB) error {
	var check string
	if err := db.QueryRow(ctx, "PRAGMA integrity_check").Scan(&check); err != nil {
		return fmt.Errorf("integrity check: %w", err)
	}
	if check != "ok" {
		return fmt.Errorf("integrity check: %s", check)
	}
	return nil
}

// Take reads so many rows at the most, and closes them.
func Take(rows *engine.Rows, most int) error {
	defer rows.Close()
	n := 0
	for _, err := range rows.All() {
		if err != nil {
			return err
		}
		if n++; n == most {
			break
		}
	}
	return nil
}
