package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// TestSessionsAndKill: what is under way is listed without its literals, and ends by its number.
func TestSessionsAndKill(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	ended := make(chan error, 1)
	go func() {
		var n int64
		ended <- db.QueryRow(context.Background(), "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c WHERE 'secret' <> ''",
			engine.WithName("endless"), engine.WithClass(engine.ClassAnalytics)).Scan(&n)
	}()
	var s engine.Session
	eventually(t, "the endless query to be listed", func() bool {
		for _, s = range db.Sessions() {
			if s.Name == "endless" && s.State == "running" && s.Query != "" { // while it is compiled it has none yet
				return true
			}
		}
		return false
	})
	if s.Lane != "analytics" || s.Class != engine.ClassAnalytics || !strings.HasPrefix(s.Query, "WITH RECURSIVE") || strings.Contains(s.Query, "secret") || s.Age < 0 {
		t.Errorf("listed as %+v", s)
	}
	if !db.Kill(s.ID) || db.Kill(1<<40) || db.Kill(0) {
		t.Error("Kill: wrong report of what there was")
	}
	wantOnly(t, <-ended, engine.ErrKilled)
	if left := db.Sessions(); len(left) != 0 {
		t.Errorf("still listed: %+v", left)
	}
}

// TestDDLCountsNothing: a statement that changes no rows does not report those of the one before.
func TestDDLCountsNothing(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	exec(t, db, "CREATE TABLE a (x INTEGER)", "INSERT INTO a VALUES (1), (2), (3)")
	res, err := db.Exec(t.Context(), "CREATE TABLE b (x INTEGER)")
	if err != nil || res != (engine.Result{}) {
		t.Errorf("CREATE TABLE: %+v, %v", res, err)
	}
}
