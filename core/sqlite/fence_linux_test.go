package sqlite_test

import (
	"errors"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

// TestUnlockWithoutFence shows why the fence is needed: the same history, with the locks taken and nothing else.
func TestUnlockWithoutFence(t *testing.T) {
	t.Parallel()
	lost, integrity := stuckWriter(t, seizure{
		seize: func(t *testing.T, c *sqlite.Conn) { must(t, sqlite.UnlockShm(c)) },
		wake: func(t *testing.T, c *sqlite.Conn, err error) {
			if err == nil {
				err = c.Exec("COMMIT")
			}
			t.Logf("the woken writer ended with: %v", err)
			closeConn(c)
		},
	})
	if lost == 0 && integrity == "ok" {
		t.Fatal("nothing was lost: the history no longer shows what the fence is for")
	}
	t.Logf("%d acknowledged rows lost, integrity_check: %.60s", lost, integrity)
}

// TestLateRollback shows why SQLite's code must not run at all on a seized connection: even a polite rollback clears entries of the
// mapped -shm file, which are the successor's by then.
func TestLateRollback(t *testing.T) {
	t.Parallel()
	lost, integrity := stuckWriter(t, seizure{
		seize:  func(t *testing.T, c *sqlite.Conn) { must(t, sqlite.UnlockShm(c)) },
		result: errors.New("too late"),
		wake: func(t *testing.T, c *sqlite.Conn, err error) {
			if err == nil {
				t.Error("the woken statement succeeded")
			}
			t.Logf("the late rollback ended with: %v", c.Exec("ROLLBACK"))
			closeConn(c)
		},
	})
	if lost == 0 && integrity == "ok" {
		t.Fatal("nothing was damaged: the history no longer shows what the fence is for")
	}
	t.Logf("%d acknowledged rows lost, integrity_check: %.60s", lost, integrity)
}
