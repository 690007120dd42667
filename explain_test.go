package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// TestExplainAfterTheSchemaChanged: the plan is that of the schema as it is, whoever changed it, though the same plan was asked for before on the
// same connection.
func TestExplainAfterTheSchemaChanged(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/plan.db"
	db := openAt(t, path, func(c *engine.Config) { c.Maintenance.Connections, c.Maintenance.Slots = 1, 1 })
	exec(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", "CREATE INDEX t_n ON t (n)")
	plan := func(want string) {
		t.Helper()
		steps, err := db.Explain(context.Background(), "SELECT id FROM t WHERE n = ?", 7)
		if err != nil || len(steps) != 1 || !strings.Contains(steps[0].Detail, want) {
			t.Errorf("%+v, %v, want %q", steps, err, want)
		}
	}
	plan("t_n")
	exec(t, db, "DROP INDEX t_n")
	plan("SCAN t")
	other := elsewhere(t, path)
	other("CREATE INDEX t_other ON t (n)")
	plan("t_other")
	other("DROP INDEX t_other")
	plan("SCAN t")
}
